"""Human3.6M from its three forms: right numbers, right rows, and clear errors."""

from __future__ import annotations

import builtins
import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oracles import human36m_files as made
from poseterior.data.human36m import open_human36m
from poseterior.data.human36m_cameras import CAMERAS, camera_of
from poseterior.data.human36m_pickles import covariance_of_fit
from poseterior.data.human36m_protocols import read_frame_list, takes_of
from poseterior.data.keypoint_source import MemorySource
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_16, H36M_17

TEST, TRAIN = ("S9", "S11"), ("S1", "S5", "S6", "S7", "S8")
WORLD = made.world_poses(TEST)
TABLE = made.paper_table(TEST)
RECORDED = {("S9", "Discussion", 0): "Discussion 2", ("S9", "Discussion", 1): "Discussion 1"}


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("npz")
    made.write_npz(root, WORLD, ("gt", "cpn_ft_h36m_dbb"), extra=2)
    return root


@pytest.fixture(scope="module")
def pickles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pickles")
    made.write_pickle(root / "testset_h36m.pickle", TABLE)
    return root


@pytest.fixture(scope="module")
def cdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two actions, which are enough for the form."""
    root = tmp_path_factory.mktemp("cdf")
    made.write_cdf(root, few(WORLD))
    return root


FEW = ("Discussion", "Photo")


def few(world: made.World) -> made.World:
    return {s: {n: p for n, p in r.items() if n.split()[0] in FEW} for s, r in world.items()}


def recording(clip: str) -> tuple[str, str, str]:
    """Subject, the recording's own name and camera of a clip's label."""
    subject, name, camera = clip.split("/")
    action, take = name.split()[0], int(name.endswith(" 1"))
    return subject, RECORDED.get((subject, action, take), name), camera


def in_camera(source: MemorySource) -> tuple[np.ndarray, np.ndarray]:
    """For each row by the oracle: the 17 joints in camera axes, and their pinhole pixels."""
    points, pixels = [], []
    for clip, frame in zip(source.labels["clip"], source.labels["frame"], strict=True):
        subject, name, camera = recording(clip)
        world = WORLD[subject][name][frame, made.JOINTS_17].astype("f8")
        points.append(made.to_camera(world, subject, camera))
        pixels.append(made.straight_pixels(points[-1], camera))
    return np.array(points), np.array(pixels)


def check_rows(source: MemorySource, tolerance_px: float = 0.02) -> None:
    points, pixels = in_camera(source)
    assert source.target is not None
    np.testing.assert_allclose(source.target, points - points[:, :1], atol=2e-6)
    np.testing.assert_allclose(source.keypoints.pixels, pixels, atol=tolerance_px)
    assert source.keypoints.valid.all()


@pytest.mark.parametrize("protocol", ["videopose3d", "wehrbein", "every_64"])
@pytest.mark.parametrize("keypoints", ["gt", "cpn"])
def test_archives(npz: Path, protocol: str, keypoints: str) -> None:
    check_rows(open_human36m(npz, protocol, keypoints=keypoints, actions=FEW))


def test_rows_of_the_protocols(npz: Path) -> None:
    every = open_human36m(npz, "videopose3d")
    check_rows(every)
    assert every.rows == 9 * 4 * (30 + 29)  # S11's first Directions is left out
    assert set(every.labels["subject"]) == set(TEST)
    assert set(open_human36m(npz, "every_64").labels["frame"]) == {0}
    # Frames 3 and 7 of each clip; of those, one after the other in an action, every 16th.
    paper = open_human36m(npz, "wehrbein").labels
    for action in made.ACTIONS:
        takes = [
            (s, t) for s in TEST for t in ("", " 1") if (s, t, action) != ("S11", "", "Directions")
        ]
        rows = [(f"{s}/{action}{t}/{c}", f) for s, t in takes for c in CAMERAS for f in (3, 7)]
        mine = paper["action"] == action
        found = list(zip(paper["clip"][mine].tolist(), paper["frame"][mine].tolist(), strict=True))
        assert found == rows[::16]


def test_training_uses_other_subjects_and_is_not_thinned(tmp_path: Path) -> None:
    world = made.world_poses(TRAIN, frames=8)
    few = {s: {n: p for n, p in r.items() if "Waiting" in n} for s, r in world.items()}
    made.write_npz(tmp_path, few)
    paper = open_human36m(tmp_path, "wehrbein", "train", actions=("Waiting",))
    assert paper.rows == 2 * (5 * 2 * 4 - 1)
    assert "S5/Waiting 1/55011271" not in paper.labels["clip"]
    assert set(paper.labels["subject"]) == set(TRAIN)
    every = open_human36m(tmp_path, "videopose3d", "train", actions=("Waiting",))
    assert every.rows == 8 * 5 * 2 * 4


def test_labels_and_camera(npz: Path) -> None:
    source = open_human36m(npz, "videopose3d", actions=("Discussion",))
    first = {name: values[0] for name, values in source.labels.items()}
    assert first == {"action": "Discussion", "subject": "S9", "camera": "54138969",
                     "clip": "S9/Discussion/54138969", "frame": 0}  # fmt: skip
    seen = source.keypoints
    assert seen.skeleton is H36M_17
    assert seen.image_size is not None
    assert seen.intrinsics is not None
    assert seen.image_size[0].tolist() == [1000, 1002]
    assert seen.intrinsics[0, :2, 2].tolist() == pytest.approx([512.5415, 515.4514], abs=1e-3)
    assert seen.covariance[0, 0].tolist() == pytest.approx(np.array([[0.01, 0], [0, 0.01]]))
    assert source.notes["keypoints of"] == "gt"


def test_detections_have_the_covariance_of_a_sure_detector(npz: Path) -> None:
    seen = open_human36m(npz, "every_64", keypoints="cpn", actions=FEW).keypoints
    box = (seen.pixels.amax(1) - seen.pixels.amin(1)).amax(-1)
    expected = (0.55 * 1.25 * box / 64)[:, None].square().expand(-1, 17)
    torch.testing.assert_close(seen.covariance[..., 0, 0], expected)
    torch.testing.assert_close(seen.covariance[..., 1, 1], expected)
    assert (seen.covariance[..., 0, 1] == 0).all()


def test_sixteen_joints(npz: Path) -> None:
    full = open_human36m(npz, "every_64", actions=FEW)
    paper = open_human36m(npz, "every_64", actions=FEW, skeleton="h36m_16")
    assert full.target is not None
    assert paper.target is not None
    assert paper.skeleton is H36M_16
    torch.testing.assert_close(paper.target, full.target[:, made.TO_MPII])
    torch.testing.assert_close(paper.keypoints.pixels, full.keypoints.pixels[:, made.TO_MPII])
    assert (paper.target[:, H36M_16.root] == 0).all()


@pytest.mark.parametrize("subject", [*TRAIN, *TEST])
@pytest.mark.parametrize("camera", CAMERAS)
def test_cameras_stand_upright_and_look_at_the_stage(subject: str, camera: str) -> None:
    own = camera_of(subject, camera)
    x, y, z = own.from_world(torch.tensor([[[0.0, 0.0, 1.0]]]).double())[0, 0].tolist()
    assert 4 < z < 6
    assert abs(x) < 0.2 * z
    assert abs(y) < 0.2 * z
    up = own.rotation @ torch.tensor([0.0, 0.0, 1.0]).double()
    assert up[1] < -0.95  # y points down
    identity = torch.eye(3).double()
    torch.testing.assert_close(own.rotation @ own.rotation.mT, identity, atol=1e-6, rtol=0)
    assert torch.linalg.det(own.rotation) > 0


@pytest.mark.parametrize("mono", [True, False])
def test_cdf_files(tmp_path: Path, cdf: Path, mono: bool) -> None:
    pytest.importorskip("cdflib")
    root = cdf
    if not mono:
        made.write_cdf(tmp_path, few(WORLD), mono=False)
        root = tmp_path
    source = open_human36m(root, "videopose3d", actions=FEW)
    assert source.rows == 9 * 4 * 2 * 4
    check_rows(source)


def test_the_three_forms_agree_on_rows(npz: Path, cdf: Path, tmp_path: Path) -> None:
    made.write_pickle(tmp_path / "testset_h36m.pickle", made.paper_table(TEST, frames=2))
    rows = []
    for root in (npz, cdf, tmp_path):
        labels = open_human36m(root, "wehrbein", actions=FEW).labels
        rows.append({name: values.tolist() for name, values in labels.items()})
    assert rows[0] == rows[1] == rows[2]


def test_a_folder_of_several_forms_is_read_in_the_form_asked_for(npz: Path, tmp_path: Path) -> None:
    for path in npz.iterdir():
        (tmp_path / path.name).symlink_to(path)
    made.write_pickle(tmp_path / "testset_h36m.pickle", TABLE)
    asked: list[tuple[dict[str, Any], str]] = [
        ({}, "gt"), ({"keypoints": "hrnet"}, "hrnet"), ({"form": "pickles"}, "hrnet"),
    ]  # fmt: skip
    for options, found in asked:
        notes = open_human36m(tmp_path, actions=("Eating",), **options).notes
        assert notes["keypoints of"] == found


def test_pickles(pickles: Path) -> None:
    source = open_human36m(pickles)
    assert source.target is not None
    nose = H36M_17.index("nose")
    assert source.keypoints.valid.sum(1).eq(16).all()
    assert not source.keypoints.valid[:, nose].any()
    for row in (0, source.rows // 2, source.rows - 1):
        subject, name, camera = source.labels["clip"][row].split("/")
        action, take = name.split()[0], "1" if name.endswith(" 1") else "0"
        clip = TABLE[subject][action][take][camera]
        index = clip["imgpath"].index(
            f"/{subject}/{name}.{camera}/{source.labels['frame'][row] + 1}.jpg"
        )
        flat, plane = clip["3d_gt"][index] / 1000, clip["2d_hrnet"][index]
        for joint in range(17):
            point = [flat[joint + 17 * axis] - flat[17 * axis] for axis in range(3)]
            np.testing.assert_allclose(source.target[row, joint], point, atol=1e-6)
        for place, joint in enumerate(made.TO_MPII):
            pixel = [plane[place], plane[place + 16]]
            np.testing.assert_allclose(source.keypoints.pixels[row, joint], pixel, atol=1e-4)


def test_rows_of_the_pickles_are_the_papers(pickles: Path) -> None:
    """As the authors' loader goes: stacked by subject, take and camera, then every 16th."""
    labels = open_human36m(pickles).labels
    for action in made.ACTIONS:
        paths: list[str] = []
        for subject in TEST:
            for take in ("0", "1"):
                for camera in CAMERAS:
                    if (subject, take, action, camera) != ("S11", "0", "Directions", "54138969"):
                        paths += TABLE[subject][action][take][camera]["imgpath"]
        mine = labels["action"] == action
        found = [
            f"/{clip.rpartition('/')[0]}.{clip.rpartition('/')[2]}/{frame + 1}.jpg"
            for clip, frame in zip(labels["clip"][mine], labels["frame"][mine], strict=True)
        ]
        assert found == paths[::16]


def test_covariance_is_that_of_the_fitted_gaussian_less_the_detectors_own() -> None:
    """Against second moments of the authors' formula (`gauss2d_angle`), summed over a grid."""
    sigma_x, theta, sigma_y = 3.5, 0.6, 2.6
    x, y = np.meshgrid(np.arange(-30, 30.1, 0.25), np.arange(-30, 30.1, 0.25))
    a = np.cos(theta) ** 2 / (2 * sigma_x**2) + np.sin(theta) ** 2 / (2 * sigma_y**2)
    b = -np.sin(2 * theta) / (4 * sigma_x**2) + np.sin(2 * theta) / (4 * sigma_y**2)
    c = np.sin(theta) ** 2 / (2 * sigma_x**2) + np.cos(theta) ** 2 / (2 * sigma_y**2)
    heat = np.exp(-(a * x**2 + 2 * b * x * y + c * y**2))
    heat /= heat.sum()
    xy = (heat * x * y).sum()
    moments = np.array([[(heat * x**2).sum(), xy], [xy, (heat * y**2).sum()]])
    fit = torch.tensor([1.0, 32, 32, sigma_x, theta, sigma_y, 0]).double()
    expected = 4**2 * (moments - 2**2 * np.eye(2))
    np.testing.assert_allclose(covariance_of_fit(fit), expected, atol=1e-3)
    sharp = torch.tensor([1.0, 0, 0, 1.0, 0.3, -2.0, 0]).double()
    np.testing.assert_allclose(covariance_of_fit(sharp), (4 * 0.55) ** 2 * np.eye(2), atol=1e-9)
    wide = torch.tensor([1.0, 0, 0, 500.0, 0.0, 2.0, 0]).double()
    assert covariance_of_fit(wide)[0, 0] == pytest.approx(16 * (100 - 4))


def test_ambiguous_subset(tmp_path: Path) -> None:
    table = copy.deepcopy(TABLE)
    table["S9"]["Eating"]["1"]["60457274"]["gaussfit"][2, 7 * 4 + 3] = 5.5
    table["S11"]["Photo"]["0"]["55011271"]["gaussfit"][1, 7 * 15 + 5] = 6.0
    table["S11"]["Photo"]["0"]["55011271"]["gaussfit"][3, 7 * 15 + 4] = 6.0  # an angle
    made.write_pickle(tmp_path / "testset_h36m.pickle", table)
    labels = open_human36m(tmp_path, subset="ambiguous").labels
    found = list(zip(labels["clip"].tolist(), labels["frame"].tolist(), strict=True))
    assert found == [("S9/Eating 1/60457274", 11), ("S11/Photo/55011271", 7)]


def test_a_list_of_frames(npz: Path, tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    path.write_text("/S9/Discussion 1.55011271/8.jpg\n\n/S11/WalkingDog.54138969/4.jpg\n")
    assert read_frame_list(path) == [("S9/Discussion 1/55011271", 7), ("S11/WalkDog/54138969", 3)]
    source = open_human36m(npz, subset=path, actions=("Discussion", "WalkDog"))
    assert source.labels["frame"].tolist() == [7, 3]
    check_rows(source)
    assert open_human36m(npz, subset=path, actions=("WalkDog",)).rows == 1
    with pytest.raises(InputError, match=r"absent\.txt"):
        open_human36m(npz, subset=tmp_path / "absent.txt", actions=("WalkDog",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/S9/Eating.54138969/5.jpg", "1 it has not, such as frame 4 of S9/Eating/54138969"),
        ("S9 Eating 5", "line 1: expected a path like"),
        ("/S9/Dancing.54138969/4.jpg", "line 1: expected a path like"),
        ("/S9/Eating.54138969/4.jpg\n/S9/Eating.54138969/4.jpg", "line 2: expected each frame"),
        ("", "expected a list of frames, found no lines"),
        ("/S1/Eating.54138969/4.jpg", "expected frames of test, found none"),
    ],
)
def test_bad_lists_of_frames(npz: Path, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "frames.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"frames\.txt: .*{says}"):
        open_human36m(npz, subset=path, actions=("Eating",))


def test_names_of_takes() -> None:
    names = ["Eating", "Eating 2", "Sitting 1", "Sitting 2", "Discussion 3", "Discussion 2"]
    assert takes_of(names, "f", "S5") == {
        "Eating": ("Eating", 0), "Eating 2": ("Eating", 1),
        "Sitting 2": ("Sitting", 0), "Sitting 1": ("Sitting", 1),
        "Discussion 3": ("Discussion", 0), "Discussion 2": ("Discussion", 1),
    }  # fmt: skip
    with pytest.raises(InputError, match="f: S5/Eating: expected two takes"):
        takes_of([*names, "Eating 1"], "f", "S5")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"protocol": "werbein"}, "protocol: expected 'wehrbein' or another of"),
        ({"split": "val"}, "split: expected one of train, test, found val"),
        ({"skeleton": "coco_17"}, "skeleton: expected one of h36m_17, h36m_16"),
        ({"subjects": ("S2",)}, "subjects: expected one of S1"),
        ({"actions": ("Dancing",)}, "actions: expected one of Directions"),
        ({"form": "mat"}, "form: expected one of npz, cdf, pickles"),
        ({"keypoints": "sh"}, r"data_2d_h36m_sh\.npz: .*no such file"),
        ({"keypoints": "hrnet"}, "found none that goes with keypoints 'hrnet'"),
        ({"split": "train"}, r"data_3d_h36m\.npz: S1: expected an entry, found only S9, S11"),
        ({"subset": "ambiguous"}, "subset: expected testset_h36m.pickle"),
        ({"form": "pickles"}, r"testset_h36m\.pickle: .*No such file"),
        ({"form": "cdf"}, "D2_Positions: expected a folder"),
    ],
)
def test_bad_options(npz: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_human36m(npz, **options)


def test_a_folder_without_the_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected data_3d_h36m\.npz, S\*/MyPoseFeatures or"):
        open_human36m(tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        open_human36m(tmp_path / "absent")


Damage = Callable[[Any, Any], None]
POSES_DAMAGE: dict[str, tuple[Damage, str]] = {
    "subject": (lambda w, _: w.pop("S11"), r"3d_h36m\.npz: S11: expected an entry"),
    "action": (
        lambda w, _: [w["S9"].pop(n) for n in ("Eating", "Eating 1")],
        "S9/Eating: expected two takes of it",
    ),
    "take": (lambda w, _: w["S9"].pop("Eating 1"), "S9/Eating 1: expected two takes"),
    "joints": (
        lambda w, _: w["S9"].update({"Eating": np.zeros((9, 31, 3))}),
        r"3d_h36m\.npz: S9/Eating: expected numbers of shape \(T, 32, 3\), found \(9, 31, 3\)",
    ),
    "nan": (
        lambda w, _: w["S9"].update({"Eating": np.full((9, 32, 3), np.nan)}),
        r"3d_h36m\.npz: S9/Eating: expected finite numbers",
    ),
    "text": (
        lambda w, _: w["S9"].update({"Eating": "?"}),
        r"3d_h36m\.npz: S9/Eating: expected numbers",
    ),
    "no dict": (lambda w, _: w.update({"S9": [1]}), r"3d_h36m\.npz: S9: expected a dict of named"),
    "2d subject": (lambda _, p: p.pop("S9"), r"2d_h36m_gt\.npz: S9: expected an entry"),
    "2d action": (
        lambda _, p: p["S9"].pop("Eating"),
        r"2d_h36m_gt\.npz: S9/Eating: expected an entry",
    ),
    "2d camera": (
        lambda _, p: p["S9"]["Eating"].pop(),
        r"2d_h36m_gt\.npz: S9/Eating: expected four cameras, found 3",
    ),
    "2d joints": (
        lambda _, p: p["S9"]["Eating"].__setitem__(1, np.zeros((9, 16, 2))),
        r"2d_h36m_gt\.npz: S9/Eating/55011271: expected numbers of shape \(T, 17, 2\)",
    ),
    "2d shorter": (
        lambda _, p: p["S9"]["Eating"].__setitem__(1, np.zeros((8, 17, 2))),
        r"S9/Eating/55011271: expected at least the 9 frames of the 3D positions, found 8",
    ),
}


@pytest.mark.parametrize("damage", POSES_DAMAGE)
def test_damaged_archives(tmp_path: Path, npz: Path, damage: str) -> None:
    from poseterior.data.restricted_pickle import read_object_npz

    change, says = POSES_DAMAGE[damage]
    world = read_object_npz(npz / "data_3d_h36m.npz", "positions_3d")
    pixels = read_object_npz(npz / "data_2d_h36m_gt.npz", "positions_2d")
    change(world, pixels)
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=world)
    metadata: Any = {"num_joints": 17}
    np.savez(tmp_path / "data_2d_h36m_gt.npz", positions_2d=pixels, metadata=metadata)
    with pytest.raises(InputError, match=says):
        open_human36m(tmp_path, "videopose3d")


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"layout_name": "coco", "num_joints": 17}, "found coco with 17 joints"),
        ({"num_joints": 16}, "found h36m with 16 joints"),
        ({}, "num_joints: expected an entry"),
        ([1], "expected a dict"),
    ],
)
def test_keypoints_of_another_layout(npz: Path, tmp_path: Path, metadata: Any, says: str) -> None:
    (tmp_path / "data_3d_h36m.npz").symlink_to(npz / "data_3d_h36m.npz")
    holder = np.empty((), object)
    holder[()] = metadata
    np.savez(tmp_path / "data_2d_h36m_gt.npz", positions_2d=holder, metadata=holder)
    with pytest.raises(InputError, match=rf"2d_h36m_gt\.npz: metadata.*{says}"):
        open_human36m(tmp_path)


def test_a_truncated_archive(npz: Path, tmp_path: Path) -> None:
    data = (npz / "data_3d_h36m.npz").read_bytes()
    (tmp_path / "data_3d_h36m.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"data_3d_h36m\.npz: positions_3d: .*truncated"):
        open_human36m(tmp_path)


class Evil:
    """Runs a command when it is unpickled by the plain unpickler."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_malicious_files_run_nothing(npz: Path, tmp_path: Path) -> None:
    target = tmp_path / "ran"
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=np.array({"S9": Evil(target)}))
    with pytest.raises(InputError, match=r"data_3d_h36m\.npz: positions_3d: .*global .*system"):
        open_human36m(tmp_path)
    made.write_pickle(tmp_path / "testset_h36m.pickle", {"S9": [Evil(target)]})
    with pytest.raises(InputError, match=r"testset_h36m\.pickle: .*global .*system"):
        open_human36m(tmp_path, form="pickles")
    assert not target.exists()


def paper_clip(table: Any) -> Any:
    return table["S9"]["Eating"]["0"]["54138969"]


PICKLE_DAMAGE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "subject": (lambda t: t.pop("S11"), "S11: expected an entry"),
    "action": (lambda t: t["S9"].pop("Eating"), "S9/Eating: expected an entry"),
    "take": (lambda t: t["S9"]["Eating"].pop("1"), "S9/Eating/1: expected an entry"),
    "camera": (
        lambda t: t["S9"]["Eating"]["0"].pop("54138969"),
        "S9/Eating/0/54138969: expected an entry",
    ),
    "no paths": (lambda t: paper_clip(t).pop("imgpath"), "54138969/imgpath: expected an entry"),
    "without 3d": (lambda t: paper_clip(t).pop("3d_gt"), r"54138969/3d_gt: .*create_data\.py"),
    "joints": (
        lambda t: paper_clip(t).update({"3d_gt": np.zeros((5, 48))}),
        r"3d_gt: expected numbers of shape \(T, 51\), found \(5, 48\)",
    ),
    "lengths": (
        lambda t: paper_clip(t).update({"2d_hrnet": np.zeros((4, 32))}),
        "2d_hrnet: expected 5 frames, as in imgpath, found 4",
    ),
    "fits": (
        lambda t: paper_clip(t).update({"gaussfit": np.full((5, 112), np.inf)}),
        "gaussfit: expected finite numbers",
    ),
    "order": (lambda t: paper_clip(t)["imgpath"].reverse(), "imgpath: expected frames in order"),
    "foreign": (
        lambda t: paper_clip(t)["imgpath"].__setitem__(0, "/S1/Eating.54138969/4.jpg"),
        "imgpath: expected images of S9/Eating/54138969",
    ),
    "no list": (lambda t: paper_clip(t).update(imgpath=3), "imgpath: expected a list of paths"),
    "no dict": (lambda t: t.update(S9=[]), "S9: expected a dict, found list"),
    "all of it": (lambda t: t.clear(), "S9: expected an entry, found only nothing"),
}


@pytest.mark.parametrize("damage", PICKLE_DAMAGE)
def test_damaged_pickles(tmp_path: Path, damage: str) -> None:
    change, says = PICKLE_DAMAGE[damage]
    table = copy.deepcopy(TABLE)
    change(table)
    made.write_pickle(tmp_path / "testset_h36m.pickle", table)
    with pytest.raises(InputError, match=rf"testset_h36m\.pickle: .*{says}"):
        open_human36m(tmp_path)


def test_pickles_hold_one_protocol_and_one_detector(pickles: Path) -> None:
    with pytest.raises(InputError, match="protocol: expected wehrbein"):
        open_human36m(pickles, "videopose3d")
    with pytest.raises(InputError, match="keypoints: expected hrnet"):
        open_human36m(pickles, keypoints="gt", form="pickles")
    data = (pickles / "testset_h36m.pickle").read_bytes()
    (pickles / "trainset_h36m.pickle").write_bytes(data[:-200])
    with pytest.raises(InputError, match=r"trainset_h36m\.pickle: .*truncated"):
        open_human36m(pickles, split="train")


CDF_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no 2d": (lambda f: (f / "D2_Positions").rename(f / "x"), "D2_Positions: expected a folder"),
    "no camera": (
        lambda f: (f / "D3_Positions_mono/TakingPhoto.58860488.cdf").unlink(),
        r"D3_Positions_mono.TakingPhoto\.58860488\.cdf: expected a CDF file",
    ),
    "no action": (
        lambda f: [p.unlink() for p in (f / "D2_Positions").glob("TakingPhoto*")],
        "S9/Photo: expected two takes",
    ),
    "joints": (
        lambda f: made.one_cdf(f / "D2_Positions/TakingPhoto.58860488.cdf", np.zeros((9, 17, 2))),
        r"TakingPhoto\.58860488\.cdf: Pose: expected numbers of shape \(T, 64\)",
    ),
    "variable": (
        lambda f: made.one_cdf(
            f / "D2_Positions/TakingPhoto.58860488.cdf", np.zeros((9, 32, 2)), "Other"
        ),
        r"TakingPhoto\.58860488\.cdf: Pose: expected a CDF variable",
    ),
    "shorter": (
        lambda f: made.one_cdf(f / "D2_Positions/TakingPhoto.58860488.cdf", np.zeros((8, 32, 2))),
        "Pose: expected at least the 9 frames",
    ),
    "truncated": (
        lambda f: os.truncate(f / "D2_Positions/TakingPhoto.58860488.cdf", 300),
        r"TakingPhoto\.58860488\.cdf: Pose: .*truncated",
    ),
    "empty": (
        lambda f: os.truncate(f / "D2_Positions/TakingPhoto.58860488.cdf", 0),
        r"TakingPhoto\.58860488\.cdf: Pose: .*truncated",
    ),
}


@pytest.mark.parametrize("damage", CDF_DAMAGE)
def test_damaged_cdf_files(cdf: Path, tmp_path: Path, damage: str) -> None:
    import shutil

    change, says = CDF_DAMAGE[damage]
    shutil.copytree(cdf, tmp_path / "h36m")
    for path in (tmp_path / "h36m/S9/MyPoseFeatures/D2_Positions").glob("TakingPhoto.58860488.cdf"):
        if damage in ("joints", "variable", "shorter"):
            path.unlink()
    change(tmp_path / "h36m/S9/MyPoseFeatures")
    with pytest.raises(InputError, match=says):
        open_human36m(tmp_path / "h36m", "videopose3d", actions=FEW)


def test_without_cdflib(cdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "cdflib":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'poseterior\[human36m\]'.*not installed"):
        open_human36m(cdf, actions=FEW)

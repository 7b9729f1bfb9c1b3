"""The test set of MPI-INF-3DHP, from files of its structure."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from dataset_files import mpi_arrays, mpi_test_set, save_mpi

from poseterior.batch.observed import in_skeleton
from poseterior.data.matlab_file import read_matlab
from poseterior.data.mpi_inf_3dhp import open_mpi_inf_3dhp
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mpi_test_set(tmp_path_factory.mktemp("mpi"))


def test_valid_frames_of_all_videos(root: Path) -> None:
    source = open_mpi_inf_3dhp(root)
    assert source.rows == 6 * 4
    assert source.labels["frame"].tolist() == [0, 2, 3, 4] * 6
    assert source.labels["clip"].tolist() == [f"TS{n}" for n in range(1, 7) for _ in range(4)]
    settings = ["studio_green_screen", "studio", "outdoor"]
    assert source.labels["setting"].tolist() == [name for name in settings for _ in range(8)]
    assert source.labels["action"][4] == "Exercise"
    assert "univ_annot3" in source.notes["target"]


def test_the_camera_sees_the_target_where_the_keypoints_are(root: Path) -> None:
    source = open_mpi_inf_3dhp(root, annotation="annot3")
    whole = [mpi_arrays(n)["annot3"][[0, 2, 3, 4], 0, 14] / 1000 for n in range(1, 7)]
    points = source.target.double() + torch.from_numpy(np.concatenate(whole))[:, None]
    seen = points @ source.keypoints.intrinsics.double().mT
    pixels = seen[..., :2] / seen[..., 2:]
    assert torch.allclose(pixels, source.keypoints.pixels.double(), atol=0.01)
    assert source.keypoints.image_size[:16].unique().tolist() == [2048]
    assert source.keypoints.image_size[16:].unique(dim=0).tolist() == [[1920, 1080]]


def test_the_universal_person_is_of_another_size(root: Path) -> None:
    own, universal = (
        open_mpi_inf_3dhp(root, annotation=a).target for a in ("annot3", "univ_annot3")
    )
    assert torch.allclose(1.1 * own, universal, atol=1e-5)
    assert not universal[:, 14].any()


def test_older_matlab_files_are_the_same(root: Path, tmp_path: Path) -> None:
    older = open_mpi_inf_3dhp(mpi_test_set(tmp_path, old=True))
    newer = open_mpi_inf_3dhp(root)
    assert torch.equal(older.target, newer.target)
    assert torch.equal(older.keypoints.pixels, newer.keypoints.pixels)


def test_what_is_compared_with_h36m(root: Path) -> None:
    rows = next(open_mpi_inf_3dhp(root).chunks(3))
    _, target, known = in_skeleton(rows.keypoints, rows.target, H36M_17)
    left_out = {"spine", "thorax", "nose", "head_top"}
    assert {j for j, k in zip(H36M_17.joints, known[0], strict=True) if not k} == left_out
    wrist = H36M_17.index("left_wrist")
    assert torch.equal(
        target[:, wrist], rows.target[:, rows.keypoints.skeleton.index("left_wrist")]
    )


def _change(name, value):
    return lambda arrays: arrays | {name: value(arrays[name])}


POSE, ACTIVITY = "univ_annot3", "activity_annotation"
BAD = {
    "joints": (_change("annot2", lambda a: a[:, :, :16]), "annot2", "17"),
    "28 joints": (_change(POSE, lambda a: np.repeat(a, 2, 2)[:, :, :28]), POSE, "17"),
    "length": (_change("annot2", lambda a: a[:-1]), "annot2", "5 frames"),
    "activities": (_change(ACTIVITY, lambda a: a[:-2]), ACTIVITY, "5 frames"),
    "unknown activity": (_change(ACTIVITY, lambda a: a + 7), ACTIVITY, "1 to 7"),
    "nothing valid": (_change("valid_frame", np.zeros_like), "valid_frame", "valid"),
    "not a number": (_change(POSE, lambda a: a * np.nan), POSE, "finite"),
    "missing": (lambda a: {k: v for k, v in a.items() if k != "annot2"}, "annot2", "only"),
}  # fmt: skip


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named(tmp_path: Path, case: str, old: bool) -> None:
    change, field, words = BAD[case]
    root = mpi_test_set(tmp_path)
    path = save_mpi(root / "mpi_inf_3dhp_test_set" / "TS3", change(mpi_arrays(3)), old)
    with pytest.raises(InputError) as refused:
        open_mpi_inf_3dhp(root)
    assert (refused.value.source, refused.value.field) == (str(path), field)
    assert words in str(refused.value)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_truncated_files_are_named(tmp_path: Path, old: bool, kept: float) -> None:
    path = save_mpi(tmp_path, mpi_arrays(1), old)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match=r"annot_data\.mat"):
        read_matlab(path, ["annot2", "annot3", "univ_annot3"])


def test_a_missing_video_is_named(tmp_path: Path) -> None:
    root = mpi_test_set(tmp_path)
    (root / "mpi_inf_3dhp_test_set" / "TS4" / "annot_data.mat").unlink()
    with pytest.raises(InputError, match="none in TS4"):
        open_mpi_inf_3dhp(root)


def test_only_the_test_set_is_read(root: Path) -> None:
    with pytest.raises(InputError, match="expected test"):
        open_mpi_inf_3dhp(root, "train")
    with pytest.raises(InputError, match="annotation"):
        open_mpi_inf_3dhp(root, annotation="annot4")

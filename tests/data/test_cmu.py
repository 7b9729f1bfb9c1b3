"""The CMU arrays and the archive: what is loaded, split, refused and found missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from oracles.mocap_files import cmu_body
from poseterior.data.asfamc import load_asfamc
from poseterior.data.cmu import load_cmu, load_observations
from poseterior.data.cmu_archive import SPLITS, find_subjects, read_archive, split_of
from poseterior.data.cmu_check import CMU_INFO, check_cmu
from poseterior.data.motion_clips import MotionClips
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17

SHORT = [
    "pelvis", "rhip", "rknee", "rankle", "lhip", "lknee", "lankle", "spine", "thorax", "nose",
    "headtop", "lshoulder", "lelbow", "lwrist", "rshoulder", "relbow", "rwrist",
]  # fmt: skip

Arrays = dict[str, np.ndarray]


def _arrays() -> Arrays:
    """Three clips of 4, 2 and 3 frames, thighs of 0.4 m."""
    positions = np.random.default_rng(0).normal(size=(9, 17, 3)).astype(np.float32)
    positions[:, 5] = positions[:, 4] + np.float32([0, 0, -0.4])
    return {
        "positions": positions,
        "clip": np.repeat(np.arange(3, dtype=np.int32), [4, 2, 3]),
        "clip_names": np.array(["02_01", "exp_train_soccer_1", "05_02"]),
        "fps": np.float32(30.0),
        "joint_names": np.array(SHORT),
        "parents": np.array(H36M_17.parents, dtype=np.int32),
        "clip_skeleton": np.array(["a", "b", "c"]),
    }


def _save(folder: Path, arrays: Arrays, split: str = "train") -> Path:
    path = folder / f"cmu_{split}.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_arrays_are_loaded_as_they_are(tmp_path: Path) -> None:
    arrays = _arrays()
    _save(tmp_path, arrays)
    clips = load_cmu(tmp_path, "train")
    np.testing.assert_array_equal(clips.positions, arrays["positions"])
    assert clips.positions.dtype == torch.float32
    assert clips.clip_names == ("02_01", "exp_train_soccer_1", "05_02")
    assert (clips.fps, clips.skeleton, len(clips)) == (30.0, H36M_17, 9)
    np.testing.assert_array_equal(clips.of_clip("05_02"), arrays["positions"][6:])
    assert clips.minutes == pytest.approx(9 / 30 / 60)
    with pytest.raises(InputError, match="clip: expected one of 02_01, "):
        clips.of_clip("07_01")


def test_full_joint_names_are_known_too(tmp_path: Path) -> None:
    _save(tmp_path, {**_arrays(), "joint_names": np.array(H36M_17.joints)})
    assert load_cmu(tmp_path, "train").skeleton is H36M_17


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    _save(tmp_path, _arrays())
    first = load_cmu(tmp_path, "train").fingerprint
    assert load_cmu(tmp_path, "train").fingerprint == first
    changed = _arrays()
    changed["positions"][8, 16, 2] += 1e-3
    _save(tmp_path, changed)
    assert load_cmu(tmp_path, "train").fingerprint != first


def _set(name: str, value: object) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.update({name: np.asarray(value)})


def _drop(name: str) -> Callable[[Arrays], None]:
    return lambda arrays: arrays.pop(name) is None


def _nan(arrays: Arrays) -> None:
    arrays["positions"][3, 2, 1] = np.nan


BROKEN = {
    "no positions": (_drop("positions"), "positions: expected an array"),
    "no clip": (_drop("clip"), "clip: expected these arrays, found none"),
    "no joint names": (_drop("joint_names"), "joint_names: expected these arrays"),
    "16 joints": (_set("positions", np.zeros((9, 16, 3))), r"shape \(9, 17, 3\), found \(9, 16"),
    "2D": (_set("positions", np.zeros((9, 17, 2))), r"positions: expected shape \(9, 17, 3\)"),
    "clip length": (_set("clip", np.zeros(8, int)), r"clip: expected shape \(9,\), found \(8,\)"),
    "clip range": (_set("clip", np.full(9, 3)), "clip: expected 0 to 2, found 3 to 3"),
    "clip negative": (_set("clip", np.arange(9) - 1), "clip: expected 0 to 2, found -1 to 7"),
    "clip torn": (_set("clip", [0, 1, 2] * 3), "clip: expected 3 clips, each in one piece"),
    "clip unused": (_set("clip", np.repeat([0, 2], [4, 5])), "expected 3 clips.*found 2 pieces"),
    "clip fraction": (_set("clip", np.zeros(9)), "clip: expected a label array"),
    "names twice": (_set("clip_names", ["a", "b", "a"]), "clip_names: expected distinct names"),
    "NaN": (_nan, "positions: expected finite, found not so in frame 3"),
    "millimetres": (
        lambda arrays: arrays.update(positions=arrays["positions"] * 1000),
        "expected metres .a thigh of 0.2 to 0.8., found a thigh of 400",
    ),
    "joint order": (_set("joint_names", SHORT[::-1]), "joint_names: expected the joints of h36m"),
    "parents": (_set("parents", [-1] + [0] * 16), r"parents: expected \(-1, 0, 1"),
    "fps": (_set("fps", 0.0), "fps: expected above 0, found 0"),
    "fps array": (_set("fps", [30.0, 30.0]), "fps: expected shape"),
    "text": (_set("positions", np.full((9, 17, 3), "a")), "positions: expected a number array"),
    "no frames": (
        lambda arrays: arrays.update(positions=arrays["positions"][:0], clip=arrays["clip"][:0]),
        "positions: expected at least one frame",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_arrays_are_refused(tmp_path: Path, fault: str) -> None:
    spoil, said = BROKEN[fault]
    arrays = _arrays()
    spoil(arrays)
    path = _save(tmp_path, arrays)
    with pytest.raises(InputError, match=said) as error:
        load_cmu(tmp_path, "train")
    assert error.value.source == str(path)
    assert [f.kind for f in check_cmu(tmp_path) if f.subject == "cmu_train.npz"] == ["problem"]


def test_object_arrays_and_truncated_files_are_refused(tmp_path: Path) -> None:
    path = _save(tmp_path, {**_arrays(), "clip_names": np.array(["a", "b", "c"], dtype=object)})
    with pytest.raises(InputError, match="clip_names: expected numbers or text, found an object"):
        load_cmu(tmp_path, "train")
    _save(tmp_path, _arrays())
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="truncated, damaged or foreign"):
        load_cmu(tmp_path, "train")


def test_the_root_is_given_or_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _save(tmp_path, _arrays())
    monkeypatch.setenv("POSETERIOR_CMU", str(tmp_path))
    assert len(load_cmu(None, "train")) == 9
    monkeypatch.delenv("POSETERIOR_CMU")
    with pytest.raises(InputError, match=r"--root DIR or POSETERIOR_CMU.*mocap\.cs\.cmu\.edu"):
        load_cmu(None, "train")
    with pytest.raises(InputError, match="expected the folder of the CMU data, found no such"):
        load_cmu(tmp_path / "none", "train")
    with pytest.raises(InputError, match="found a file"):
        load_cmu(tmp_path / "cmu_train.npz", "train")


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="split: expected one of train, val, test, test_dance"):
        load_cmu(tmp_path, "dev")
    with pytest.raises(InputError, match=r"cmu_val\.npz: expected this file, or subjects"):
        load_cmu(tmp_path, "val")
    _save(tmp_path, _arrays())
    with pytest.raises(InputError, match=r"cmu_val\.npz"):
        load_cmu(tmp_path, "val")


def test_observations_are_found_or_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"val_observations\.npz: expected a file of observations"):
        load_observations(tmp_path, "val")
    (tmp_path / "val_observations.npz").touch()
    assert load_observations(tmp_path, "val") == tmp_path / "val_observations.npz"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Subjects 02 (clips 01, 03), 03 (02) and 49 (04), each with its own body."""
    for seed, (subject, clips) in enumerate({"02": ("01", "03"), "03": ("02",), "49": ("04",)}
                                            .items()):  # fmt: skip
        for motion in clips:
            body = cmu_body(seed, frames=60)
            body.write(tmp_path / "subjects" / subject, f"{subject}_{motion}")
    return tmp_path


def test_splits_of_an_archive(archive: Path) -> None:
    names = {split: load_cmu(archive, split).clip_names for split in SPLITS}
    assert names == {
        "train": ("02_01",), "val": ("02_03",), "test": ("03_02",), "test_dance": ("49_04",),
    }  # fmt: skip
    whole = read_archive(archive)
    assert whole.clip_names == ("02_01", "02_03", "03_02", "49_04")
    assert torch.bincount(whole.clip).tolist() == [15, 15, 2, 15]  # 03_02 from frame 52 on
    assert whole.fps == 30.0


def test_an_archive_gives_what_its_files_give(archive: Path) -> None:
    folder = archive / "subjects" / "49"
    expected = load_asfamc(folder / "49.asf", folder / "49_04.amc", every=4).float()
    assert torch.equal(load_cmu(archive, "test_dance").positions, expected)
    chosen = read_archive(archive, subjects=["49"], every=1)
    assert (chosen.fps, len(chosen)) == (120.0, 60)
    with pytest.raises(InputError, match=r"subjects: expected some of 02, 03, 49, found \['50'\]"):
        read_archive(archive, subjects=["50"])


def test_the_archive_is_found_at_any_of_three_levels(archive: Path, tmp_path: Path) -> None:
    names = [subject.name for subject in find_subjects(archive)]
    assert names == ["02", "03", "49"]
    assert [s.name for s in find_subjects(archive / "subjects")] == names
    (tmp_path / "up").mkdir()
    (archive / "subjects").rename(tmp_path / "up" / "subjects")
    (tmp_path / "up").rename(tmp_path / "all_asfamc")
    assert [s.name for s in find_subjects(tmp_path)] == names


def test_a_damaged_archive_is_refused_and_all_damage_is_found(archive: Path) -> None:
    subjects = archive / "subjects"
    (subjects / "03" / "03.asf").unlink()
    (subjects / "02" / "02_03.amc").write_text("#\n:DEGREES\n1\nroot 0 0 0 0 0\n")
    (subjects / "60").mkdir()
    (subjects / "60" / "60.asf").write_text("nothing")
    with pytest.raises(InputError, match=r"03.asf: expected the subject's skeleton, found no such"):
        load_cmu(archive, "test")
    with pytest.raises(InputError, match=r"02_03.amc: line 4: root: expected 6 numbers, found 5"):
        load_cmu(archive, "val")
    problems = [str(f) for f in check_cmu(archive) if f.kind == "problem"]
    for words in ("02/02_03.amc: line 4", "03.asf is missing", "subject 60: no motions", "60.asf"):
        assert any(words in line for line in problems), (words, problems)
    assert len(problems) == 4
    (good,) = (f.text for f in check_cmu(archive) if f.subject == "archive")
    assert good == "4 subjects, 2 clips, 120 frames that can be read"


def test_findings_about_good_data(tmp_path: Path, archive: Path) -> None:
    found = {f.subject: f for f in check_cmu(archive)}
    assert found["split train"].text == "1 clip, 60 frames"
    assert all(f.kind != "problem" for f in found.values())
    for split in SPLITS:
        _save(tmp_path, _arrays(), split)
    found = {f.subject: f for f in check_cmu(tmp_path)}  # arrays come before an archive
    assert str(found["cmu_val.npz"]) == "ok      cmu_val.npz: 3 clips, 9 frames (0.0 min at 30 Hz)"
    assert found["val_observations.npz"].kind == "note"


def test_findings_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSETERIOR_CMU", raising=False)
    assert [f.kind for f in check_cmu(None)] == ["problem"]
    assert [f.kind for f in check_cmu(tmp_path)] == ["problem"]
    assert "mocap.cs.cmu.edu" in CMU_INFO
    assert "The database was created with funding from NSF EIA-0196217." in CMU_INFO


def test_split_of_names() -> None:
    assert split_of("143_01") == "test"
    assert split_of("124_13") == "val"
    assert split_of("86_02") == "train"
    with pytest.raises(InputError, match="expected subject_motion, such as 02_01"):
        split_of("exp_train_soccer_1")


def test_clips_check_their_type() -> None:
    with pytest.raises(InputError, match=r"positions: expected float32, found torch\.float64"):
        MotionClips(
            torch.zeros(1, 17, 3).double(), torch.zeros(1).long(), ("a",), 30.0, H36M_17, "x"
        )


FRAMES = {"train": (32445, 138), "val": (4999, 12), "test": (6037, 28), "test_dance": (5631, 22)}


@pytest.mark.parametrize("split", SPLITS)
def test_the_real_arrays(cmu_root: Path, split: str) -> None:
    clips = load_cmu(cmu_root, split)
    assert (len(clips), len(clips.clip_names)) == FRAMES[split]
    by_subject = [name for name in clips.clip_names if not name.startswith("exp_")]
    assert {split_of(name) for name in by_subject} == {split}


def test_the_real_folder_has_no_problem(cmu_root: Path) -> None:
    assert [str(f) for f in check_cmu(cmu_root) if f.kind != "ok"] == []

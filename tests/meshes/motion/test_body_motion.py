"""Motion on a body: rotations that point limbs as the motion does, and the cache of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from meshes.made_humans import human_body
from meshes.motion.test_inverse_kinematics import BODY, LIMBS, human_poses
from poseterior.data.cmu import load_cmu
from poseterior.data.cmu_archive import SPLITS
from poseterior.errors import InputError
from poseterior.geometry.rotations import angle_deg, from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes import BodyParameters
from poseterior.meshes.motion.body_motion import body_fingerprint, body_motion, find_recordings

_UP = from_axis_angle(torch.tensor([torch.pi / 2, 0, 0], dtype=torch.float64))


@pytest.fixture
def motion_folder(tmp_path: Path) -> Path:
    """Prepared arrays of each split: people of other clips, upright in a world with z up."""
    for number, split in enumerate(SPLITS):
        truth = human_poses(BODY, 24, seed=number)
        rotations = truth.rotations.clone()
        rotations[:, 0] = _UP
        bodies = BodyParameters.of(rotations, truth.betas, truth.transl)
        np.savez(
            tmp_path / f"cmu_{split}.npz",
            positions=BODY.landmarks_of(bodies, H36M_17).float().numpy(),
            clip=np.repeat([0, 1], 12),
            clip_names=np.array([f"{split}_a", f"{split}_b"]),
            fps=30,
            joint_names=np.array(H36M_17.joints),
        )
    return tmp_path


def test_rotations_put_the_body_into_the_poses(motion_folder: Path) -> None:
    motion = body_motion(BODY, motion_folder, "train")
    pose = load_cmu(motion_folder, "train").positions.double()
    made = BODY.landmarks_of(
        BodyParameters.of(motion.rotations.double(), torch.zeros(24, 4).double()), H36M_17
    )
    off = (made - made[:, :1]) - (pose - pose[:, :1])
    assert off[:, LIMBS].norm(dim=-1).mean() < 0.01
    assert motion.residual[:, LIMBS].mean() < 0.002
    assert not motion.recorded.any()
    assert angle_deg(motion.rotations[:, 0].double(), _UP).mean() < 6


def test_no_clip_is_in_two_splits(motion_folder: Path) -> None:
    names = [name for s in SPLITS for name in body_motion(BODY, motion_folder, s).clip_names]
    assert len(set(names)) == len(names) == 8


def test_the_cache_returns_what_was_computed(motion_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "a" / "cache"
    first, again = (body_motion(BODY, motion_folder, "val", cache) for _ in range(2))
    plain = body_motion(BODY, motion_folder, "val")
    for other in (first, again):
        torch.testing.assert_close(other.rotations, plain.rotations, atol=1e-6, rtol=0)
        assert torch.equal(other.residual, plain.residual)
        assert torch.equal(other.clip, plain.clip)
        assert other.clip_names == ("val_a", "val_b")
    (path,) = cache.iterdir()
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["columns"].shape == (24, 24, 6)


def test_another_body_or_other_data_has_a_file_of_its_own(
    motion_folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    body_motion(BODY, motion_folder, "val", cache)
    smaller = human_body(("spine2",))
    assert body_fingerprint(smaller) != body_fingerprint(BODY) == body_fingerprint(human_body())
    assert body_motion(smaller, motion_folder, "val", cache).rotations.shape[1] == 23
    assert len(list(cache.iterdir())) == 2
    path = motion_folder / "cmu_val.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **(arrays | {"positions": arrays["positions"] + np.float32(0.1)}))
    body_motion(BODY, motion_folder, "val", cache)
    assert len(list(cache.iterdir())) == 3


def test_a_damaged_cache_is_named(motion_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    body_motion(BODY, motion_folder, "val", cache)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"body_motion_human_val.*npz"):
        body_motion(BODY, motion_folder, "val", cache)


def test_nothing_is_left_where_nothing_can_be_written(motion_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match="cache"):
        body_motion(BODY, motion_folder, "val", tmp_path / "cache")


def test_recordings_are_found_by_the_names_of_clips(tmp_path: Path) -> None:
    folder = tmp_path / "raw_asfamc" / "02"
    folder.mkdir(parents=True)
    for name in ("02.asf", "02_01.amc", "02_07.amc"):
        (folder / name).write_text("")
    found = find_recordings(tmp_path, ("cmu_02_01", "02_03", "exp_train_walking_1", "02_07"))
    assert {name: files.amc.name for name, files in found.items()} == {
        "cmu_02_01": "02_01.amc", "02_07": "02_07.amc",
    }  # fmt: skip


def test_recorded_rotations_are_used_where_they_are_of_the_clip(
    cmu_root: Path, tmp_path: Path
) -> None:
    raw = cmu_root / "raw_asfamc"
    if not raw.is_dir():
        pytest.skip("needs the raw ASF/AMC beside the arrays")
    with np.load(cmu_root / "cmu_val.npz") as stored:
        arrays = dict(stored)
    names = arrays["clip_names"].tolist()
    rows = np.isin(arrays["clip"], [names.index("cmu_02_03"), names.index("cmu_02_08")])
    number = {names.index("cmu_02_03"): 0, names.index("cmu_02_08"): 1}
    positions = arrays["positions"][rows]
    clip = np.array([number[c] for c in arrays["clip"][rows]])
    positions[clip == 1, :, 0] *= -1  # no longer what was recorded
    changed = {
        "positions": positions, "clip": clip, "clip_names": np.array(["cmu_02_03", "cmu_02_08"]),
        "fps": arrays["fps"], "joint_names": arrays["joint_names"],
    }  # fmt: skip
    np.savez(tmp_path / "cmu_val.npz", **changed)
    (tmp_path / "raw_asfamc").symlink_to(raw)
    motion = body_motion(BODY, tmp_path, "val")
    assert torch.equal(motion.recorded, torch.from_numpy(clip == 0))
    assert motion.residual[:, LIMBS].mean() < 0.004

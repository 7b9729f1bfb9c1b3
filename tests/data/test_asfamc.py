"""ASF/AMC: against matrix products with SciPy, against the CMU arrays, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.mocap_files import CMU_TREE, AsfBody, cmu_body, random_body
from poseterior.data.asf import read_asf
from poseterior.data.asfamc import (
    ASF_TO_H36M,
    load_asfamc,
    read_amc,
    read_asfamc,
    read_orientations,
)
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17


def _expected(body: AsfBody, names: tuple[str, ...]) -> np.ndarray:
    frames = [body.ends(t) for t in range(len(body.root))]
    return np.array([[frame[name] for name in names] for frame in frames])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_kinematics_are_those_of_matrix_products(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = random_body(seed)
    asf, amc = body.write(tmp_path_factory.mktemp("random"))
    tracks = read_asfamc(read_asf(asf), amc)
    assert set(tracks.joints) == {"root", *(bone.name for bone in body.bones)}
    np.testing.assert_allclose(
        tracks.positions.numpy(), _expected(body, tracks.joints), rtol=0, atol=1e-9
    )


def test_bones_keep_their_lengths_whatever_the_motion(tmp_path: Path) -> None:
    body = cmu_body(0)
    tracks = read_asfamc(read_asf(body.write(tmp_path)[0]), tmp_path / "02_01.amc")
    for j, parent in enumerate(tracks.tree.parents[1:], 1):
        lengths = (tracks.positions[:, j] - tracks.positions[:, parent]).norm(dim=-1)
        torch.testing.assert_close(lengths, torch.full_like(lengths, 7 / 0.45 * 0.0254))


def test_orientations_take_bones_from_rest_to_where_they_end(tmp_path: Path) -> None:
    asf, amc = random_body(11).write(tmp_path)
    skeleton = read_asf(asf)
    tracks, turned = read_orientations(skeleton, amc, every=2)
    assert torch.equal(tracks.positions, read_asfamc(skeleton, amc, every=2).positions)
    one = torch.eye(3, dtype=torch.float64).expand_as(turned)
    torch.testing.assert_close(turned @ turned.mT, one)
    torch.testing.assert_close(torch.linalg.det(turned), one[..., 0, 0])
    for j, parent in enumerate(tracks.tree.parents[1:], 1):
        bone = (turned[:, j] @ skeleton.offsets[j, :, None])[..., 0]
        torch.testing.assert_close(bone, tracks.positions[:, j] - tracks.positions[:, parent])


def test_named_joints_are_the_ends_of_their_bones(tmp_path: Path) -> None:
    body = cmu_body(1)
    asf, amc = body.write(tmp_path)
    pose = load_asfamc(asf, amc, every=1)
    assert pose.shape == (8, 17, 3)
    ends = body.ends(5)
    for joint, bone in ASF_TO_H36M.items():
        expected = np.mean([ends[b] for b in ([bone] if isinstance(bone, str) else bone)], 0)
        np.testing.assert_allclose(pose[5, H36M_17.index(joint)], expected, atol=1e-9)


def test_every_nth_frame_and_its_rate(tmp_path: Path) -> None:
    asf, amc = cmu_body(2, frames=9).write(tmp_path)
    whole = read_asfamc(read_asf(asf), amc)
    some = read_asfamc(read_asf(asf), amc, every=4)
    assert (len(some), some.fps, whole.fps) == (3, 30.0, 120.0)
    assert torch.equal(some.positions, whole.positions[::4])
    with pytest.raises(InputError, match="every: expected a positive whole number"):
        read_asfamc(read_asf(asf), amc, every=0)


def test_radians_are_the_same_motion(tmp_path: Path) -> None:
    body = random_body(7)
    asf, amc = body.write(tmp_path)
    body.root[:, 3:] = np.radians(body.root[:, 3:])
    body.angles = {name: np.radians(values) for name, values in body.angles.items()}
    other = tmp_path / "radians.amc"
    other.write_text(body.amc().replace(":DEGREES", ":RADIANS"))
    skeleton = read_asf(asf)
    torch.testing.assert_close(
        read_asfamc(skeleton, other).positions, read_asfamc(skeleton, amc).positions
    )


def test_frames_may_start_at_any_number(tmp_path: Path) -> None:
    body = random_body(3)
    asf, amc = body.write(tmp_path)
    shifted = tmp_path / "shifted.amc"
    shifted.write_text(body.amc(first=40))
    skeleton = read_asf(asf)
    assert torch.equal(read_amc(skeleton, shifted), read_amc(skeleton, amc))


# What is changed in a good AMC, and what the error must say.
BROKEN_AMC = {
    "not a number": (("lfemur 1 2 3", "lfemur 1 x2 3"), ["line 19: lfemur of frame 2", "'x2'"]),
    "NaN": (("lfemur 1 2 3", "lfemur 1 nan 3"), ["lfemur of frame 2", "a finite number", "'nan'"]),
    "infinite": (("lfemur 1 2 3", "lfemur 1 2 1e999"), ["a finite number", "'1e999'"]),
    "too few": (("lfemur 1 2 3", "lfemur 1 2"), ["expected 3 numbers, found 2"]),
    "too many": (("lfemur 1 2 3", "lfemur 1 2 3 4"), ["expected 3 numbers, found 4"]),
    "other bone": (("lfemur 1 2 3", "tail 1 2 3"), ["expected lfemur, found tail"]),
    "bone left out": (("lfemur 1 2 3\n", ""), ["line 19", "expected lfemur, found rfemur"]),
    "frame left out": (("\n2\n", "\n7\n"), ["line 17", "frame number 2", "'7'"]),
    "cut off": (("lfemur 1 2 3\nrfemur", None), ["frame 2: expected lfemur", "cut off"]),
    "empty": (("#!OML", None), ["frames: expected at least one, found none"]),
    "binary": (("#!OML", "\0\1\2"), ["AMC, a text format"]),
    "foreign": ((":DEGREES", "HIERARCHY"), ["number of the first frame", "'HIERARCHY'"]),
}


@pytest.fixture
def good(tmp_path: Path) -> tuple[Path, Path]:
    """Two frames of a CMU body; in the second, `lfemur 1 2 3` stands before `rfemur`."""
    body = cmu_body(4, frames=2)
    for bone in body.bones:
        bone.dof = ("rx", "ry", "rz") if "femur" in bone.name or bone.name == "head" else ()
    moving = ("head", "rfemur", "lfemur")
    body.angles = {name: np.array([[9.0, 9, 9], [1, 2, 3]]) for name in moving}
    asf, amc = body.write(tmp_path)
    text = amc.read_text().replace(".0", "").replace("#!OML:ASF", "#!OML:ASF" + "\n#" * 8)
    amc.write_text(text)
    return asf, amc


def _break(path: Path, old: str, new: str | None) -> None:
    """Replace the last `old`; cut the file off there if `new` is None."""
    text = path.read_text()
    head, found, tail = text.rpartition(old)
    assert found, old
    path.write_text(head if new is None else head + new + tail)


@pytest.mark.parametrize("fault", BROKEN_AMC)
def test_a_broken_amc_is_refused_where_it_breaks(good: tuple[Path, Path], fault: str) -> None:
    (old, new), said = BROKEN_AMC[fault]
    asf, amc = good
    read_amc(read_asf(asf), amc)
    _break(amc, old, new)
    with pytest.raises(InputError) as error:
        read_amc(read_asf(asf), amc)
    for words in (str(amc), *said):
        assert words in str(error.value)


BROKEN_FIRST_FRAME = {
    "missing bone": (("rfemur 9 9 9\n", ""), "expected all 4 moving bones of"),
    "unknown bone": (("rfemur 9 9 9", "tail 9 9 9"), "tail: expected a bone of"),
    "twice": (
        ("rfemur 9 9 9", "lfemur 9 9 9"),
        "lfemur: expected a bone of rfemur, head, found lfemur",
    ),
    "count": (("rfemur 9 9 9", "rfemur 9"), "expected 3 numbers, found 1"),
}


@pytest.mark.parametrize("fault", BROKEN_FIRST_FRAME)
def test_a_motion_of_another_skeleton_is_refused(good: tuple[Path, Path], fault: str) -> None:
    (old, new), said = BROKEN_FIRST_FRAME[fault]
    asf, amc = good
    amc.write_text(amc.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        read_amc(read_asf(asf), amc)


BROKEN_ASF = {
    "no unit": (("  length 0.45\n", "", 1), "length: expected 1 numbers, found 0"),
    "unit zero": (("  length 0.45\n", "  length 0\n", 1), "length: expected above 0"),
    "angle": (("angle deg", "angle grad", 1), "expected deg or rad, found grad"),
    "order": (("TX TY TZ RX RY RZ", "TX TY RX RY RZ", 1), "order: expected TX TY TZ RX RY RZ"),
    "orientation": (("orientation 0 0 0", "orientation 0 9 0", 1), "root orientation: expected 0"),
    "direction": (("     direction", "     dir", 1), "bone at line 15: .* no direction"),
    "not a number": (("     length 7", "     length x", 1), "a finite number, found 'x"),
    "axis": (("XYZ\n", "XYX\n", 99), "axis: expected 3 angles and XYZ"),
    "dof": (("dof rx ry rz", "dof rx l", 1), "dof: expected some of rx, ry, rz"),
    "two names": (("name rfemur", "name lfemur", 1), "bonedata: expected each bone once"),
    "no end": (("  end\n:hierarchy", ":hierarchy", 1), "expected end, found the end of the sec"),
    "unknown child": (("    lfemur ltibia", "    lfemur tail", 1), "hierarchy: .* found tail"),
    "loose": (("    lfemur ltibia\n", "", 1), r"not below the root: ltibia"),
    "two parents": (("    lfemur ltibia", "    lfemur ltibia rtibia", 1), "expected each bone"),
    "circle": (("    lfemur ltibia", "    ltibia ltibia", 1), "parents: expected one tree"),
    "cut off": ((":hierarchy\n", "", 1), "found no :hierarchy"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN_ASF)
def test_a_broken_asf_is_refused(good: tuple[Path, Path], fault: str) -> None:
    (old, new, times), said = BROKEN_ASF[fault]
    asf, _ = good
    text = asf.read_text()
    for order in ("YXZ", "XZY", "YZX", "ZXY", "ZYX"):
        text = text.replace(order, "XYZ")
    assert old in text
    asf.write_text(text.replace(old, new, times))
    with pytest.raises(InputError, match=said) as error:
        read_asf(asf)
    assert str(asf) in str(error.value)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file in ASF format, found no such file"):
        read_asf(tmp_path / "none.asf")
    with pytest.raises(InputError, match="found a folder"):
        read_asf(tmp_path)


def test_a_body_without_the_joints_of_h36m(tmp_path: Path) -> None:
    tree = {name: parent for name, parent in CMU_TREE.items() if name != "head"}
    asf, amc = random_body(5, 2, tree).write(tmp_path)
    with pytest.raises(InputError, match=r"joint: expected \['head'\], found joints root, "):
        load_asfamc(asf, amc)


REAL = [*((2, m) for m in range(1, 11)), *((3, m) for m in range(1, 5)), (1, 8), (1, 14)]


@pytest.mark.parametrize(("subject", "motion"), REAL)
def test_agrees_with_the_cmu_arrays(cmu_root: Path, subject: int, motion: int) -> None:
    folder = cmu_root / "raw_asfamc" / f"{subject:02d}"
    name = f"{subject:02d}_{motion:02d}"
    if not folder.is_dir():
        pytest.skip(f"needs the ASF/AMC files of subject {subject:02d}")
    pose = load_asfamc(folder / f"{subject:02d}.asf", folder / f"{name}.amc", every=4)
    expected = _array_clip(cmu_root, f"cmu_{name}")
    if name == "03_02":  # its first 52 frames are not in the arrays: the arms were not tracked
        pose = pose[13:]
    assert pose.shape == expected.shape
    error_mm = np.linalg.norm(pose.numpy() - expected, axis=-1) * 1000
    assert error_mm.mean() <= 0.001, f"{name}: {error_mm.mean():.4f} mm"
    assert error_mm.max() <= 0.01


def _array_clip(root: Path, name: str) -> np.ndarray:
    for split in ("train", "val", "test"):
        with np.load(root / f"cmu_{split}.npz", allow_pickle=False) as arrays:
            names = arrays["clip_names"].tolist()
            if name in names:
                return arrays["positions"][arrays["clip"] == names.index(name)]
    raise AssertionError(f"{name} is in no split")

"""BVH: files written here and read back, matrix products with SciPy, the CMU conversions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.mocap_files import euler, transform, words, z_up
from poseterior.data.asf import read_asf
from poseterior.data.bvh import load_bvh, read_bvh
from poseterior.data.bvh_cmu import METRES_PER_CMU_UNIT, load_cmu_bvh, restore_bones
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17


@dataclass
class Body:
    """A random BVH: the joints in the order of the file, end sites last in theirs."""

    names: list[str]
    parents: list[int]
    offsets: np.ndarray
    channels: list[list[str]]  # empty for an end site
    motion: np.ndarray

    def text(self, seconds: str = "0.0083333") -> str:
        frames = [words(row) for row in self.motion]
        head = ["HIERARCHY", *self._joint(0)]
        return "\n".join(
            [*head, "MOTION", f"Frames: {len(frames)}", f"Frame Time: {seconds}", *frames, ""]
        )

    def _joint(self, joint: int) -> list[str]:
        name, channels = self.names[joint], self.channels[joint]
        head = "End Site" if not channels else f"{'JOINT' if joint else 'ROOT'} {name}"
        inside = [f"OFFSET {words(self.offsets[joint])}"]
        inside += [f"CHANNELS {len(channels)} {' '.join(channels)}"] if channels else []
        children = [c for c, parent in enumerate(self.parents) if parent == joint]
        inside += [line for child in children for line in self._joint(child)]
        return [head, "{", *(f"\t{line}" for line in inside), "}"]

    def positions(self, t: int) -> np.ndarray:
        """(N, 3) by products of 4x4 matrices, the file's axes."""
        values = iter(self.motion[t])
        frames: list[np.ndarray] = []
        for parent, offset, channels in zip(self.parents, self.offsets, self.channels, strict=True):
            shift, turn = offset.copy(), np.eye(3)
            for channel in channels:
                axis, value = channel[0], next(values)
                if channel.endswith("position"):
                    shift["XYZ".index(axis)] = value
                else:
                    turn = turn @ euler(axis, np.array(value)).reshape(3, 3)
            local = transform(turn, shift)
            frames.append(frames[parent] @ local if parent >= 0 else local)
        return np.array([frame[:3, 3] for frame in frames])


def random_body(seed: int, frames: int = 3) -> Body:
    """Up to 8 joints in a random tree, each with rotations in a random order."""
    random = np.random.default_rng(seed)
    body = Body([], [], np.empty((0, 3)), [], np.empty((0, 0)))

    def grow(parent: int, depth: int) -> None:
        joint = len(body.names)
        channels = random.permutation([f"{a}rotation" for a in "XYZ"]).tolist()
        if parent < 0 or random.random() < 0.3:
            channels = random.permutation([f"{a}position" for a in "XYZ"]).tolist() + channels
        _add(body, f"joint{joint}", parent, channels[: random.integers(1, len(channels) + 1)])
        for _ in range(random.integers(0, 3) if depth < 3 else 0):
            grow(joint, depth + 1)
        if joint not in body.parents:
            _add(body, f"joint{joint}_end", joint, [])

    grow(-1, 0)
    body.offsets = random.normal(size=(len(body.names), 3))
    columns = sum(map(len, body.channels))
    body.motion = random.uniform(-180, 180, (frames, columns))
    return body


def _add(body: Body, name: str, parent: int, channels: list[str]) -> None:
    body.names.append(name)
    body.parents.append(parent)
    body.channels.append(channels)


def _write(folder: Path, text: str) -> Path:
    path = folder / "some.bvh"
    path.write_text(text)
    return path


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    body = random_body(seed)
    bvh = read_bvh(_write(tmp_path_factory.mktemp("random"), body.text()))
    assert bvh.joints == tuple(body.names)
    assert bvh.tree.parents == tuple(body.parents)
    assert [list(c) for c in bvh.channels] == [[n.lower() for n in c] for c in body.channels]
    np.testing.assert_array_equal(bvh.offsets, body.offsets)
    np.testing.assert_array_equal(bvh.motion, body.motion)
    expected = np.array([body.positions(t) for t in range(3)])
    found = bvh.tracks(0.01, up="z")
    np.testing.assert_allclose(found.positions, expected * 0.01, rtol=0, atol=1e-9)


def test_y_up_becomes_z_up(tmp_path: Path) -> None:
    body = random_body(1)
    tracks = read_bvh(_write(tmp_path, body.text())).tracks()
    expected = [z_up(point) for point in body.positions(2)]
    np.testing.assert_allclose(tracks.positions[2], expected, atol=1e-9)


def test_first_frame_dropped_then_every_second(tmp_path: Path) -> None:
    bvh = read_bvh(_write(tmp_path, random_body(2, frames=6).text()))
    some = bvh.tracks(every=2, drop_first=True)
    assert torch.equal(some.positions, bvh.tracks().positions[1::2])
    assert (bvh.fps, some.fps) == (120.0, 60.0)


def test_braces_may_share_a_line_and_names_have_spaces(tmp_path: Path) -> None:
    text = random_body(3).text()
    expected = read_bvh(_write(tmp_path, text))
    text = text.replace("\n{", " {").replace("joint0", "the hips").replace("ROOT", "\n\nROOT")
    found = read_bvh(_write(tmp_path, text.replace("\n", "\r\n")))
    assert found.joints[0] == "the hips"
    assert torch.equal(found.tracks().positions, expected.tracks().positions)


def test_two_end_sites_of_one_joint(tmp_path: Path) -> None:
    end = "End Site\n{\nOFFSET 0 1 0\n}\n"
    text = f"HIERARCHY\nROOT a\n{{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n{end}{end}}}\n"
    bvh = read_bvh(_write(tmp_path, f"{text}MOTION\nFrames: 1\nFrame Time: 0.1\n90\n"))
    assert bvh.joints == ("a", "a_end", "a_end_")
    torch.testing.assert_close(
        bvh.tracks(up="z").positions[0, 1].float(), torch.tensor([0, 0, 1.0])
    )


def test_any_names_map_to_a_skeleton(tmp_path: Path) -> None:
    body = random_body(4)
    path = _write(tmp_path, body.text())
    names: dict[str, str | list[str]] = dict.fromkeys(H36M_17.joints, "joint0")
    names["spine"] = ["joint0", "joint0_end" if "joint0_end" in body.names else "joint1"]
    pose = load_bvh(path, names, scale=0.01, up="z")
    first = body.positions(0) * 0.01
    np.testing.assert_allclose(pose[0, H36M_17.index("nose")], first[0])
    np.testing.assert_allclose(pose[0, H36M_17.index("spine")], first[:2].mean(0))
    with pytest.raises(InputError, match=r"expected a name for each joint of h36m_17, found none"):
        load_bvh(path, {"pelvis": "joint0"}, scale=1.0)
    with pytest.raises(InputError, match=r"joint: expected \['tail'\], found joints joint0"):
        load_bvh(path, {**names, "nose": "tail"}, scale=1.0)


GOOD = """HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT chest
  {
    OFFSET 0 2 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 1 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 0 0 0 0 0 1 2 3
1 1 1 0 0 0 4 5 6
"""

BROKEN = {
    "number": (("4 5 6", "4 five 6"), "line 20: frame 2: expected a finite number, found 'five'"),
    "NaN": (("4 5 6", "4 nan 6"), "line 20: frame 2: expected a finite number, found 'nan'"),
    "infinite": (("1 2 3", "1 2 inf"), "line 19: frame 1: expected a finite number"),
    "few columns": (("4 5 6", "4 5"), "line 20: frame 2: expected 9 numbers, found 8"),
    "columns": (("1 2 3", "1 2 3 4"), "line 19: frame 1: expected 9 numbers, found 10"),
    "frames": (("Frames: 2", "Frames: 3"), "MOTION: expected 3 frames.*found 2 lines"),
    "no frames": (("Frames: 2", "Frames: 0"), "Frames: expected at least 1, found 0"),
    "header": (("Frames: 2\n", ""), "line 17: expected Frames:, found Frame Time: 0.04"),
    "time": (("0.04", "0"), "Frame Time: expected above 0 s, found 0"),
    "no motion": (("MOTION", ""), "MOTION: expected a line MOTION, found none"),
    "foreign": (("HIERARCHY", "HEADER"), "line 1: expected HIERARCHY, found HEADER"),
    "no root": (("ROOT hips", "JOINT hips"), "line 2: expected ROOT name, found JOINT hips"),
    "offset": (("OFFSET 0 2 0", "OFFSET 0 2"), "line 8: OFFSET of chest: expected 3 numbers"),
    "no offset": (("    OFFSET 0 2 0\n", ""), "line 8: expected OFFSET, found CHANNELS"),
    "count": (("CHANNELS 3", "CHANNELS 4"), "line 9: expected CHANNELS of chest"),
    "channel": (("3 Zrotation", "3 Wrotation"), "line 9: expected CHANNELS of chest"),
    "channel twice": (("3 Zrotation", "3 Xrotation"), "line 9: expected CHANNELS of chest"),
    "name twice": (("JOINT chest", "JOINT hips"), "line 6: expected each name once, found hips"),
    "word": (("End Site", "Site"), "line 10: expected JOINT name, End Site or }, found Site"),
    "open brace": (("  }\n}\n", "  }\n"), r"HIERARCHY: expected JOINT, End Site or }, found its"),
    "two roots": (("}\nMOTION", "}\nROOT b\nMOTION"), "line 16: expected MOTION after the one"),
    "end site": (("  OFFSET 0 1 0", "  OFFSET 0 1 0\n JOINT x"), "line 13: expected }, found"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_refused_where_it_breaks(tmp_path: Path, fault: str) -> None:
    (old, new), said = BROKEN[fault]
    assert old in GOOD
    read_bvh(_write(tmp_path, GOOD))
    path = _write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as error:
        read_bvh(path)
    assert error.value.source == str(path)


@pytest.mark.parametrize("lines", range(len(GOOD.splitlines())))
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, lines: int) -> None:
    with pytest.raises(InputError):
        read_bvh(_write(tmp_path, "\n".join(GOOD.splitlines()[:lines])))


def test_options_out_of_range(tmp_path: Path) -> None:
    bvh = read_bvh(_write(tmp_path, GOOD))
    with pytest.raises(InputError, match="up: expected y or z, found 'x'"):
        bvh.tracks(up="x")
    with pytest.raises(InputError, match="every: expected a positive whole number"):
        bvh.tracks(every=-1)
    with pytest.raises(InputError, match="joint: expected tail"):
        bvh.with_offsets({"tail": torch.zeros(3)})


# Mean mm between a clip and the array made from the same file: with the bones of subject 02
# the arrays' own recipe is followed for 02 and 49; 05's array has 05's own bones, which are
# not at hand, so that its agreement is that of the proportions.
AGREEMENT = {
    ("02_01", "train", "cmu_02_01", True): 0.01,
    ("02_01", "train", "cmu_02_01", False): 1.0,
    ("49_04", "test_dance", "49_04", True): 0.01,
    ("05_01", "train", "05_01", False): 1.0,
}


@pytest.mark.parametrize("case", AGREEMENT, ids=lambda case: f"{case[0]}-{case[3]}")
def test_agrees_with_the_cmu_arrays(cmu_root: Path, case: tuple[str, str, str, bool]) -> None:
    clip, split, name, with_asf = case
    path = cmu_root / "raw_bvh" / f"{clip}.bvh"
    if not path.is_file():
        pytest.skip(f"needs {clip}.bvh")
    asf = read_asf(cmu_root / "raw_asfamc" / "02" / "02.asf") if with_asf else None
    pose = load_cmu_bvh(path, asf=asf).numpy()
    with np.load(cmu_root / f"cmu_{split}.npz", allow_pickle=False) as arrays:
        frames = arrays["clip"] == arrays["clip_names"].tolist().index(name)
        expected = arrays["positions"][frames]
    assert pose.shape == expected.shape
    assert np.linalg.norm(pose - expected, axis=-1).mean() * 1000 <= AGREEMENT[case]


def test_lost_bones_by_proportions_are_near_the_subjects_own(cmu_root: Path) -> None:
    """The rule of `restore_bones` on skeletons whose thorax and wrist bones are known."""
    for subject in ("01", "02", "03"):
        path = cmu_root / "raw_asfamc" / subject / f"{subject}.asf"
        if not path.is_file():
            pytest.skip(f"needs {path.name}")
        asf = read_asf(path)
        lower, upper, thorax = (asf.offset(b) for b in ("lowerback", "upperback", "thorax"))
        assert (upper + (upper - lower) / 2 - thorax).norm() < 0.0025
        for side in "lr":
            wrist, radius = asf.offset(f"{side}wrist"), asf.offset(f"{side}radius")
            assert (radius / 2 - wrist).norm() < 1e-5


def test_restored_bones_move_what_hangs_on_them(cmu_root: Path) -> None:
    path = cmu_root / "raw_bvh" / "02_01.bvh"
    if not path.is_file():
        pytest.skip("needs 02_01.bvh")
    bvh = read_bvh(path)
    whole = restore_bones(bvh).tracks(METRES_PER_CMU_UNIT)
    short = bvh.tracks(METRES_PER_CMU_UNIT)
    lift = (whole.positions[0] - short.positions[0]).norm(dim=-1)
    moved = dict(zip(whole.joints, lift.tolist(), strict=True))
    assert moved["Spine1"] == 0.0
    assert moved["LeftFoot"] == 0.0
    assert moved["Head_end"] == pytest.approx(0.117, abs=0.001)
    assert moved["LeftForeArm"] == pytest.approx(0.117, abs=0.001)

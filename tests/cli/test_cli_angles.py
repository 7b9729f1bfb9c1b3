"""`poseterior angles` as a user would run it, and its intervals against known spreads."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import Ended, assert_refused

from poseterior.batch.angles import COLUMNS, angle_intervals

Run = Callable[..., Ended]


def knees(angles: np.ndarray) -> np.ndarray:
    """(M, H, 17, 3) poses whose knees are bent by angles (M, H), degrees."""
    bend = np.radians(angles)
    pose = np.zeros((*angles.shape, 17, 3))
    down, forward = np.array([0, 1.0, 0]), np.array([0, 0, 1.0])
    for hip, side in ((1, 1.0), (4, -1.0)):
        pose[..., hip, 0] = 0.12 * side
        pose[..., hip + 1, :] = pose[..., hip, :] + 0.45 * down
        shank = np.cos(bend)[..., None] * down - np.sin(bend)[..., None] * forward
        pose[..., hip + 2, :] = pose[..., hip + 1, :] + 0.42 * shank
    for joint in range(7, 17):
        pose[..., joint, :] = -0.1 * (joint - 6) * down
    return pose


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    sigma = np.array([5.0, 30.0, 5.0])[:, None]
    poses = knees(60 + sigma * rng.standard_normal((3, 4000)))
    path = tmp_path / "posterior.npz"
    np.savez(path, hypotheses=poses, skeleton="h36m_17", frame=np.array([7, 8, 9]),
             valid=np.array([True, True, False]))  # fmt: skip
    return path


def test_knee_angles_have_the_intervals_they_were_made_with(
    run: Run, predictions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "angles.csv"
    ended = run("angles", predictions, "--out", out)
    assert ended.code == 0, ended.err
    with out.open() as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    usable = sum(line["usable"] == "1" for line in lines)
    assert 0 < usable < len(lines)
    assert f"{len(lines)} angles of 3 poses, {usable} usable" in ended.out
    assert {line["frame"] for line in lines} == {"7", "8"}  # the third is not valid
    sure, unsure = (line for line in lines if line["angle"] == "left_knee_flexion")
    assert float(sure["median_deg"]) == pytest.approx(60, abs=0.5)
    wanted = [60 + 5 * z for z in (-0.6745, 0.6745, -1.645, 1.645)]
    keys = ("low_50_deg", "high_50_deg", "low_90_deg", "high_90_deg")
    assert [float(sure[key]) for key in keys] == pytest.approx(wanted, abs=0.5)
    assert (sure["usable"], unsure["usable"]) == ("1", "0")
    again = run("angles", predictions, "--out", out, "--widest", "150")
    assert again.code == 0
    assert f"{len(lines)} usable" in again.out
    with out.open() as file:
        assert all(line["usable"] == "1" for line in csv.DictReader(file))


def test_an_angle_is_left_out_where_any_joint_it_depends_on_is_not_valid(
    run: Run, tmp_path: Path
) -> None:
    valid = np.ones((1, 17), bool)
    valid[0, 7] = False  # the spine, which gives the pelvis its upward axis
    path, out = tmp_path / "p.npz", tmp_path / "angles.csv"
    np.savez(path, hypotheses=knees(np.full((1, 19), 30.0)), skeleton="h36m_17", valid_joints=valid)
    assert run("angles", path, "--out", out).code == 0
    with out.open() as file:
        kinds = {line["angle"].removeprefix("left_").removeprefix("right_")
                 for line in csv.DictReader(file)}  # fmt: skip
    assert kinds == {"knee_flexion", "elbow_flexion"}


def test_intervals_may_cross_half_a_turn() -> None:
    generator = torch.Generator().manual_seed(0)
    degrees = 178 + 6 * torch.randn((1, 50_000), generator=generator)
    wrapped = (degrees + 180).remainder(360) - 180
    found = angle_intervals(wrapped)[0]
    wanted = [178 + 6 * z for z in (0, -0.6745, 0.6745, -1.645, 1.645)]
    assert found.tolist() == pytest.approx(wanted, abs=0.2)


def test_weights_count() -> None:
    degrees = torch.tensor([[10.0, 20.0, 90.0]])
    weights = torch.tensor([[0.5, 0.5, 0.0]])
    median, *ends = angle_intervals(degrees, weights)[0].tolist()
    assert median == pytest.approx(15)
    assert all(10 <= end <= 20 or math.isclose(end, 10) for end in ends)


def test_too_few_hypotheses_are_no_interval(run: Run, tmp_path: Path) -> None:
    out, few, weighted = (tmp_path / name for name in ("angles.csv", "few.npz", "weighted.npz"))
    poses = knees(np.full((2, 30), 30.0))
    np.savez(few, hypotheses=poses[:, :18], skeleton="h36m_17")
    assert_refused(run("angles", few, "--out", out), "few.npz", "at least 19", "found 18")
    assert not out.exists()
    weights = np.ones((2, 30))
    weights[1, 18:] = 0  # as good as 18 hypotheses
    np.savez(weighted, hypotheses=poses, skeleton="h36m_17", weights=weights)
    assert run("angles", weighted, "--out", out).code == 0
    with out.open() as file:
        assert {(line["row"], line["usable"]) for line in csv.DictReader(file)} == {
            ("0", "1"),
            ("1", "0"),
        }


def test_bad_input_is_refused(run: Run, predictions: Path, tmp_path: Path) -> None:
    out = tmp_path / "angles.csv"
    assert_refused(run("angles", tmp_path / "none.npz", "--out", out), "none.npz")
    assert_refused(run("angles", predictions, "--out", out, "--widest", "0"), "widest_deg")
    assert_refused(run("angles", predictions, "--out", predictions), "posterior.npz")
    assert not out.exists()

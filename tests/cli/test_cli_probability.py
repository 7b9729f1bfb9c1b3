"""`poseterior probability` as a user would run it, against closed forms."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli_files import Ended, assert_refused, pixels, predictions, save
from scipy.stats import binomtest, ncx2

from poseterior.batch.probability import COLUMNS
from poseterior.geometry.skeleton import H36M_17

Run = Callable[..., Ended]
SIGMA, HYPOTHESES = 0.1, 5000
WRIST = H36M_17.index("right_wrist")
NEAR = "within(right_wrist, 0.1, -0.2, 0.4, 0.3)"


def arrays() -> dict[str, Any]:
    """Three poses of independent normal joints; the wrist is at, near and far from the point."""
    rng = np.random.default_rng(0)
    centre = 0.3 * rng.normal(size=(3, 1, 17, 3))
    centre[:, 0, WRIST] = np.array([0.1, -0.2, 0.4]) + np.array([[0.0], [0.15], [2.0]])
    poses = centre + SIGMA * rng.normal(size=(3, HYPOTHESES, 17, 3))
    poses[:, :, 0] = 0
    return {
        "hypotheses": poses.astype(np.float32),
        "skeleton": "h36m_17",
        "clip": np.array(["a", "a", "b"]),
        "frame": np.array([7, 8, 9]),
    }


def probabilities(run: Run, path: Path, *events: str, options: tuple[Any, ...] = ()) -> list[Any]:
    """The lines of the table that the command writes."""
    out = path.with_suffix(".csv")
    asked = [word for event in events for word in ("--event", event)]
    ended = run("probability", path, *asked, "--out", out, *options)
    assert ended.code == 0, ended.err
    with out.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert f"{out}: {len(lines)} probabilities of" in ended.out
    return lines


def test_probabilities_of_a_ball_with_their_intervals(run: Run, tmp_path: Path) -> None:
    lines = probabilities(run, save(tmp_path / "p.npz", arrays()), NEAR, f"~{NEAR}")
    assert tuple(lines[0]) == COLUMNS
    assert [(x["row"], x["clip"], x["frame"], x["person"]) for x in lines[::2]] == [
        ("0", "a", "7", ""), ("1", "a", "8", ""), ("2", "b", "9", "")
    ]  # fmt: skip
    assert [x["event"] for x in lines] == [NEAR, f"~{NEAR}"] * 3
    offsets = 3 * np.array([0.0, 0.15, 2.0]) ** 2 / SIGMA**2
    for line, other, wanted in zip(
        lines[::2], lines[1::2], ncx2.cdf((0.3 / SIGMA) ** 2, 3, offsets), strict=True
    ):
        share = float(line["probability"])
        assert share == pytest.approx(wanted, abs=5 * 0.5 / HYPOTHESES**0.5)
        assert float(other["probability"]) == pytest.approx(1 - share, abs=1e-6)
        count = round(share * HYPOTHESES)
        interval = binomtest(count, HYPOTHESES).proportion_ci(0.95, method="wilson")
        ends = [float(line["low_95"]), float(line["high_95"])]
        assert ends == pytest.approx([interval.low, interval.high], rel=1e-4, abs=1e-9)
    assert lines[4]["probability"] == "0"  # 0 of 5000 is not 0
    assert float(lines[4]["high_95"]) > 5e-4


def test_weights_are_repetitions_with_wider_intervals(run: Run, tmp_path: Path) -> None:
    given = arrays()
    times = np.random.default_rng(1).integers(0, 4, (3, HYPOTHESES))
    weighted = save(tmp_path / "w.npz", given | {"weights": times / 7})
    found = probabilities(run, weighted, NEAR)
    for n, line in enumerate(found):
        held = np.linalg.norm(given["hypotheses"][n, :, WRIST] - [0.1, -0.2, 0.4], axis=-1) <= 0.3
        share = np.repeat(held, times[n]).mean()
        assert float(line["probability"]) == pytest.approx(share, abs=1e-6)
        count = times[n].sum() ** 2 / (times[n] ** 2).sum()
        # Normal theory, good in the middle.
        if 0.1 < share < 0.9:
            width = float(line["high_95"]) - float(line["low_95"])
            assert width == pytest.approx(2 * 1.96 * (share * (1 - share) / count) ** 0.5, rel=0.01)


def test_rows_and_joints_that_are_not_valid_are_left_out(run: Run, tmp_path: Path) -> None:
    valid, joints = np.array([True, False, True]), np.ones((3, 17), bool)
    joints[0, WRIST] = False
    path = save(tmp_path / "p.npz", arrays() | {"valid": valid, "valid_joints": joints})
    lines = probabilities(run, path, NEAR, "left_knee_flexion > 60")
    assert [(line["row"], line["event"][:4]) for line in lines] == [
        ("0", "left"), ("2", "with"), ("2", "left")
    ]  # fmt: skip


def observed(tmp_path: Path) -> Path:
    """Poses that the keypoints saw 4 m away from the camera."""
    given = predictions(rows=4, hypotheses=400)
    del given["target"]
    mean = torch.from_numpy(given["hypotheses"]).mean(1)
    given["observed_keypoints"] = pixels(mean).astype(np.float32)
    camera = np.array([[900.0, 0, 500], [0, 900, 400], [0, 0, 1]])
    given["observed_intrinsics"] = np.tile(camera, (4, 1, 1))
    return save(tmp_path / "seen.npz", given)


def test_points_may_be_in_the_cameras_frame(run: Run, tmp_path: Path) -> None:
    path = observed(tmp_path)
    near, far = (f"within(right_wrist, 0.2, 0.0, {z}, 0.25)" for z in ("0.1", "4.1"))
    by_root = [line["probability"] for line in probabilities(run, path, near)]
    by_camera = probabilities(run, path, far, options=("--frame", "camera"))
    assert [line["probability"] for line in by_camera] == pytest.approx(by_root)
    assert any(0.02 < float(share) < 0.98 for share in by_root)


def test_gravity_may_be_told(run: Run, tmp_path: Path) -> None:
    path = save(tmp_path / "p.npz", predictions(rows=3))
    above = "height(head_top, pelvis) > 0"
    upright = probabilities(run, path, above)
    upside_down = probabilities(run, path, above, options=("--down", "0", "-1", "0"))
    assert {line["probability"] for line in upright} == {"1"}
    assert {line["probability"] for line in upside_down} == {"0"}


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("left_kne_flexion > 60", ["left_kne_flexion > 60", "did you mean left_knee_flexion"]),
        ("distance(left_wirst, nose) < 1", ["distance(left_wirst", "did you mean left_wrist"]),
        ("left_knee_flexion", ["expected <, <=, > or >="]),
        ("within(right_wrist, 0, nan, 0, 1)", ["within(joint, x, y, z, radius)"]),
        ("within(right_wrist, 0, 0, 0, -1)", ["radius", "found -1"]),
        ("elevation(nose, nose) > 1", ["NaN"]),
    ],
)
def test_a_bad_event_is_refused_before_anything_is_written(
    run: Run, tmp_path: Path, event: str, words: list[str]
) -> None:
    path, out = save(tmp_path / "p.npz", predictions(rows=3)), tmp_path / "out.csv"
    good = ("--event", "left_knee_flexion > 60")
    assert_refused(run("probability", path, *good, "--event", event, "--out", out), *words)
    assert not out.exists()


def test_bad_input_is_refused(run: Run, tmp_path: Path) -> None:
    path, out = save(tmp_path / "p.npz", predictions(rows=3)), tmp_path / "out.csv"
    ask = ("--event", NEAR, "--out")
    assert_refused(run("probability", tmp_path / "none.npz", *ask, out), "none.npz")
    assert_refused(run("probability", path, *ask, path), "p.npz", "a file of its own")
    assert_refused(run("probability", path, "--out", out), "--event", "at least one")
    assert_refused(
        run("probability", path, *ask, out, "--frame", "camera"), "p.npz", "observed_keypoints"
    )
    few = np.zeros((4, 17), bool)
    few[:, 3] = True
    seen = dict(np.load(observed(tmp_path))) | {"observed_valid": few}
    blind = save(tmp_path / "blind.npz", seen)
    assert_refused(
        run("probability", blind, *ask, out, "--frame", "camera"), "blind.npz", "at least 2 valid"
    )
    assert not out.exists()

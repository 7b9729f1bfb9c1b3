"""Observations and targets of one skeleton, lifted and scored in another."""

from __future__ import annotations

import json

import fake_lifters as fake
import numpy as np
import pytest
import torch

from poseterior.batch.lift import lift
from poseterior.batch.score import evaluate, score
from poseterior.data.keypoint_files import read_keypoints
from poseterior.data.keypoint_source import MemorySource, table_source
from poseterior.data.predictions import open_predictions
from poseterior.geometry.skeleton import H36M_17, get_skeleton
from poseterior.keypoints import Keypoints

COCO = get_skeleton("coco_17")
PAIRS = [(H36M_17.index(j), COCO.index(j)) for j in ("left_knee", "right_wrist", "left_hip")]


def _coco(rows=70):
    generator = torch.Generator().manual_seed(2)
    keypoints = Keypoints(
        pixels=500 + 100 * torch.randn(rows, 17, 2, generator=generator),
        covariance=torch.eye(2).expand(rows, 17, 2, 2).clone(),
        valid=torch.ones(rows, 17, dtype=torch.bool),
        skeleton=COCO,
        intrinsics=torch.eye(3).expand(rows, 3, 3),
    )
    target = 0.3 * torch.randn(rows, 17, 3, generator=generator)
    return keypoints, target - target[:, :1]


def _read(path):
    with open_predictions(path) as predictions:
        (rows,) = predictions.chunks(predictions.poses)
        return json.loads(predictions.provenance), rows


def test_joints_of_the_same_meaning_are_taken_over(tmp_path):
    keypoints, target = _coco()
    source = MemorySource(keypoints, target)
    made, rows = _read(lift(source, fake.FlatGaussian(), tmp_path / "p.npz", 5).path)
    assert made["source_skeleton"] == "coco_17"
    assert "missing: head_top" in made["assumptions"]["conversion"]
    hips = [COCO.index("left_hip"), COCO.index("right_hip")]
    root = target[:, hips].mean(1)
    for ours, theirs in PAIRS:
        torch.testing.assert_close(rows.observed_keypoints[:, ours], keypoints.pixels[:, theirs])
        torch.testing.assert_close(rows.target[:, ours], target[:, theirs] - root)
        assert rows.valid_joints[:, ours].all()
    assert not rows.observed_valid[:, H36M_17.index("head_top")].any()


def test_approximated_and_missing_joints_are_lifted_but_not_scored(tmp_path):
    source = MemorySource(*_coco())
    lift(source, fake.FlatGaussian(), tmp_path / "p.npz", 5)
    with np.load(tmp_path / "p.npz") as loaded:
        unscored = {H36M_17.joints[j] for j in np.flatnonzero(~loaded["valid_joints"][0])}
        assert loaded["hypotheses"][:, :, H36M_17.index("spine")].all()
        assert "target_log_prob" not in loaded
    assert unscored == {"spine", "thorax", "nose", "head_top"}
    one, two = evaluate(fake.FlatGaussian(), source, 5), score(tmp_path / "p.npz")
    assert one["mpjpe_mean_mm"] == pytest.approx(two["mpjpe_mean_mm"])
    assert one["nll"] is None


def test_an_openpose_folder_with_missing_joints_is_lifted(tmp_path):
    folder = tmp_path / "json"
    folder.mkdir()
    random = np.random.default_rng(0)
    for frame in range(6):
        points = np.column_stack([random.uniform(100, 600, (25, 2)), np.full(25, 0.9)])
        points[random.random(25) < 0.2] = 0
        people = [] if frame == 3 else [{"pose_keypoints_2d": points.ravel().tolist()}]
        text = json.dumps({"version": 1.3, "people": people})
        (folder / f"clip_{frame:012d}_keypoints.json").write_text(text)
    table = read_keypoints(folder, "openpose")
    done = lift(table_source(table, str(folder)), fake.FlatGaussian(), tmp_path / "p.npz", 4)
    made, rows = _read(done.path)
    assert (done.poses, done.invalid) == (6, 1)
    assert rows.valid.tolist() == [True, True, True, False, True, True]
    assert rows.labels["frame"].tolist() == list(range(6))
    assert "focal" in made["assumptions"]
    assert not rows.observed_valid[rows.valid].all()

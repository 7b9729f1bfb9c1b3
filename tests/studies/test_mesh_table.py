"""The study of body meshes on a small body: rows, errors by hand, notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes
from torch import Tensor

from meshes.stick_body import stick_body
from poseterior.data.ambiguous_crops import ambiguous
from poseterior.data.keypoint_source import MemorySource
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17, LSP_14
from poseterior.meshes import BodyParameters
from poseterior.meshes.mesh_posterior import BodySet, MeshPosterior
from poseterior.meshes.motion.body_source import BodySource, seen_bodies
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.regressors import mesh_lifter
from poseterior.meshes.regressors.hmr import Hmr, HmrConfig, RegressorSizes
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.meshes.regressors.pose_prior import ControlSource
from poseterior.studies.body_data import FixedJoints
from poseterior.studies.mesh_ablation import MESH_ABLATION
from poseterior.studies.mesh_data import MeshData
from poseterior.studies.mesh_samples import MESH_SAMPLES
from poseterior.studies.mesh_scored import CALIBRATION, best_of, every_nth
from poseterior.studies.mesh_table import DRAWN, MESH_TABLE, METHODS
from poseterior.studies.study import Scoring, run_study
from poseterior.studies.workshop import Workshop

BODY = stick_body()
TINY = RegressorSizes(width=16, blocks=1, hidden=16, head_dropout=0.0)


@pytest.fixture(autouse=True)
def a_light_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_lifter, "open_body", lambda name: stick_body())


def turns(count: int, seed: int) -> Tensor:
    """Rotations (count, 24, 3, 3), the root upright with z up."""
    draw = torch.Generator().manual_seed(seed)
    rotations = from_axis_angle(0.2 * torch.randn((count, 24, 3), generator=draw))
    upright = from_axis_angle(torch.tensor([torch.pi / 2, 0.0, 0.0]))
    return torch.cat([(upright @ rotations[:, 0])[:, None], rotations[:, 1:]], 1)


def fixed(count: int, hidden: bool = False) -> FixedBodies:
    """Bodies of two clips, as `fixed_observations` gives them."""
    draw = torch.Generator().manual_seed(1)
    betas = torch.randn((count, 3), generator=draw)
    keypoints, bodies = seen_bodies(BODY, turns(count, 2), betas, draw)
    if hidden:
        keypoints = ambiguous(keypoints, draw)
    joints = BODY.landmarks_of(bodies, H36M_17)
    clip = np.array(["walk", "jump"])[np.arange(count) % 2]
    return FixedBodies(keypoints, bodies, joints - joints[:, :1], clip, np.arange(count))


def data() -> MeshData:
    rotations, plain = turns(40, 3), fixed(8)

    def bodies(size: int, seed: int) -> BodySource:
        return BodySource(BODY, rotations, size, seed, ambiguous=0.5)

    return MeshData(
        name="made", source=bodies, skeleton=H36M_17, about={}, every=1,
        test=MemorySource(plain.keypoints, plain.target, {"clip": plain.clip}, "bodies"),
        plain=plain, ambiguous=fixed(8, hidden=True),
        control=lambda size, seed: ControlSource(bodies(size, seed), BODY),
    )  # fmt: skip


class Known(Hmr):
    """Sees the truth and four bodies beside it."""

    def __init__(self, test: FixedBodies) -> None:
        super().__init__(HmrConfig(sizes=TINY))
        self.test = test

    def forward(self, keypoints: Any) -> MeshPosterior:
        truth = self.test.parameters
        several = truth.map(lambda value: value.expand(5, *value.shape).clone())
        bent = several.body_pose.clone()
        for k in range(1, 5):
            bent[k] = from_axis_angle(torch.tensor([0.1 * k, 0.0, 0.0])) @ bent[k]
        return BodySet(replace(several, body_pose=bent), self.body, self.skeleton)


def last_ones(posterior: Any, count: int, generator: torch.Generator) -> BodyParameters:
    return posterior.parameters[5 - count :]


def test_errors_are_those_of_the_best_by_hand() -> None:
    test = fixed(6)
    found = best_of(Known(test), last_ones, 2, test, 0)
    bodies = Known(test)(test.keypoints).parameters[3:]
    joints, truth = (BODY.landmarks_of(b, LSP_14).numpy() for b in (bodies, test.parameters))
    hips = [LSP_14.index("left_hip"), LSP_14.index("right_hip")]
    about = [j - j[..., hips, :].mean(-2, keepdims=True) for j in (joints, truth)]
    errors = np.linalg.norm(about[0] - about[1], axis=-1).mean(-1)
    assert found["mpjpe_mm"] == pytest.approx(1000 * errors.min(0).mean(), rel=1e-4)
    aligned = np.array(
        [[_aligned(j, t) for j, t in zip(row, truth, strict=True)] for row in joints]
    )
    assert found["re_mm"] == pytest.approx(1000 * aligned.min(0).mean(), rel=1e-2)
    best = errors.argmin(0)
    vertices = BODY.vertices(bodies).numpy()[best, np.arange(6)]
    roots = [BODY.joints(b).numpy()[..., :1, :] for b in (bodies, test.parameters)]
    off = (vertices - roots[0][best, np.arange(6)]) - (
        BODY.vertices(test.parameters).numpy() - roots[1]
    )
    assert found["vertex_mm"] == pytest.approx(1000 * np.linalg.norm(off, axis=-1).mean(), rel=1e-4)
    low, high = found["mpjpe_mm_interval"]
    assert low <= found["mpjpe_mm"] <= high


def _aligned(joints: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance after scipy's Procrustes, in the truth's scale."""
    standard, moved, _ = procrustes(truth, joints)
    scale = np.linalg.norm(truth - truth.mean(0))
    return float(np.linalg.norm(standard - moved, axis=-1).mean() * scale)


def test_a_set_that_holds_the_truth_has_no_error() -> None:
    test = fixed(4)
    found = best_of(Known(test), last_ones, 5, test, 0)
    assert max(found[name] for name in ("mpjpe_mm", "re_mm", "vertex_mm")) < 0.01
    assert best_of(Known(test), last_ones, 4, test, 0)["mpjpe_mm"] > 1


def test_errors_of_joints_alone_are_over_those_that_lsp_has_too() -> None:
    test = fixed(6)
    joints = FixedJoints(test.keypoints, test.target, test.clip, test.frame)
    found = best_of(Known(test), last_ones, 2, joints, 0)
    names = [joint.replace("neck", "thorax") for joint in LSP_14.joints]
    bodies = BODY.landmarks_of(Known(test)(test.keypoints).parameters[3:], H36M_17)
    hips = [H36M_17.index("left_hip"), H36M_17.index("right_hip")]
    about = [p - p[..., hips, :].mean(-2, keepdim=True) for p in (bodies, test.target)]
    rows = [H36M_17.index(name) for name in names]
    errors = (about[0] - about[1])[..., rows, :].norm(dim=-1).mean(-1)
    assert found["mpjpe_mm"] == pytest.approx(1000 * float(errors.amin(0).mean()), rel=1e-4)
    assert 0 < found["re_mm"] < found["mpjpe_mm"]
    assert found["vertex_mm"] is found["vertex_mm_interval"] is None
    assert best_of(Known(test), last_ones, 5, joints, 0)["re_mm"] < 0.01


def test_every_nth_keeps_rows_together() -> None:
    some = every_nth(fixed(8), 3)
    assert some.frame.tolist() == [0, 3, 6]
    assert len(some.parameters) == len(some.keypoints.pixels) == len(some.clip) == 3


def test_the_study_runs_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, dict[str, Any]] = {
        "hmr": {"sizes": TINY}, "multi_bodies": {"sizes": TINY, "heads": 26},
        "mesh_mdn": {"sizes": TINY, "components": 26}, "mesh_cvae": {"sizes": TINY, "encoder": 8},
        "prohmr": {"sizes": TINY, "hidden": 16, "critic": 8}, "pose_prior": {"hidden": 8},
    }  # fmt: skip
    for name, changes in sizes.items():
        cls: Any = MESH_LIFTERS[name]
        monkeypatch.setitem(cls.PRESETS, "small", cls.Config(**changes))
    monkeypatch.setitem(DRAWN, "small", 30)
    monkeypatch.setattr("poseterior.studies.mesh_samples._COUNTS", {"small": (1, 3)})
    workshop = Workshop(data(), tmp_path, budget=0.0005)
    result = run_study(MESH_TABLE, workshop, Scoring(hypotheses=5, every=2))
    rows = result["rows"]
    assert result["missing"] == []
    assert {row["method"] for row in rows} == {method.name for method in METHODS}
    assert len(rows) == 2 + 4 * 2 * 4
    for row in rows:
        assert row["data"] in ("plain", "ambiguous")
        assert all(row[name] > 0 for name in ("mpjpe_mm", "re_mm", "vertex_mm"))
        assert row["re_mm"] <= row["mpjpe_mm"]
        assert (row["ece_median"] is None) == (row["method"] == "hmr")
    assert any("at n = 25" in note for note in result["notes"])
    _others_share_its_trainings(workshop)


def _others_share_its_trainings(workshop: Workshop) -> None:
    trained = set((workshop.out / "checkpoints").iterdir())
    samples = run_study(MESH_SAMPLES, workshop, Scoring(hypotheses=5, every=2))
    assert len(samples["rows"]) == 3 * 2 * 2
    for row in samples["rows"]:  # bodies of the training set are nobody's posterior
        anybodys = row["method"] == "training_bodies"
        assert {row[name] is None for name in CALIBRATION} == {anybodys}
    assert set((workshop.out / "checkpoints").iterdir()) == trained
    ablation = run_study(MESH_ABLATION, workshop, Scoring(hypotheses=5, every=2))
    assert len(ablation["rows"]) == 4 * 2 * 3
    assert any("Least at n = 25" in note for note in ablation["notes"])
    (new,) = {p for p in (workshop.out / "checkpoints").iterdir() if p.is_dir()} - trained
    assert new.name == "multi_bodies_without_reprojection"

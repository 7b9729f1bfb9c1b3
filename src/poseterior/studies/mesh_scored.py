"""How near the best of n bodies comes: MPJPE-n, RE-n and vertex error (paper 004, Section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from poseterior.batch.score import evaluate
from poseterior.data.keypoint_source import MemorySource
from poseterior.geometry.skeleton import LSP_14
from poseterior.geometry.units import mm
from poseterior.meshes.mesh_posterior import BodySet, MeshPosterior
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.mesh_losses import distance
from poseterior.metrics.bootstrap import ClipGroups, GroupSums, interval, resamples
from poseterior.metrics.pose_error import mpjpe, pa_mpjpe
from poseterior.posterior import Lifter
from poseterior.seeding import generator_from

__all__ = [
    "CALIBRATION", "COUNTS", "Chosen", "best_of", "calibration", "effective_number", "every_nth",
]  # fmt: skip

COUNTS = (1, 5, 10, 25)
# What rows tell of a posterior, and not of the n bodies that stand for it.
CALIBRATION = ("ece_median", "ece_joint_max", "energy_score_mm", "coverage_90")
ERRORS = ("mpjpe_mm", "re_mm", "vertex_mm")
_BLOCK = 32
_HIPS = [LSP_14.index("left_hip"), LSP_14.index("right_hip")]

# n bodies (n, B) that stand for a posterior.
Chosen = Callable[[MeshPosterior, int, torch.Generator], BodyParameters]


def every_nth(test: FixedBodies, every: int) -> FixedBodies:
    """Every `every`-th body."""
    part = slice(None, None, every)
    return FixedBodies(
        test.keypoints[part], test.parameters[part], test.target[part], test.clip[part],
        test.frame[part],
    )  # fmt: skip


@torch.no_grad()
def best_of(
    lifter: MeshLifter, chosen: Chosen, count: int, test: FixedBodies, seed: int
) -> dict[str, Any]:
    """Errors of the best of `count` bodies, with 95 % intervals that resample clips.

    `mpjpe_mm` is over LSP's 14 joints, pelvises (the middle of the hips) put together; `re_mm`
    after Procrustes, each with its own best body; `vertex_mm` of the body whose MPJPE is best,
    root joints put together.
    """
    groups, sums = ClipGroups(), GroupSums(len(ERRORS) + 1)
    for start in range(0, len(test.frame), _BLOCK):
        part = slice(start, start + _BLOCK)
        target = test.parameters[part]
        generator = generator_from(seed, start)
        bodies = chosen(lifter(test.keypoints[part]), count, generator)
        errors = _errors(lifter, bodies, target)
        group = groups(test.clip[part].tolist(), len(target))
        sums.add(group, torch.cat([errors, torch.ones(len(target), 1)], 1))
    return _with_intervals(sums.sums)


def _errors(lifter: MeshLifter, bodies: BodyParameters, target: BodyParameters) -> Tensor:
    """(B, 3) mm: of the best body of each."""
    body = lifter.body
    joints = _about_pelvis(body.landmarks_of(bodies, LSP_14))
    truth = _about_pelvis(body.landmarks_of(target, LSP_14)).expand_as(joints)
    least, index = mpjpe(joints, truth).min(0)
    columns = torch.arange(len(index))
    nearest = lifter.mesh_about_root(bodies[index, columns])
    surface = distance(nearest, lifter.mesh_about_root(target))
    return mm(torch.stack([least, pa_mpjpe(joints, truth).amin(0), surface], 1))


def _about_pelvis(joints: Tensor) -> Tensor:
    return joints - joints[..., _HIPS, :].mean(-2, keepdim=True)


def _with_intervals(sums: Tensor) -> dict[str, Any]:
    """Means of the columns, the last of which counts, and their intervals."""
    total = sums.sum(0)
    means = total[:-1] / total[-1]
    drawn = resamples(len(sums)) @ sums
    replicates = drawn[:, :-1] / drawn[:, -1:]
    found: dict[str, Any] = {}
    for k, name in enumerate(ERRORS):
        found[name] = float(means[k])
        found[f"{name}_interval"] = interval(replicates[:, k], found[name])
    return found


@torch.no_grad()
def effective_number(lifter: Lifter, test: FixedBodies) -> float | None:
    """Median over observations of 1 / sum w² of a set's weights; None if it is no set."""
    numbers = []
    for start in range(0, len(test.frame), _BLOCK):
        posterior = lifter(test.keypoints[start : start + _BLOCK])
        if not isinstance(posterior, BodySet):
            return None
        numbers.append(1 / posterior.weights.square().sum(0))
    return float(torch.cat(numbers).median())


def calibration(lifter: Lifter, test: FixedBodies, hypotheses: int, seed: int) -> dict[str, Any]:
    """Calibration and proper scores of the joints of `hypotheses` draws, root-relative."""
    labels = {"clip": test.clip, "frame": test.frame}
    source = MemorySource(test.keypoints, test.target, labels, "bodies")
    result = evaluate(lifter, source, hypotheses, seed)
    return {name: result[name] for name in CALIBRATION}

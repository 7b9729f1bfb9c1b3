"""How near the best of n bodies comes: MPJPE-n, RE-n and vertex error (paper 004, Section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor

from poseterior.batch.score import evaluate
from poseterior.geometry.skeleton import H36M_17, LSP_14
from poseterior.geometry.units import mm
from poseterior.meshes.body import Body
from poseterior.meshes.mesh_posterior import BodySet, MeshPosterior
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.mesh_losses import distance
from poseterior.metrics.bootstrap import ClipGroups, GroupSums, interval, resamples
from poseterior.metrics.pose_error import mpjpe, pa_mpjpe
from poseterior.posterior import Lifter
from poseterior.seeding import generator_from
from poseterior.studies.body_data import Scored, as_poses

__all__ = [
    "CALIBRATION", "COUNTS", "Chosen", "best_of", "calibration", "effective_number", "errors_mm",
    "errors_of", "every_nth", "part_of", "with_intervals",
]  # fmt: skip

COUNTS = (1, 5, 10, 25)
# What rows tell of a posterior, and not of the n bodies that stand for it.
CALIBRATION = ("ece_median", "ece_joint_max", "energy_score_mm", "coverage_90")
ERRORS = ("mpjpe_mm", "re_mm", "vertex_mm")
_BLOCK = 32
# Those of `h36m_17` that LSP has too, in its order; the neck is H36M's `thorax`.
_OF_H36M = [H36M_17.index({"neck": "thorax"}.get(joint, joint)) for joint in LSP_14.joints]
_HIPS = [LSP_14.index("left_hip"), LSP_14.index("right_hip")]

_Scored = TypeVar("_Scored", bound=Scored)

# n bodies (n, B) that stand for a posterior.
Chosen = Callable[[MeshPosterior, int, torch.Generator], BodyParameters]


def every_nth(test: _Scored, every: int) -> _Scored:
    """Every `every`-th body."""
    return part_of(test, slice(None, None, every))


def part_of(test: _Scored, part: slice) -> _Scored:
    """Some of the bodies."""
    held = {f.name: getattr(test, f.name) for f in fields(test)}
    parts: dict[str, Any] = {name: v if v is None else v[part] for name, v in held.items()}
    return type(test)(**parts)


@torch.no_grad()
def best_of(
    lifter: MeshLifter, chosen: Chosen, count: int, test: Scored, seed: int
) -> dict[str, Any]:
    """Errors of the best of `count` bodies, with 95 % intervals that resample clips.

    `mpjpe_mm` is over LSP's 14 joints, pelvises (the middle of the hips) put together; `re_mm`
    after Procrustes, each with its own best body; `vertex_mm` of the body whose MPJPE is best,
    root joints put together. Where a test tells the joints of `h36m_17` and no bodies, those of
    them that LSP has too are compared, and `vertex_mm` is None.
    """
    names = ERRORS if isinstance(test, FixedBodies) else ERRORS[:-1]
    groups, sums = ClipGroups(), GroupSums(len(names) + 1)
    for start in range(0, len(test.frame), _BLOCK):
        part = part_of(test, slice(start, start + _BLOCK))
        generator = generator_from(seed, start)
        bodies = chosen(lifter(part.keypoints), count, generator)
        errors = errors_of(lifter, bodies, part)
        group = groups(part.clip.tolist(), len(errors))
        sums.add(group, torch.cat([errors, torch.ones(len(errors), 1)], 1))
    unknown = {f"{name}{end}": None for name in ERRORS for end in ("", "_interval")}
    return unknown | with_intervals(sums.sums, names)


def errors_of(lifter: MeshLifter, bodies: BodyParameters, test: Scored) -> Tensor:
    """(B, 3) mm: of the best body of each; (B, 2) where no bodies are known."""
    joints, truth = _compared(lifter.body, bodies, test)
    least, index = mpjpe(joints, truth).min(0)
    found = [least, pa_mpjpe(joints, truth).amin(0)]
    if isinstance(test, FixedBodies):
        nearest = lifter.mesh_about_root(bodies[index, torch.arange(len(index))])
        found.append(distance(nearest, lifter.mesh_about_root(test.parameters)))
    return mm(torch.stack(found, 1))


def _compared(body: Body, bodies: BodyParameters, test: Scored) -> tuple[Tensor, Tensor]:
    """As `_joints`, of bodies (n, B) and a test (B,)."""
    if isinstance(test, FixedBodies):
        return _joints(body, bodies, test.parameters)
    joints = _about_pelvis(body.landmarks_of(bodies, H36M_17)[..., _OF_H36M, :])
    return joints, _about_pelvis(test.target[:, _OF_H36M]).expand_as(joints)


def errors_mm(body: Body, bodies: BodyParameters, target: BodyParameters) -> Tensor:
    """(n, B) mm: MPJPE of each of bodies (n, B), by the protocol of `best_of`."""
    return mm(mpjpe(*_joints(body, bodies, target)))


def _joints(body: Body, bodies: BodyParameters, target: BodyParameters) -> tuple[Tensor, Tensor]:
    """(n, B, 14, 3) metres, about the middle of the hips: of bodies (n, B) and of targets (B,)."""
    joints = _about_pelvis(body.landmarks_of(bodies, LSP_14))
    return joints, _about_pelvis(body.landmarks_of(target, LSP_14)).expand_as(joints)


def _about_pelvis(joints: Tensor) -> Tensor:
    return joints - joints[..., _HIPS, :].mean(-2, keepdim=True)


def with_intervals(sums: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Means of the columns, the last of which counts, and their intervals."""
    total = sums.sum(0)
    means = total[:-1] / total[-1]
    drawn = resamples(len(sums)) @ sums
    replicates = drawn[:, :-1] / drawn[:, -1:]
    found: dict[str, Any] = {}
    for k, name in enumerate(names):
        found[name] = float(means[k])
        found[f"{name}_interval"] = interval(replicates[:, k], found[name])
    return found


@torch.no_grad()
def effective_number(lifter: Lifter, test: Scored) -> float | None:
    """Median over observations of 1 / sum w² of a set's weights; None if it is no set."""
    numbers = []
    for start in range(0, len(test.frame), _BLOCK):
        posterior = lifter(test.keypoints[start : start + _BLOCK])
        if not isinstance(posterior, BodySet):
            return None
        numbers.append(1 / posterior.weights.square().sum(0))
    return float(torch.cat(numbers).median())


def calibration(lifter: Lifter, test: Scored, hypotheses: int, seed: int) -> dict[str, Any]:
    """Calibration and proper scores of the joints of `hypotheses` draws, root-relative."""
    result = evaluate(lifter, as_poses(test), hypotheses, seed)
    return {name: result[name] for name in CALIBRATION}

"""Errors of poses: how far a pose, or the best or average hypothesis, is from the target.

Lengths are metres in and out, but for the thresholds and the results whose names say mm.
Errors are over all joints, root included, as the field reports them; `pck150` and `auc`
leave the root out.
Where `valid_joints` is given, a pose's error is over its valid joints; a pose with none has
the error NaN, which is never averaged.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.geometry.alignment import aligned_distances
from poseterior.geometry.units import mm
from poseterior.metrics.weighted import normalised, weighted_mean

__all__ = [
    "AUC_THRESHOLDS_MM",
    "CPS_LIMIT_MM",
    "PCK_THRESHOLD_MM",
    "auc",
    "cps_mm",
    "joint_errors",
    "masked_mean",
    "mpjpe",
    "n_mpjpe",
    "pa_mpjpe",
    "pck",
    "pose_errors",
]

PCK_THRESHOLD_MM = 150.0
AUC_THRESHOLDS_MM = tuple(5.0 * step for step in range(31))
CPS_LIMIT_MM = 300.0


def joint_errors(prediction: Tensor, target: Tensor) -> Tensor:
    """Distance of each joint from its target, (..., J, 3) twice -> (..., J)."""
    x, y, z = (prediction - target).square_().unbind(-1)
    return (x + y).add_(z).sqrt_()


def masked_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Mean over the last axis where `valid`, float64; NaN where nothing is valid."""
    if valid is None:
        return values.mean(-1, dtype=torch.float64)
    kept = torch.where(valid, values, 0.0)
    return kept.sum(-1, dtype=torch.float64) / valid.sum(-1)


def mpjpe(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean per joint position error, (..., J, 3) twice -> (...), metres, float64.

    >>> pose = torch.tensor([[0.0, 0, 0], [0, 0.5, 0]])
    >>> mpjpe(pose, 1.2 * pose).item()
    0.0500...
    """
    return masked_mean(joint_errors(prediction, target), valid)


def pa_mpjpe(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """MPJPE after the best similarity (rotation of det +1), (...), metres, float64.

    NaN for a degenerate prediction or target: no alignment is not a perfect one.
    """
    return masked_mean(aligned_distances(prediction, target, valid=valid, degenerate="mask"), valid)


def n_mpjpe(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """MPJPE after the scale s = <x, y> / <x, x> that fits best (Rhodin et al., CVPR 2018).

    Both poses are root-relative; a prediction of all zeros has no scale and gives NaN.
    """
    x, y = prediction.double(), target.double()
    if valid is not None:
        x, y = (torch.where(valid[..., None], pose, 0.0) for pose in (x, y))
    scale = (x * y).sum((-1, -2), keepdim=True) / (x * x).sum((-1, -2), keepdim=True)
    return mpjpe(scale * x, y, valid)


def pck(errors: Tensor, valid: Tensor | None, threshold_mm: float = PCK_THRESHOLD_MM) -> Tensor:
    """Share of joints (..., J) whose error is strictly below the threshold, in [0, 1]."""
    return masked_mean((mm(errors.double()) < threshold_mm).double(), valid)


def auc(errors: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of `pck` over the thresholds 0, 5, ..., 150 mm (Mehta et al., 3DV 2017).

    At the threshold 0 no joint counts, so that a perfect pose scores 30/31.
    """
    curve = torch.stack([pck(errors, valid, threshold) for threshold in AUC_THRESHOLDS_MM])
    return curve.mean(0)


def cps_mm(errors: Tensor, valid: Tensor | None = None) -> Tensor:
    """max(0, 300 mm - largest joint error), (..., J) -> (...), mm.

    The area below 300 mm under the share of poses that have every joint within a threshold,
    for one pose (Wandt et al., CanonPose, CVPR 2021), without alignment.
    """
    if valid is not None:
        errors = torch.where(valid, errors, 0.0)
    score = (CPS_LIMIT_MM - mm(errors.amax(-1).double())).clamp(min=0.0)
    return score if valid is None else score.where(valid.any(-1), torch.nan)


def pose_errors(
    hypotheses: Tensor,
    target: Tensor,
    *,
    root: int,
    weights: Tensor | None = None,
    mode: Tensor | None = None,
    latent_centre: Tensor | None = None,
    valid_joints: Tensor | None = None,
) -> dict[str, Tensor]:
    """All errors of each pose, key of `score --json` -> (M,) float64.

    Args:
        hypotheses: (M, H, J, 3) metres.
        target: (M, J, 3) metres.
        root: index of the joint that `pck150` and `auc` leave out.
        weights: (M, H); the least over hypotheses ignores them, except that a hypothesis of
            weight zero is excluded.
        mode: (M, J, 3) metres, or None where unknown (no `mpjpe_mode_mm` then).
        latent_centre: (M, J, 3) metres, or None.
        valid_joints: (M, J) bool.
    """
    valid = None if valid_joints is None else valid_joints[:, None]
    errors = joint_errors(hypotheses, target[:, None])
    each = masked_mean(errors, valid)
    aligned = pa_mpjpe(hypotheses, target[:, None], valid)
    absent = _absent(weights)
    points = {"mean": weighted_mean(hypotheses, weights), "mode": mode,
              "latent_centre": latent_centre}  # fmt: skip
    least, best = _least(each, absent)
    best_errors, best_valid = _without_root(errors, best, valid_joints, root)
    reach = cps_mm(errors, valid)
    return {
        **{
            f"mpjpe_{name}_mm": mm(mpjpe(point, target, valid_joints))
            for name, point in points.items()
            if point is not None
        },
        "expected_mpjpe_mm": mm(weighted_mean(each[..., None, None], weights).flatten()),
        "min_mpjpe_mm": mm(least),
        "min_pa_mpjpe_mm": mm(_least(aligned, absent)[0]),
        "pck150": pck(best_errors, best_valid),
        "auc": auc(best_errors, best_valid),
        "cps_mm": -_least(-reach, absent)[0],
    }


def _absent(weights: Tensor | None) -> Tensor | None:
    """(M, H) bool, True where a hypothesis has no weight."""
    weights = normalised(weights)
    return None if weights is None else weights == 0


def _least(values: Tensor, absent: Tensor | None) -> tuple[Tensor, Tensor]:
    """The least over present hypotheses of (M, H) and its index; NaN if none has a value."""
    out = values.isnan() if absent is None else absent | values.isnan()
    least, index = values.masked_fill(out, torch.inf).min(1)
    return least.masked_fill(out.all(1), torch.nan), index


def _without_root(
    errors: Tensor, best: Tensor, valid: Tensor | None, root: int
) -> tuple[Tensor, Tensor | None]:
    """Joint errors (M, J-1) of the best hypothesis, and which of the joints are valid."""
    free = [joint for joint in range(errors.shape[-1]) if joint != root]
    chosen = errors[torch.arange(len(errors), device=errors.device), best]
    return chosen[:, free], None if valid is None else valid[:, free]

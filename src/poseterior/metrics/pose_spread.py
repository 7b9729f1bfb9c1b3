"""How far the hypotheses of a pose spread, and how far their mean is from the target.

Two numbers that should agree on average, and what a comparison of them must know: the error of
the mean of H hypotheses is larger than their spread by 1 + 1/H, and H of them give the spread
with some noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.metrics.weighted import hypotheses_last, normalised

__all__ = ["PoseSpread", "left_out", "pose_spread"]


@dataclass(frozen=True, eq=False)
class PoseSpread:
    """Spread and error of K joints, and in the last column of the pose: the joints' mean.

    NaN for a joint that is not valid, and a pose without one; float64, on the CPU.

    Attributes:
        variance: (M, K + 1) metres², the unbiased trace of the covariance.
        error: (M, K + 1) metres², squared distance of the mean from the target.
        noise: (M, K + 1) metres⁴, variance of `variance` over draws of the hypotheses.
        excess: (M,), sum w² of the weights, 1/H: a right posterior has E error =
            (1 + excess) E variance.
    """

    variance: Tensor
    error: Tensor
    noise: Tensor
    excess: Tensor

    @property
    def joint_distance(self) -> Tensor:
        """Distance of each joint's mean from its target, (M, K) metres."""
        return self.error[:, :-1].sqrt()


def pose_spread(
    hypotheses: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    valid_joints: Tensor | None = None,
) -> PoseSpread:
    """Spread of hypotheses (M, H, K, 3) and error of their mean, target (M, K, 3), metres.

    Variance and noise are NaN for one hypothesis.

    >>> pair = torch.tensor([[[[0.3, 0, 0]], [[-0.3, 0, 0]]]])
    >>> found = pose_spread(pair, torch.tensor([[[0.0, 0.1, 0]]]))
    >>> found.variance[0].tolist(), found.error[0].tolist()
    ([0.18..., 0.18...], [0.01..., 0.01...])
    """
    poses, count = hypotheses.shape[:2]
    chances = normalised(weights)
    if chances is None:
        chances = torch.full(
            (poses, count), 1 / count, dtype=torch.float64, device=hypotheses.device
        )
    columns = hypotheses_last(hypotheses).permute(0, 2, 3, 1)
    column_chances = chances.to(columns)[:, None, :, None]
    mean = columns @ column_chances
    error = (mean[..., 0] - target).double().square().sum(-1)
    squares = (columns - mean).square_().sum(2)
    squares, error = _with_pose(squares, valid_joints), _with_pose(error, valid_joints)
    variance, fourth = (
        (values @ column_chances[:, 0]).squeeze(-1).double()
        for values in (squares, squares.square())
    )
    excess = chances.square().sum(-1)
    # One hypothesis that has all the weight is a point without spread; one alone tells nothing.
    lost = (1 - excess).where((chances > 0).sum(-1) > 1, 1.0 if count > 1 else torch.nan)
    noise = (fourth - variance.square()) * excess[:, None] / lost[:, None] ** 2
    return PoseSpread(*(v.cpu() for v in (variance / lost[:, None], error, noise, excess)))


def _with_pose(values: Tensor, valid: Tensor | None) -> Tensor:
    """Values (M, K, ...) of joints, NaN where not valid, and their mean as one more row."""
    if valid is not None:
        kept = valid.reshape(*valid.shape, *[1] * (values.dim() - 2))
        values = values.where(kept, torch.nan)
    return torch.cat([values, values.nanmean(1, keepdim=True)], dim=1)


def left_out(
    hypotheses: Tensor,
    spread: PoseSpread,
    generator: torch.Generator,
    valid_joints: Tensor | None = None,
) -> PoseSpread | None:
    """The same, had a random hypothesis been the target: what a right posterior would show.

    The hypothesis is left out of spread and mean. Of equal weights only: a draw with weights
    is no draw of the posterior. None below three hypotheses.

    Args:
        hypotheses: (M, H, K, 3) metres.
        spread: of the same poses, from `pose_spread` at equal weights.
        generator: of the choice.
        valid_joints: (M, K) bool.
    """
    poses, count = hypotheses.shape[:2]
    if count < 3:
        return None
    chosen = torch.randint(count, (poses,), generator=generator)
    mean = hypotheses.mean(1, dtype=torch.float64)
    squares = (hypotheses[torch.arange(poses), chosen] - mean).square().sum(-1)
    offset = _with_pose(squares, valid_joints).cpu()
    rest = (count - 1) * spread.variance - count / (count - 1) * offset
    return PoseSpread(
        variance=(rest / (count - 2)).clamp(min=0.0),
        error=offset * (count / (count - 1)) ** 2,
        noise=spread.noise,
        excess=torch.full_like(spread.excess, 1 / (count - 1)),
    )

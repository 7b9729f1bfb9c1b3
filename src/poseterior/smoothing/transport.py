"""Move hypotheses so that their mean and covariance become others.

The map of each joint is the optimal transport between two Gaussians (Peyre and Cuturi,
Computational optimal transport, 2019, remark 2.31): h -> m' + A (h - m) with

    A = R^(-1/2) (R^(1/2) P R^(1/2))^(1/2) R^(-1/2),

of all maps that turn the covariance R into P the one that moves hypotheses least. It is affine:
tails, modes and skewness keep their shape. All joints of a hypothesis move together, each by its
own map, so that the dependence between joints stays nearly as it was.
"""

from __future__ import annotations

from torch import Tensor

from poseterior.smoothing.measurement import symmetric_root

__all__ = ["transport"]


def transport(hypotheses: Tensor, old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]) -> Tensor:
    """Hypotheses (M, H, J, 3) moved from the mean and covariance `old` to those of `new`.

    Args:
        hypotheses: metres.
        old: mean (M, J, 3) and positive definite covariance (M, J, 3, 3), float64.
        new: as `old`.

    Returns:
        (M, H, J, 3), of the hypotheses' own type.
    """
    root, inverse = symmetric_root(old[1])
    turned = inverse @ symmetric_root(root @ new[1] @ root)[0] @ inverse
    offset = hypotheses.double() - old[0][:, None]
    # (M, J, H, 3): one small matrix for all hypotheses of a joint.
    moved = offset.transpose(1, 2) @ turned.mT
    return (new[0][:, None] + moved.transpose(1, 2)).to(hypotheses.dtype)

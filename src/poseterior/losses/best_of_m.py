"""The best-of-M loss and its generalisation to the mean of the k best hypotheses."""

from __future__ import annotations

from torch import Tensor

from poseterior.errors import require

__all__ = ["best_of_m"]


def best_of_m(hypotheses: Tensor, target: Tensor, k: int) -> Tensor:
    """Mean absolute error of the coordinates of the mean of the k best hypotheses.

    L_MB = |x - 1/k sum of H_topk|_1, H_topk the k hypotheses with the lowest MPJPE (paper 001,
    Eq. 8). The norm is averaged over coordinates and the batch, as in the authors' code.

    Args:
        hypotheses: (H, B, J, 3) metres.
        target: (B, J, 3) metres.
        k: 1 for best-of-M; H compares the mean of all. `InputError` unless 1 <= k <= H.
    """
    count = len(hypotheses)
    require(1 <= k <= count, "best_of_m", "k", expected=f"1 to {count}", found=k)
    error = (hypotheses.detach() - target).norm(dim=-1).mean(-1)
    best = error.topk(k, dim=0, largest=False).indices[..., None, None]
    chosen = hypotheses.gather(0, best.expand(-1, -1, *target.shape[-2:]))
    return (target - chosen.mean(0)).abs().mean()

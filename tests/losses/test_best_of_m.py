"""Best-of-M against its two extremes and a loop."""

from __future__ import annotations

import pytest
import torch

from poseterior.errors import InputError
from poseterior.losses.best_of_m import best_of_m


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_one_is_the_best_hypothesis_and_all_is_the_mean() -> None:
    hypotheses, target = draw(8, 5, 3, 3), draw(5, 3, 3, seed=1)
    mpjpe = (hypotheses - target).norm(dim=-1).mean(-1)
    best = torch.stack([hypotheses[mpjpe[:, b].argmin(), b] for b in range(5)])
    torch.testing.assert_close(best_of_m(hypotheses, target, 1), (best - target).abs().mean())
    mean = (hypotheses.mean(0) - target).abs().mean()
    torch.testing.assert_close(best_of_m(hypotheses, target, 8), mean)


def test_the_best_are_those_of_low_mpjpe_each_pose_for_itself() -> None:
    # Along x, from the target at 0: |1|, |-2|, |4| for the first pose, |4|, |1|, |-2| for the next.
    x = torch.tensor([[1.0, 4.0], [-2.0, 1.0], [4.0, -2.0]])
    hypotheses = torch.zeros(3, 2, 1, 3)
    hypotheses[..., 0, 0] = x
    # The two best are at 1 and -2, their mean at -0.5; a third of the coordinates is x.
    assert best_of_m(hypotheses, torch.zeros(2, 1, 3), 2).item() == pytest.approx(0.5 / 3)


def test_only_the_best_have_a_gradient() -> None:
    hypotheses = draw(6, 2, 3, 3).requires_grad_()
    best_of_m(hypotheses, draw(2, 3, 3, seed=1), 2).backward()
    assert hypotheses.grad is not None
    assert (hypotheses.grad.flatten(2).any(-1).sum(0) == 2).all()


@pytest.mark.parametrize("k", [0, 7])
def test_more_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(InputError, match="1 to 6"):
        best_of_m(draw(6, 2, 3, 3), draw(2, 3, 3), k)

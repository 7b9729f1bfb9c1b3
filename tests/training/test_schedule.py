from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poseterior.training.schedule import learning_rate_factor


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_cosine_is_torchs(final):
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20, eta_min=final)
    for step in range(21):
        ours = learning_rate_factor(step, 21, "cosine", final_fraction=final)
        assert ours == pytest.approx(torchs.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        torchs.step()


def test_step_is_torchs_multi_step():
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    torchs = torch.optim.lr_scheduler.MultiStepLR(optimiser, [10, 15], gamma=0.2)
    for step in range(21):
        ours = learning_rate_factor(step, 21, "step", decay_at=(0.5, 0.75), decay_by=0.2)
        assert ours == pytest.approx(torchs.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        torchs.step()


@given(st.integers(1, 50), st.integers(0, 60), st.sampled_from(["constant", "cosine", "step"]))
def test_warm_up_rises_then_never_rises_again(steps, warmup, schedule):
    rates = [
        learning_rate_factor(s, steps, schedule, warmup_steps=warmup, decay_at=(0.3, 0.9))
        for s in range(steps)
    ]
    assert all(0 <= r <= 1 for r in rates)
    rising, falling = rates[: warmup + 1], rates[warmup:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)

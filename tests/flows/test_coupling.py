"""Couplings invert, and their log-determinants are those of the Jacobian."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from poseterior.flows.coupling import ConditionalAffine, SoftClampedCoupling, soft_clamp


def _randomised(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        with torch.no_grad():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module


TRANSFORMS = {
    "affine": lambda: ConditionalAffine(6, 4),
    "first": lambda: SoftClampedCoupling(6, 4, 16, 2, 2.0, True),
    "second": lambda: SoftClampedCoupling(7, 4, 16, 1, 2.0, False),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_log_determinant_is_that_of_the_jacobian(name):
    lazy = _randomised(TRANSFORMS[name]())
    size = 7 if name == "second" else 6
    generator = torch.Generator().manual_seed(1)
    context, x = torch.randn(4, generator=generator), torch.randn(size, generator=generator)
    transform = lazy(context)
    jacobian = torch.autograd.functional.jacobian(transform, x)
    z, log_det = transform.call_and_ladj(x)
    assert log_det.item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-5)
    assert torch.allclose(transform.inv(z), x, atol=1e-5)


def test_an_untrained_coupling_is_the_identity():
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    z, log_det = SoftClampedCoupling(6, 4, 16, 2, 2.0, True)(torch.ones(3, 4)).call_and_ladj(x)
    assert torch.equal(z, x)
    assert (log_det == 0).all()


def test_soft_clamp_is_bounded_monotone_and_has_the_published_slope():
    scale = torch.linspace(-1e6, 1e6, 10_001)
    clamped = soft_clamp(scale, 2.0)
    assert clamped.abs().max() <= 2.0
    assert (clamped.diff() >= 0).all()
    small = torch.tensor(1e-4)
    assert (soft_clamp(small, 2.0) / small).item() == pytest.approx(2 / math.pi, rel=1e-4)

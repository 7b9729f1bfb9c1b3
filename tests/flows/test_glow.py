"""The Glow inverts, has the log-determinant of its Jacobian, and is what nflows computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from poseterior.flows.glow import ActNormLinear, AdditiveCoupling, ConditionalGlow

CONTEXT, BATCH = 5, 3


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randomised(module: nn.Module) -> nn.Module:
    """The module in evaluation mode with random weights and batch statistics."""
    with torch.no_grad():
        for value in module.parameters():
            value += 0.3 * torch.randn(value.shape, generator=rng(value.numel()))
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d):
                part.running_mean.normal_(generator=rng(1))
                part.running_var.uniform_(0.5, 2, generator=rng(2))
    return module.eval()


def glow(features: int = 6, **options: Any) -> ConditionalGlow:
    return randomised(ConditionalGlow(features, CONTEXT, steps=3, hidden=16, **options))


TRANSFORMS = {
    "linear": lambda size: ActNormLinear(size),
    "even": lambda size: AdditiveCoupling(size, CONTEXT, 16, 2, 0.0, False, even=True),
    "odd": lambda size: AdditiveCoupling(size, CONTEXT, 16, 2, 0.0, True, even=False),
    "glow": lambda size: ConditionalGlow(size, CONTEXT, 3, 16),
}


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_log_determinant_is_that_of_the_jacobian(name: str, size: int) -> None:
    lazy = randomised(TRANSFORMS[name](size))
    context, x = torch.randn(1, CONTEXT, generator=rng(1)), torch.randn(1, size, generator=rng(2))
    transform = lazy(context)
    jacobian = torch.autograd.functional.jacobian(transform, x)[0, :, 0]
    z, log_det = transform.call_and_ladj(x)
    assert log_det.item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-4)
    assert torch.allclose(transform.inv(z), x, atol=1e-4)


@pytest.mark.parametrize("even", [True, False])
def test_a_coupling_keeps_every_other_dimension_and_moves_the_rest(even: bool) -> None:
    lazy = randomised(AdditiveCoupling(7, CONTEXT, 16, 2, 0.0, False, even))
    x = torch.randn(BATCH, 7, generator=rng())
    moved = (lazy(torch.ones(BATCH, CONTEXT))(x) != x).all(0)
    assert moved.tolist() == [(i % 2 == 1) == even for i in range(7)]


def test_log_determinant_does_not_depend_on_the_input() -> None:
    contexts, x = torch.randn(2, 9, CONTEXT, generator=rng()), torch.randn(9, 6, generator=rng(1))
    flow = glow()
    near, far = flow(contexts[0]).call_and_ladj(x)[1], flow(contexts[1]).call_and_ladj(50 * x)[1]
    assert len(torch.cat([near, far]).unique()) == 1


@pytest.mark.parametrize("batch_norm", [False, True])
def test_folded_inversion_is_the_plain_one(batch_norm: bool) -> None:
    flow = glow(batch_norm=batch_norm)
    transform = flow(torch.randn(BATCH, CONTEXT, generator=rng()))
    z = torch.randn(10, BATCH, 6, generator=rng(1))
    wanted = transform.inv(z)
    invert = transform.inverter(z)
    assert torch.allclose(invert(z.clone(), slice(None)), wanted, atol=1e-4)
    one = invert(z[:4, 1:2].clone(), slice(1, 2))
    assert torch.allclose(one, wanted[:4, 1:2], atol=1e-4)


def test_folded_matrices_are_each_others_inverses() -> None:
    linear = randomised(ActNormLinear(6))
    (weight, bias), (back, offset) = linear.folded(), linear.folded_inverse()
    assert torch.allclose(back @ weight, torch.eye(6), atol=1e-4)
    assert torch.allclose(back @ bias + offset, torch.zeros(6), atol=1e-4)


def test_initialisation_standardises_the_first_batch_once() -> None:
    flow = ConditionalGlow(6, CONTEXT, steps=3, hidden=16)
    x = 0.2 * torch.randn(500, 6, generator=rng()) + torch.arange(6.0)
    context = torch.randn(500, CONTEXT, generator=rng(1))
    flow.initialise(x)
    z = flow(context)(x)
    assert torch.allclose(z.mean(0), torch.zeros(6), atol=1e-3)
    assert torch.allclose(z.std(0), torch.ones(6), atol=1e-2)
    flow.initialise(10 * x)
    assert torch.equal(flow(context)(x), z)


def test_initialisation_is_remembered_by_the_weights() -> None:
    first, second = (ConditionalGlow(6, CONTEXT, steps=1, hidden=8) for _ in range(2))
    first.initialise(torch.randn(20, 6, generator=rng()))
    second.load_state_dict(first.state_dict())
    second.initialise(5 + torch.randn(20, 6, generator=rng(1)))
    assert torch.equal(second.linears[0].shift, first.linears[0].shift)


def test_a_dimension_without_spread_stays_finite() -> None:
    flow = ConditionalGlow(4, CONTEXT, steps=1, hidden=8)
    flow.initialise(torch.ones(1, 4))
    z, log_det = flow(torch.ones(1, CONTEXT)).call_and_ladj(torch.ones(1, 4))
    assert z.isfinite().all()
    assert log_det.isfinite().all()


# The same by nflows, built as the paper's implementation builds it.


def nflows_glow(flow: ConditionalGlow, batch_norm: bool) -> Any:
    """A transform of nflows' own parts with the weights of a Glow of ours."""
    transforms = pytest.importorskip("nflows.transforms")
    nets = pytest.importorskip("nflows.nn.nets")
    size, hidden = len(flow.linears[0].bias), flow.couplings[0].inner.out_features
    mask = torch.ones(size)
    mask[::2] = -1

    def network(inputs: int, outputs: int) -> nn.Module:
        return nets.ResidualNet(inputs, outputs, hidden, CONTEXT, 2, use_batch_norm=batch_norm)

    parts: list[nn.Module] = []
    for linear, coupling in zip(flow.linears, flow.couplings, strict=True):
        parts += [transforms.ActNorm(size), transforms.LULinear(size)]
        parts.append(transforms.AdditiveCouplingTransform(mask, network))
        copy_linear(parts[-3], parts[-2], linear)
        copy_network(parts[-1].transform_net, coupling)
        mask = -mask
    return transforms.CompositeTransform(parts).eval()


@torch.no_grad()
def copy_linear(norm: Any, lu: Any, linear: ActNormLinear) -> None:
    norm.log_scale.copy_(linear.log_scale)
    norm.shift.copy_(linear.shift)
    lu.lower_entries.copy_(linear.factors[lu.lower_indices])
    lu.upper_entries.copy_(linear.factors[lu.upper_indices])
    lu.unconstrained_upper_diag.copy_(linear.factors.diagonal())
    lu.bias.copy_(linear.bias)


@torch.no_grad()
def copy_network(net: Any, coupling: AdditiveCoupling) -> None:
    """Theirs joins input and context; ours has the context's layers of all blocks in one."""
    weights = coupling.context.weight.chunk(3)
    biases = coupling.context.bias.chunk(3)
    net.initial_layer.weight.copy_(torch.cat([coupling.inner.weight, weights[0]], 1))
    net.initial_layer.bias.copy_(biases[0])
    layers = zip(net.blocks, coupling.blocks, weights[1:], biases[1:], strict=True)
    for theirs, ours, weight, bias in layers:
        theirs.context_layer.weight.copy_(weight)
        theirs.context_layer.bias.copy_(bias)
        for kind, name in ((nn.Linear, "linear_layers"), (nn.BatchNorm1d, "batch_norm_layers")):
            for k, layer in enumerate(part for part in ours if isinstance(part, kind)):
                getattr(theirs, name)[k].load_state_dict(layer.state_dict())
    net.final_layer.load_state_dict(coupling.last.state_dict())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_equals_nflows_with_the_same_weights(batch_norm: bool) -> None:
    flow = glow(batch_norm=batch_norm)
    theirs = nflows_glow(flow, batch_norm)
    context = torch.randn(BATCH, CONTEXT, generator=rng(1))
    x = torch.randn(BATCH, 6, generator=rng(2))
    z, log_det = flow(context).call_and_ladj(x)
    wanted, wanted_log_det = theirs(x, context)
    assert torch.allclose(z, wanted, atol=1e-4)
    assert torch.allclose(log_det, wanted_log_det, atol=1e-4)

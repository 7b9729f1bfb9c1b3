"""Graph flows: invertible, exact log-determinants, sums over edges, equal under relabelling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from poseterior.flows.graph import GraphContext, GraphCoupling, GraphFlow, adjacency, gather

NODES, DIMENSIONS, CONTEXT, HIDDEN, LAYERS = 5, 3, 4, 7, 5
FEATURES = NODES * DIMENSIONS
EDGES = [(0, 1), (1, 2), (3, 1)]  # node 4 has no neighbour: only the root reaches it


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    """In double precision, with weights that are far from zero."""
    generator = rng()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return module.double()


def flow(
    labelled: bool = True, unit: float = 0.25, edges: list[tuple[int, int]] = EDGES
) -> GraphFlow:
    neighbours = adjacency(edges, NODES)
    return randomised(
        GraphFlow(neighbours, DIMENSIONS, CONTEXT, HIDDEN, LAYERS, labelled, unit, 0.5)
    )


def contexts(batch: int, seed: int = 1) -> GraphContext:
    return GraphContext(
        torch.randn(NODES, batch, CONTEXT, generator=rng(seed), dtype=torch.float64),
        torch.randn(batch, CONTEXT, generator=rng(seed + 1), dtype=torch.float64),
    )


def nodes(vectors: Tensor) -> Tensor:
    """(S, B, N * D) -> (N, S, B, D)."""
    return vectors.unflatten(-1, (NODES, DIMENSIONS)).permute(2, 0, 1, 3)


def data(*shape: int) -> Tensor:
    return 0.3 * torch.randn(*shape, FEATURES, generator=rng(3), dtype=torch.float64)


@pytest.mark.parametrize("with_context", [True, False], ids=["posterior", "prior"])
@pytest.mark.parametrize("labelled", [True, False])
def test_log_determinant_is_that_of_the_jacobian(with_context, labelled):
    transform = flow(labelled)(contexts(1) if with_context else None)
    x = data(1)
    jacobian = torch.autograd.functional.jacobian(transform, x)[0, :, 0]
    _, log_det = transform.call_and_ladj(x)
    assert log_det.item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-9)


@pytest.mark.parametrize("with_context", [True, False], ids=["posterior", "prior"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_inverts_for_any_number_of_samples(shape, with_context):
    transform = flow()(contexts(4) if with_context else None)
    x = data(*shape)
    z, log_det = transform.call_and_ladj(x)
    assert z.shape == x.shape
    assert log_det.shape == shape
    assert (z - x).abs().max() > 0.1
    assert torch.allclose(transform.inv(z), x, atol=1e-9)


def test_samples_and_contexts_are_paired_along_the_last_axis():
    x, context = data(3, 4), contexts(4)
    z, log_det = flow()(context).call_and_ladj(x)
    for row in range(4):
        alone = flow()(context[row : row + 1])
        z_row, log_det_row = alone.call_and_ladj(x[:, row : row + 1])
        assert torch.allclose(z_row, z[:, row : row + 1])
        assert torch.allclose(log_det_row, log_det[:, row : row + 1])


def test_the_fast_inverse_is_the_inverse_for_a_slice_of_the_contexts():
    transform, z = flow()(contexts(6)), data(7, 6)
    invert = transform.inverter(z)
    for rows in (slice(0, 2), slice(2, 6)):
        wanted = transform.inv(z)[:, rows]
        assert torch.allclose(invert(z[:, rows].clone(), rows), wanted, atol=1e-12)


def test_an_untrained_coupling_scales_every_node_alike():
    coupling = GraphCoupling(1, DIMENSIONS, HIDDEN)
    x = torch.randn(NODES, 1, 2, DIMENSIONS, generator=rng())
    nothing = torch.zeros(2, 1, 1, HIDDEN)
    z, log_det = coupling(x, nothing, adjacency(EDGES, NODES))
    scale = 1 / (1 + math.exp(-2)) + 1e-3
    assert torch.allclose(z, x * torch.tensor([1.0, scale, 1.0]))
    assert torch.allclose(log_det, torch.full((1, 2), NODES * math.log(scale)))


def test_a_coupling_maps_its_own_dimension_affinely_and_the_others_alike_at_every_node():
    made = flow()
    assert [c.dimension for c in made.couplings] == [i % DIMENSIONS for i in range(LAYERS)]
    coupling, neighbours = made.couplings[1], adjacency(EDGES, NODES).double()
    x, received = nodes(data(1, 1)), made.received(None)[:, 1]
    step = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    first, second, third = (coupling(x + k * step, received, neighbours)[0] for k in range(3))
    assert torch.allclose(third - second, second - first)
    others = x * coupling.log_scale.exp() + coupling.shift
    assert torch.allclose(first[..., [0, 2]], others[..., [0, 2]])
    assert not torch.allclose(first[..., 1], others[..., 1])


def test_gathering_is_a_sum_over_the_neighbours():
    messages = torch.randn(NODES, 2, 3, generator=rng())
    gathered = gather(adjacency(EDGES, NODES), messages)
    wanted = torch.zeros_like(messages)
    for a, b in EDGES:
        wanted[a] += messages[b]
        wanted[b] += messages[a]
    assert torch.allclose(gathered, wanted, atol=1e-6)


def relu(x: list[float]) -> list[float]:
    return [max(0.0, a) for a in x]


def product(rows: Tensor, x: list[float], bias: Tensor) -> list[float]:
    return [
        sum(w * a for w, a in zip(row, x, strict=True)) + b
        for row, b in zip(rows.tolist(), bias.flatten().tolist(), strict=True)
    ]


def plus(*vectors: list[float]) -> list[float]:
    return [sum(entries) for entries in zip(*vectors, strict=True)]


def sent_by(senders, context: list[float], which: int) -> tuple[list[float], list[float]]:
    """Messages of both rounds of a context."""
    both = relu(product(senders.first[which].T, context, senders.first_bias[which]))
    second = product(senders.second[which].T, both[HIDDEN:], senders.second_bias[which])
    return both[:HIDDEN], relu(second)


def by_loops(made: GraphFlow, which: int, x: Tensor, context: GraphContext) -> list[list[float]]:
    """(logit, shift) of every node: plain sums over nodes and edges, one number at a time."""
    coupling = made.couplings[which]
    weight = coupling.first.detach().clone()
    weight[:, coupling.dimension] = 0
    hidden = [product(weight, x[n].tolist(), coupling.bias[n]) for n in range(NODES)]
    outside = [sent_by(made.contexts, context.nodes[n, 0].tolist(), which) for n in range(NODES)]
    root = sent_by(made.root, context.root[0].tolist(), which)
    for turn in range(2):
        own, sent = [relu(h[:HIDDEN]) for h in hidden], [relu(h[HIDDEN:]) for h in hidden]
        total = [plus(own[n], outside[n][turn], root[turn]) for n in range(NODES)]
        for a, b in EDGES:
            total[a], total[b] = plus(total[a], sent[b]), plus(total[b], sent[a])
        hidden = [product(coupling.second.weight, t, coupling.second.bias) for t in total]
    return [product(coupling.last.weight, t, coupling.last.bias) for t in total]


@pytest.mark.parametrize("which", [0, 1])
def test_messages_are_those_of_a_loop_over_edges(which):
    made, context, x = flow(), contexts(1), nodes(data(1, 1))
    received = made.received(context)[:, which]
    scale, shift = made.couplings[which].scale_and_shift(x, received, made.neighbours)
    wanted = torch.tensor(by_loops(made, which, x[:, 0, 0], context), dtype=torch.float64)
    assert torch.allclose(scale.flatten(), wanted[:, 0].add(2).sigmoid() + 1e-3, atol=1e-10)
    assert torch.allclose(shift.flatten(), wanted[:, 1], atol=1e-10)


@pytest.mark.parametrize("labelled", [True, False])
def test_relabelling_the_nodes_relabels_the_latents(labelled):
    order = torch.tensor([3, 0, 4, 2, 1])
    place = order.argsort().tolist()
    first = flow(labelled)
    second = flow(labelled, edges=[(place[a], place[b]) for a, b in EDGES])
    if labelled:
        for coupling in second.couplings:
            coupling.bias.data = coupling.bias.data[order]
    context, x = contexts(4), data(4)
    moved = GraphContext(context.nodes[order], context.root)
    relabelled = x.unflatten(-1, (NODES, DIMENSIONS))[:, order].flatten(-2)
    z, log_det = first(context).call_and_ladj(x)
    z_moved, log_det_moved = second(moved).call_and_ladj(relabelled)
    assert torch.allclose(z_moved, z.unflatten(-1, (NODES, DIMENSIONS))[:, order].flatten(-2))
    assert torch.allclose(log_det_moved, log_det)


def test_only_labels_tell_apart_nodes_that_the_graph_does_not():
    swapped = data(2).unflatten(-1, (NODES, DIMENSIONS))
    x, swapped = swapped.flatten(-2), swapped[:, [0, 1, 3, 2, 4]].flatten(-2)
    for labelled in (True, False):
        density = [flow(labelled)(None).call_and_ladj(a)[1] for a in (x, swapped)]
        # Swapped are 2 and 3, which hang from node 1 alone.
        assert torch.allclose(*density) is not labelled


def test_without_a_context_every_weight_of_contexts_is_unused():
    made, x = flow(), data(3)
    before = made(None).call_and_ladj(x)
    with torch.no_grad():
        for parameter in (*made.contexts.parameters(), made.root.first):
            parameter.add_(torch.randn(parameter.shape, generator=rng(8)))
    after = made(None).call_and_ladj(x)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_context_of_zeros_still_sends_at_the_nodes_and_the_root_sends_the_same():
    made = flow()
    zeros = GraphContext(torch.zeros(NODES, 1, CONTEXT), torch.zeros(1, CONTEXT))
    zeros = GraphContext(zeros.nodes.double(), zeros.root.double())
    from_nodes = made.received(zeros) - made.received(None)
    assert torch.allclose(from_nodes, made.contexts.constant()[..., None, :], atol=1e-12)
    assert (from_nodes > 0).any()


def test_the_root_is_heard_everywhere_and_a_context_at_its_node_and_the_next():
    made, x, context = flow(), nodes(data(1, 1)), contexts(1)

    def shift(of: GraphContext) -> Tensor:
        received = made.received(of)[:, 0]
        return made.couplings[0].scale_and_shift(x, received, made.neighbours)[1].flatten()

    moved = context.nodes.clone()
    moved[0] += 1
    changed = (shift(GraphContext(moved, context.root)) - shift(context)).abs() > 1e-9
    assert changed.tolist() == [True, True, False, False, False]
    changed = (shift(GraphContext(context.nodes, context.root + 1)) - shift(context)).abs() > 1e-9
    assert changed.all()

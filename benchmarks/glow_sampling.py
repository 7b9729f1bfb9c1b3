"""How fast `glow` samples, beside the same architecture made of nflows' own modules.

    python benchmarks/glow_sampling.py [--poses 16] [--hypotheses 200] [--hidden 256 1024]
                                       [--repeats 5] [--threads N]

nflows' flow is built as the implementation of paper 002 builds it (actnorm, LU-factored
linear map, additive coupling with a residual network, four times) and samples by
`Flow.sample(hypotheses, context)`. Ours is `posterior.sample`. Contexts are given to both;
neither is trained, which changes no cost. Both take turns; medians of wall and processor
time are printed, and how many times as fast ours is.

- whole: nflows with all poses at once.
- chunks: nflows with few poses at a time, as many hypotheses as ours takes: kinder to caches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.nn.nets import ResidualNet
from nflows.transforms import ActNorm, AdditiveCouplingTransform, CompositeTransform, LULinear
from torch import Tensor, nn

from poseterior.flows.glow import ConditionalGlow
from poseterior.geometry.skeleton import H36M_17
from poseterior.lifters.glow import GlowPosterior

ROWS = 1600
STEPS, BLOCKS = 4, 2
SIZE = 3 * (len(H36M_17) - 1)


def nflows_glow(context: int, hidden: int) -> Flow:
    """The flow of the paper's implementation by nflows' modules, in evaluation mode."""

    def network(inputs: int, outputs: int) -> nn.Module:
        return ResidualNet(inputs, outputs, hidden, context, BLOCKS, use_batch_norm=True)

    mask = torch.ones(SIZE)
    mask[::2] = -1
    parts: list[nn.Module] = []
    for k in range(STEPS):
        coupling = AdditiveCouplingTransform((-1) ** k * mask, network)
        parts += [ActNorm(SIZE), LULinear(SIZE), coupling]
    return Flow(CompositeTransform(parts), StandardNormal([SIZE])).eval()


def sample_in_chunks(flow: Flow, contexts: Tensor, hypotheses: int) -> list[Tensor]:
    """Samples by nflows of a few poses at a time."""
    return [flow.sample(hypotheses, some) for some in contexts.split(max(1, ROWS // hypotheses))]


def sample_ours(flow: ConditionalGlow, contexts: Tensor, hypotheses: int) -> Tensor:
    """Our samples, with what depends on the context computed anew."""
    rotation = torch.eye(3).expand(len(contexts), 3, 3)
    posterior = GlowPosterior(flow(contexts), rotation, torch.ones(len(contexts)), H36M_17)
    return posterior.sample((hypotheses,))


def measure(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Median (wall, processor) seconds of ways that take turns, after one unmeasured turn."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            wall, processor = time.perf_counter(), time.process_time()
            way()
            taken[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {
        name: tuple(statistics.median(each) for each in zip(*pairs[1:], strict=True))
        for name, pairs in taken.items()
    }


def compare(hidden: int, given: argparse.Namespace) -> None:
    """Print times and ratios for one width, which the context has too."""
    torch.manual_seed(0)
    contexts = torch.randn(given.poses, hidden)
    theirs = nflows_glow(hidden, hidden)
    ours = ConditionalGlow(SIZE, hidden, STEPS, hidden, BLOCKS, batch_norm=True).eval()
    medians = measure(
        {
            "ours": lambda: sample_ours(ours, contexts, given.hypotheses),
            "nflows, whole": lambda: theirs.sample(given.hypotheses, contexts),
            "nflows, chunks": lambda: sample_in_chunks(theirs, contexts, given.hypotheses),
        },
        given.repeats,
    )
    print(f"{hidden} channels          wall ms  processor ms  ours is faster by (wall, processor)")
    for name, (wall, processor) in medians.items():
        ratios = [b / a for a, b in zip(medians["ours"], (wall, processor), strict=True)]
        times = f"{1e3 * wall:9.1f} {1e3 * processor:13.1f}"
        print(f"  {name:16s} {times}          {ratios[0]:.2f}  {ratios[1]:.2f}")


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--poses", type=int, default=16)
    parser.add_argument("--hypotheses", type=int, default=200)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    """Print times and ratios."""
    given = options()
    if given.threads:
        torch.set_num_threads(given.threads)
    print(f"nflows {version('nflows')}, torch {torch.__version__}")
    print(f"{given.poses} poses, {given.hypotheses} hypotheses, {torch.get_num_threads()} threads")
    for hidden in given.hidden:
        compare(hidden, given)


if __name__ == "__main__":
    main()

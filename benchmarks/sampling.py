"""How fast `coupling_flow` samples, beside the matrix products alone and slower ways to do it.

    python benchmarks/sampling.py [--poses 64 256 512] [--hypotheses 200] [--repeats 9]
                                  [--threads N] [--lifter NAME|RUN] [--bfloat16] [--compile]

All ways take turns; medians of wall and processor time are printed, and ratios of the clock
that one thread is judged by (processor time, which other programs disturb less) or several
are (wall time).

- floor: only the matrix products that each hypothesis needs, in chunks of 1600 rows into
  buffers that are there already. Ratios are the floor's time over a way's.
- sample: `posterior.sample`, float32.
- lift: `lifter(keypoints).sample`, so with the network that encodes each pose once.
- whole batch: the same transform by its plain inverse, all hypotheses at once.
- repeated: so too, and conditions computed once per hypothesis.
- FrEIA: a flow of the same layers by that library, if it is installed, conditions repeated.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise

import torch
from torch import Tensor, nn

from poseterior.data.demo_clip import demo_observations
from poseterior.flows.coupling import SoftClampedCoupling, compile_sampling
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition
from poseterior.lifters.coupling_flow import CouplingFlow
from poseterior.posterior import Posterior, insert_root
from poseterior.posteriors import MixturePosterior
from poseterior.training.shipped import open_lifter

ROWS = 1600
Way = Callable[[], object]


def keypoints_of(poses: int) -> Keypoints:
    """Frames of the demo clip, over and over."""
    frames = next(demo_observations().chunks(256)).keypoints
    return frames[torch.arange(poses) % len(frames.pixels)]


def linear_weights(coupling: SoftClampedCoupling) -> list[Tensor]:
    """Weights of the layers that every hypothesis goes through."""
    later = [layer.weight for layer in coupling.outer if isinstance(layer, nn.Linear)]
    return [coupling.inner.weight, *later]


def floor(lifter: CouplingFlow, hypotheses: int) -> Way:
    """The matrix products of that many hypotheses in all, evenly from the members."""
    layers = [[linear_weights(c) for c in member.couplings] for member in lifter.members]
    start = torch.randn(ROWS, 3 * (len(lifter.skeleton) - 1))
    buffers = [torch.empty(ROWS, len(weight)) for weight in layers[0][0]]

    def chunk(couplings: list[list[Tensor]], rows: int) -> None:
        for weights in couplings:
            value = start[:rows, : weights[0].shape[1]]
            for weight, buffer in zip(weights, buffers, strict=True):
                value = torch.mm(value, weight.T, out=buffer[:rows])

    def run() -> None:
        each = hypotheses // len(layers)
        for couplings in layers:
            for first in range(0, each, ROWS):
                chunk(couplings, min(ROWS, each - first))

    return run


def whole_batch(posterior: Posterior, hypotheses: int) -> Tensor:
    """Samples by the plain inverse, conditions once per pose."""
    flows = posterior.components if isinstance(posterior, MixturePosterior) else [posterior]
    each = hypotheses // len(flows)
    size = 3 * (len(posterior.skeleton) - 1)
    drawn = [
        insert_root(f.transform.inv(torch.randn(each, *f.batch_shape, size)), f.skeleton)
        @ f.rotation
        for f in flows
    ]
    return torch.stack(drawn, 1)


def repeated(lifter: CouplingFlow, keypoints: Keypoints, hypotheses: int) -> list[Tensor]:
    """The same with each pose's encoding repeated, so conditions once per hypothesis."""
    features = condition(keypoints, lifter.skeleton).features
    each, size = hypotheses // len(lifter.members), 3 * (len(lifter.skeleton) - 1)
    drawn = []
    for member in lifter.members:
        hook = member.encoder.register_forward_hook(lambda m, a, out: out.repeat(each, 1))
        drawn.append(member(features).inv(torch.randn(each * len(features), size)))
        hook.remove()
    return drawn


def freia(lifter: CouplingFlow) -> nn.Module | None:
    """A flow of FrEIA's with the layers of one member."""
    try:
        from FrEIA.framework import SequenceINN
        from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
    except ImportError:
        return None
    config = lifter.config

    def subnetwork(features: int, outputs: int) -> nn.Module:
        sizes = [features, *[config.hidden] * config.depth]
        hidden = [(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)]
        return nn.Sequential(*sum(hidden, ()), nn.Linear(config.hidden, outputs))

    flow = SequenceINN(3 * (len(lifter.skeleton) - 1))
    for seed in range(config.blocks):
        flow.append(PermuteRandom, seed=seed)
        flow.append(
            GLOWCouplingBlock, cond=0, cond_shape=(config.context,),
            subnet_constructor=subnetwork, clamp=config.alpha,
        )  # fmt: skip
    return flow.eval()


def sample_freia(flow: nn.Module, contexts: Tensor, hypotheses: int, size: int) -> Tensor:
    """Its samples, all at once; the contexts are given."""
    repeated = contexts.repeat(hypotheses, 1)
    return flow(torch.randn(len(repeated), size), c=[repeated], rev=True, jac=False)[0]


def measure(ways: dict[str, Way], repeats: int) -> dict[str, tuple[float, float]]:
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


def print_times(poses: int, medians: dict[str, tuple[float, float]]) -> None:
    """A line for each way."""
    clock = 0 if torch.get_num_threads() > 1 else 1
    print(f"{poses} poses               wall ms  processor ms  of the floor")
    for name, pair in medians.items():
        ratio = medians["floor"][clock] / pair[clock]
        print(f"  {name:20s} {1e3 * pair[0]:8.1f} {1e3 * pair[1]:13.1f} {ratio:13.2f}")


def bfloat16(draw: Callable[..., Tensor], *arguments: object) -> Tensor:
    """What `draw` gives with matrix products in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        return draw(*arguments)


def seeded(lifter: CouplingFlow, keypoints: Keypoints, hypotheses: int) -> Tensor:
    """Hypotheses from noise that is always the same."""
    return lifter(keypoints).sample((hypotheses,), torch.Generator().manual_seed(0))


def print_error(name: str, found: Tensor, exact: Tensor) -> None:
    """How far the joints of the same hypotheses lie apart."""
    apart = 1e3 * (found - exact).norm(dim=-1)
    print(f"{name}: {apart.mean():.2g} mm from float32 on average, {apart.max():.2g} mm at most")


def ways_of(lifters: dict[str, CouplingFlow], poses: int, given: argparse.Namespace) -> Iterator:
    """(name, way) of all that is to be compared."""
    lifter, count = lifters["lift"], given.hypotheses
    keypoints = keypoints_of(poses)
    posterior, flow = lifter(keypoints), freia(lifter)
    contexts = torch.randn(poses, lifter.config.context)
    size = 3 * (len(lifter.skeleton) - 1)
    yield "floor", floor(lifter, poses * count)
    yield "sample", lambda: posterior.sample((count,))
    yield "lift", partial(seeded, lifter, keypoints, count)
    if given.bfloat16:
        yield "lift, bfloat16", partial(bfloat16, seeded, lifter, keypoints, count)
    if "compiled" in lifters:
        yield "lift, compiled", partial(seeded, lifters["compiled"], keypoints, count)
    if not given.only_ours:
        yield "whole batch", partial(whole_batch, posterior, count)
        yield "repeated", partial(repeated, lifter, keypoints, count)
        if flow is not None:
            yield "FrEIA", partial(sample_freia, flow, contexts, count, size)


def print_errors(lifters: dict[str, CouplingFlow], given: argparse.Namespace) -> None:
    """What bfloat16 and compilation change."""
    keypoints, count = keypoints_of(given.poses[0]), given.hypotheses
    exact = seeded(lifters["lift"], keypoints, count)
    if given.bfloat16:
        print_error("bfloat16", bfloat16(seeded, lifters["lift"], keypoints, count), exact)
    if "compiled" in lifters:
        start = time.perf_counter()
        found = seeded(lifters["compiled"], keypoints, count)
        print(f"torch.compile: {time.perf_counter() - start:.0f} s before the first samples")
        print_error("torch.compile", found, exact)


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--poses", type=int, nargs="+", default=[64, 256, 512])
    parser.add_argument("--hypotheses", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--lifter", default="coupling_flow")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--only-ours", action="store_true", help="leave the slow ways out")
    return parser.parse_args()


@torch.no_grad()
def main() -> None:
    """Print times, ratios and errors."""
    given = options()
    if given.threads:
        torch.set_num_threads(given.threads)
    lifters = {"lift": open_lifter(given.lifter)}
    if given.compile:
        lifters["compiled"] = copy.deepcopy(lifters["lift"])
        compile_sampling(lifters["compiled"])
    print(f"{given.lifter}: {lifters['lift'].config}, torch {torch.__version__}")
    print(f"{given.hypotheses} hypotheses, {torch.get_num_threads()} threads")
    try:
        print(f"FrEIA {version('FrEIA')}")
    except PackageNotFoundError:
        print("FrEIA is not installed")
    print_errors(lifters, given)
    for poses in given.poses:
        print_times(poses, measure(dict(ways_of(lifters, poses, given)), given.repeats))


if __name__ == "__main__":
    main()

"""How fast a training step of `cinn` is, beside the same network built with FrEIA.

    python benchmarks/cinn_step.py [--preset paper] [--batch 64] [--hypotheses 200]
                                   [--repeats 5] [--threads N] [--bfloat16]

A step is the losses of the invertible network (the critic's are the same code in both), the
backward pass and an update by Adam. All ways take turns; medians of wall and processor time
are printed, and FrEIA's time over each way's by the clock that one thread is judged by
(processor time, which other programs disturb less) or several are (wall time).

- ours: the condition enters each first layer once per pose, hypotheses in chunks.
- FrEIA: its coupling blocks, encoded conditions repeated, all hypotheses at once.
- FrEIA, chunks: the same in our chunks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
from sampling import keypoints_of, measure
from torch import Tensor, nn

from poseterior.keypoints import Keypoints
from poseterior.lifters.cinn import Cinn, CinnConfig

Way = Callable[[], object]


class Given:
    """FrEIA's network for a batch of contexts, with the two calls that `Cinn` makes of a chain."""

    def __init__(self, flow: SequenceINN, context: Tensor) -> None:
        self.flow, self.context = flow, context

    def __call__(self, x: Tensor) -> Tensor:
        return self.flow(x, c=[self.context], jac=False)[0]

    def inv(self, state: Tensor) -> Tensor:
        """Poses of states (N, B, D)."""
        repeated = self.context.repeat(len(state), 1)
        poses = self.flow(state.flatten(0, 1), c=[repeated], rev=True, jac=False)[0]
        return poses.unflatten(0, state.shape[:2])


class FreiaBijection(nn.Module):
    """The bijection of a config by FrEIA."""

    def __init__(self, config: CinnConfig, size: int) -> None:
        super().__init__()

        def subnetwork(features: int, outputs: int) -> nn.Module:
            hidden = config.hidden
            return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

        self.flow = SequenceINN(size)
        for seed in range(config.blocks):
            self.flow.append(
                GLOWCouplingBlock, cond=0, cond_shape=(config.context,),
                subnet_constructor=subnetwork, clamp=config.alpha,
            )  # fmt: skip
            self.flow.append(PermuteRandom, seed=seed)

    def forward(self, context: Tensor) -> Given:
        return Given(self.flow, context)


class ChunkedFreia(Cinn):
    """`cinn` on FrEIA's network."""

    def __init__(self, config: CinnConfig) -> None:
        super().__init__(config)
        self.bijection = FreiaBijection(config, 3 * len(self.skeleton))


class Freia(ChunkedFreia):
    """The same with all hypotheses at once."""

    def _invert(self, latents: Tensor, points: Tensor, context: Tensor) -> Tensor:
        state = torch.cat([points.expand(len(latents), -1, -1), latents], -1)
        return self.bijection(context).inv(state).unflatten(-1, (len(self.skeleton), 3))


def step(lifter: Cinn, keypoints: Keypoints, pose: Tensor, bfloat16: bool) -> Way:
    """One training step, always on the same batch."""
    critic = {id(p) for p in lifter.critic_parameters()}
    own = [p for p in lifter.parameters() if id(p) not in critic]
    optimiser = torch.optim.Adam(own, lr=1e-6, betas=(0.5, 0.9), fused=True)

    def run() -> None:
        generator = torch.Generator().manual_seed(0)
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
            terms = lifter.losses(keypoints, pose, generator)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()

    return run


def ways_of(config: CinnConfig, given: argparse.Namespace) -> Iterator[tuple[str, Way]]:
    """(name, way) of all that is to be compared."""
    keypoints = keypoints_of(given.batch)
    generator = torch.Generator().manual_seed(0)
    pose = 0.3 * torch.randn((given.batch, len(keypoints.skeleton), 3), generator=generator)
    pose = pose - pose[:, keypoints.skeleton.root, None]
    for name, kind in (("ours", Cinn), ("FrEIA", Freia), ("FrEIA, chunks", ChunkedFreia)):
        lifter = kind(config)
        count = sum(p.numel() for p in lifter.bijection.parameters() if p.requires_grad)
        print(f"  {name}: {count} parameters in the bijection")
        yield name, step(lifter, keypoints, pose, False)
        if given.bfloat16:
            yield f"{name}, bfloat16", step(lifter, keypoints, pose, True)


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--hypotheses", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--bfloat16", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Print times and ratios."""
    given = options()
    if given.threads:
        torch.set_num_threads(given.threads)
    config = replace(Cinn.PRESETS[given.preset], hypotheses=given.hypotheses)
    print(f"{config}, batch {given.batch}, torch {torch.__version__}")
    medians = measure(dict(ways_of(config, given)), given.repeats)
    threads = torch.get_num_threads()
    print(f"{threads} threads        wall ms  processor ms  FrEIA's time over it")
    clock = 0 if threads > 1 else 1
    for name, pair in medians.items():
        ratio = medians["FrEIA"][clock] / pair[clock]
        print(f"  {name:20s} {1e3 * pair[0]:8.0f} {1e3 * pair[1]:13.0f} {ratio:13.2f}")


if __name__ == "__main__":
    main()

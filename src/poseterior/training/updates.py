"""One update of a lifter, and of its critic where it has one: losses, gradient, optimiser.

What an update does depends only on the config, its index and the weights, never on a random
state carried along: the batch comes from `source.batch(index)`, every other draw from
generators seeded by (seed, index).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from poseterior.posterior import Lifter
from poseterior.training.fit_config import FitConfig
from poseterior.training.ranks import Ranks
from poseterior.training.signals import Stop

__all__ = ["Diverged", "Source", "Updates"]

OWN, CRITIC = "optimiser", "critic_optimiser"


class Source(Protocol):
    """Where training poses come from: batch `index`, the same whenever it is asked for."""

    def batch(self, index: int) -> tuple[Any, Any]:
        """What B people look like, and the truth, as `losses` takes them.

        Keypoints with batch shape (B,) for lifters; for detectors crops (B, 3, h, w). Both have
        `to`, and are cut into shares by slices.
        """
        ...


class Diverged(Exception):
    """A loss or gradient is not finite."""


class Updates:
    """`updates(index)` does update `index` of the lifter, after its critic's.

    Attributes:
        optimisers: by name, their state is part of a checkpoint.
    """

    def __init__(self, lifter: Lifter, source: Source, config: FitConfig, ranks: Ranks) -> None:
        self.lifter, self.source, self.config, self.ranks = lifter, source, config, ranks
        self.device = next(lifter.parameters()).device
        adversary: Any = lifter if hasattr(lifter, "critic_parameters") else None
        critic = list(adversary.critic_parameters()) if adversary else []
        others = {id(p) for p in critic}
        own = [p for p in lifter.parameters() if p.requires_grad and id(p) not in others]
        self.optimisers = {OWN: _optimiser(own, config, config.learning_rate)}
        if critic:
            rate = config.critic_learning_rate or config.learning_rate
            self.optimisers[CRITIC] = _optimiser(critic, config, rate)

    def __call__(self, index: int, stop: Stop | None = None) -> tuple[dict[str, float], bool]:
        """Terms and gradient norm of the update, and whether any process wants to stop.

        `Diverged` names the first term that is not finite; the weights are then as before.
        """
        *critic, own = self.batches(index)
        self.lifter.train()
        numbers: dict[str, float] = {}
        with _seeded(self.device, self.config.seed, index, self.ranks.index) as generator:
            for batch in critic:
                numbers |= self.update(CRITIC, index, batch, generator)
            numbers |= self.update(OWN, index, own, generator, stop)
        return numbers, numbers.pop("stop") > 0

    def batches(self, index: int) -> range:
        """Indices of the update's batches, each used once in a training; the last the lifter's."""
        each = self.config.critic_steps + 1 if CRITIC in self.optimisers else 1
        return range(index * each, (index + 1) * each)

    def update(
        self,
        which: str,
        index: int,
        batch: int,
        generator: torch.Generator,
        stop: Stop | None = None,
    ) -> dict[str, float]:
        """Backward and step of one optimiser on one batch; the critic's names get `critic_`."""
        optimiser, lifter, own = self.optimisers[which], self.lifter, which == OWN
        keypoints, pose = self.ranks.part(*self.source.batch(batch))
        losses: Any = lifter.losses if own else getattr(lifter, "critic_losses")  # noqa: B009
        with self.autocast():
            terms = losses(keypoints.to(self.device), pose.to(self.device), generator)
        numbers = self.agreed(terms, stop)
        _require_finite({k: v for k, v in numbers.items() if k != "stop"}, index)
        optimiser.zero_grad()
        torch.stack([term.float() for term in terms.values()]).sum().backward()
        numbers["gradient_norm"] = self.finish_gradient(optimiser)
        _require_finite(numbers, index)
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * self.config.learning_rate_at(index)
        optimiser.step()
        return numbers if own else {f"critic_{k}": v for k, v in numbers.items() if k != "stop"}

    def agreed(self, terms: Mapping[str, Tensor], stop: Stop | None) -> dict[str, float]:
        """The terms, their sum and the wish to stop, the same on all processes."""
        values = [term.detach().float() for term in terms.values()]
        flag = torch.tensor(float(bool(stop)), device=self.device)
        *means, stopping = self.ranks.mean(torch.stack([*values, flag])).tolist()
        return {**dict(zip(terms, means, strict=True)), "loss": sum(means), "stop": stopping}

    def finish_gradient(self, optimiser: torch.optim.Optimizer) -> float:
        """Average over the processes, clip; the norm before clipping."""
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        self.ranks.average_gradients(parameters)
        limit = math.inf if self.config.clip_norm is None else self.config.clip_norm
        norm = nn.utils.clip_grad_norm_(parameters, limit)
        if self.config.clip_value is not None:
            nn.utils.clip_grad_value_(parameters, self.config.clip_value)
        return float(norm)

    def autocast(self) -> AbstractContextManager[Any]:
        """Around the losses: bfloat16 where the config asks for it."""
        asked = self.config.precision
        enabled = asked == "bfloat16" or (asked == "fast" and _computes_bfloat16(self.device))
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)


def _computes_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _require_finite(numbers: Mapping[str, float], index: int) -> None:
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise Diverged(f"{name} is {number} at step {index + 1}")


def _optimiser(
    parameters: list[nn.Parameter], config: FitConfig, rate: float
) -> torch.optim.Optimizer:
    """Adam or AdamW; `base_lr` keeps what the schedule multiplies."""
    cls = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    groups = [{"params": parameters, "base_lr": rate}]
    # Fused: five times as fast on a CPU as one operation after another.
    fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
    return cls(groups, lr=rate, betas=config.betas, weight_decay=config.weight_decay, fused=fused)


@contextmanager
def _seeded(device: torch.device, seed: int, index: int, rank: int) -> Iterator[torch.Generator]:
    """A generator for the losses' draws; inside, torch's global one (dropout) is seeded too.

    The global state is put back after.
    """
    own, shared = np.random.SeedSequence((seed, index, rank)).generate_state(2, np.uint64)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(int(shared))
        for cuda in devices:
            with torch.cuda.device(cuda):
                torch.cuda.manual_seed(int(shared))
        yield torch.Generator(device=device).manual_seed(int(own))

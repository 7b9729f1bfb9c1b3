"""`gaussian`: a frozen mean plus one trainable standard deviation (paper 000, section 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.simple_baseline import SimpleBaseline, SimpleBaselineConfig
from poseterior.posterior import Lifter
from poseterior.posteriors import GaussianPosterior

__all__ = ["Gaussian", "GaussianConfig"]


@dataclass(frozen=True)
class GaussianConfig:
    """The mean's network and how sigma is trained.

    Attributes:
        objective: "nll", or "minmpjpe", the error of the best of `hypotheses` samples.
        hypotheses: samples in that objective.
        initial_sigma_m: sigma before training, metres.
        mean: sizes of the frozen `simple_baseline`.
    """

    objective: Literal["nll", "minmpjpe"] = "nll"
    hypotheses: int = 200
    initial_sigma_m: float = 0.1
    mean: SimpleBaselineConfig = field(default_factory=SimpleBaselineConfig)


_SMALL = GaussianConfig(mean=SimpleBaseline.PRESETS["small"])


class Gaussian(Lifter):
    """N(simple_baseline(keypoints), sigma² I): only sigma is trained, the mean is frozen.

    Train a `simple_baseline` first and give it to `use_base`.
    """

    name = "gaussian"
    base: ClassVar[type[Lifter]] = SimpleBaseline
    Config = GaussianConfig
    PRESETS: ClassVar[dict[str, GaussianConfig]] = {
        "small": _SMALL,
        "paper": GaussianConfig(),
        "small_minmpjpe": replace(_SMALL, objective="minmpjpe"),
        "paper_minmpjpe": GaussianConfig(objective="minmpjpe"),
    }

    def __init__(self, config: GaussianConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or GaussianConfig(), skeleton
        self.mean = SimpleBaseline(self.config.mean, skeleton).requires_grad_(False).eval()
        self.log_sigma = nn.Parameter(torch.tensor(math.log(self.config.initial_sigma_m)))

    @property
    def base_config(self) -> SimpleBaselineConfig:
        """The configuration of the lifter that `use_base` takes."""
        return self.config.mean

    def use_base(self, lifter: Lifter) -> None:
        """Take the weights of a trained `simple_baseline` of the same size as the mean."""
        self.mean.load_state_dict(lifter.state_dict())

    def train(self, mode: bool = True) -> Gaussian:
        """Training mode for all but the mean, whose batch norm and dropout stay frozen."""
        super().train(mode)
        self.mean.eval()
        return self

    def forward(self, keypoints: Keypoints) -> GaussianPosterior:
        """The isotropic Gaussian around the mean network's estimate."""
        with torch.no_grad():
            mean = self.mean.pose(keypoints)
        return GaussianPosterior(mean, self.log_sigma.exp().expand(len(mean)), self.skeleton)

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Negative log-likelihood in nats, or minMPJPE in metres."""
        posterior = self(keypoints)
        if self.config.objective == "nll":
            return {"nll": -posterior.log_prob(pose).mean()}
        hypotheses = posterior.rsample((self.config.hypotheses,), generator)
        error = (hypotheses - pose).norm(dim=-1).mean(-1)
        return {"minmpjpe": error.amin(0).mean()}

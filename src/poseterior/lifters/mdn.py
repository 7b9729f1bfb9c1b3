"""`mdn`: a mixture density network over poses (Li and Lee 2019).

The features are the residual network of Martinez et al. 2017; three linear layers turn them
into the means, standard deviations and weights of a few isotropic Gaussian kernels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.kernel_posterior import KernelPosterior
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import Conditions, condition, feature_count
from poseterior.lifters.simple_baseline import Backbone, MaxNormLinear, SimpleBaselineConfig
from poseterior.posterior import Lifter, Posterior, insert_root
from poseterior.posteriors import MixturePosterior, PointPosterior

__all__ = ["MDN", "MDNConfig", "dirichlet_penalty", "kernel_posterior", "positive"]

# The network predicts in this unit: coordinates are then about as large as the standardised
# ones of the original, and its first sigma, 1, is about right.
_UNIT_M = 0.25
# No kernel narrower than this; without a floor one that hits a pose has unbounded likelihood.
_SIGMA_FLOOR_M = 1e-3


@dataclass(frozen=True)
class MDNConfig:
    """Sizes and losses, as published.

    Attributes:
        hypotheses: what the posterior is: "samples", the mixture itself; "means", the same
            mass on the mean of each kernel whatever its weight, as Li and Lee evaluate.
        kernels: Gaussians in the mixture.
        concentration: of the symmetric Dirichlet prior on the weights, 1 for none.
        network: sizes of the residual network.
    """

    hypotheses: Literal["samples", "means"] = "samples"
    kernels: int = 5
    concentration: float = 2.0
    network: SimpleBaselineConfig = field(default_factory=SimpleBaselineConfig)


def positive(x: Tensor) -> Tensor:
    """elu(x) + 1, the modified ELU that makes a standard deviation: exp(x) below 0, else x + 1."""
    return functional.elu(x) + 1


def dirichlet_penalty(log_weights: Tensor, concentration: float) -> Tensor:
    """-(a - 1) sum_k log w_k, averaged over the batch: log weights (K, B) -> a scalar, nats.

    The negative log density of a symmetric Dirichlet prior, up to a constant (Li and Lee
    2019, section 3.2): it keeps kernels from dying out.
    """
    return -(concentration - 1) * log_weights.sum(0).mean()


def kernel_posterior(
    means: Tensor, scale: Tensor, logits: Tensor, conditions: Conditions, skeleton: Skeleton
) -> KernelPosterior:
    """The mixture, in camera axes and full precision, of a network's outputs.

    Args:
        means: (K, B, J, 3) metres, in the person's frame, the root at the origin.
        scale: (K, B, J) metres; raised to 1 mm where smaller.
        logits: (K, B) of the weights.
        conditions: of the observations.
        skeleton: the joints.
    """
    with torch.autocast(means.device.type, enabled=False):
        scale = scale.float().clamp_min(_SIGMA_FLOOR_M)
        log_weights = logits.float().log_softmax(0)
        return KernelPosterior(conditions.to_camera(means.float()), scale, log_weights, skeleton)


_SMALL = MDNConfig(network=SimpleBaselineConfig(width=512, dropout=0.1))


class MDN(Lifter):
    """Isotropic Gaussian kernels over the free joints, by exact likelihood.

    One network serves both readings: change `config.hypotheses` of a trained one. The original
    sees 2D coordinates alone; this sees their covariance and validity too.
    """

    name = "mdn"
    Config = MDNConfig
    PRESETS: ClassVar[dict[str, MDNConfig]] = {
        "small": _SMALL,
        "paper": MDNConfig(),
        "small_means": replace(_SMALL, hypotheses="means"),
        "paper_means": MDNConfig(hypotheses="means"),
    }

    def __init__(self, config: MDNConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or MDNConfig(), skeleton
        c, network = self.config, self.config.network
        self.backbone = Backbone(feature_count(len(skeleton)), network)
        sizes = {"means": 3 * (len(skeleton) - 1) * c.kernels, "scale": c.kernels}
        self.heads = nn.ModuleDict(
            {
                head: MaxNormLinear(network.width, size, network.max_norm)
                for head, size in {**sizes, "logits": c.kernels}.items()
            }
        )

    def mixture(self, keypoints: Keypoints) -> KernelPosterior:
        """The mixture of kernels, with gradient, whatever `config.hypotheses` says."""
        conditions = condition(keypoints, self.skeleton)
        hidden = self.backbone.hidden(conditions.features)
        means, scale, logits = (
            self.heads[head](hidden)
            .float()
            .unflatten(-1, (self.config.kernels, -1))
            .transpose(0, 1)
            for head in ("means", "scale", "logits")
        )
        means = insert_root(_UNIT_M * means, self.skeleton)
        scale = (_UNIT_M * positive(scale)).expand(means.shape[:-1])
        return kernel_posterior(means, scale, logits[..., 0], conditions, self.skeleton)

    def forward(self, keypoints: Keypoints) -> Posterior:
        """The mixture, or the kernels' means in turn: any K consecutive hypotheses are all K."""
        mixture = self.mixture(keypoints)
        if self.config.hypotheses == "samples":
            return mixture
        return MixturePosterior([PointPosterior(mean, self.skeleton) for mean in mixture.means])

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Negative log-likelihood of the mixture and the weights' prior, both in nats."""
        mixture = self.mixture(keypoints)
        return {
            "nll": -mixture.log_prob(pose).mean(),
            "dirichlet": dirichlet_penalty(mixture.log_weights, self.config.concentration),
        }

"""RLE (Li et al. 2021): places and their spread by regression, with a learnt shape of the error.

The network says mu and sigma of each coordinate, in units of the crop's width and height. With
the standardised error e = (x - mu) / sigma of a joint, two likelihoods are maximised together:

    -log p(x) = - log Q(e) - log G(e) + 2 log(sigma_x sigma_y)

Q a plain density (Laplace or Gaussian), G a flow (RealNVP) that is the same for all joints and
learns what shape the errors have. It is paper 003's Eq. 4 with Eq. 8 of Li et al. as their code
has it: the paper divides the product Q G by an integral that it leaves out, and has log sigma
once; without the integral, once would let sigma grow without bound. Twice, one for each factor,
makes both of them densities of x, and sigma the scale of Q that fits best: the mean absolute
error for a Laplace distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from poseterior.detectors.crop_detector import CropDetector, counted
from poseterior.detectors.resnet_pose import RESNET_50, STRIDE, THIN_RESNET_10, ResNet, ResNetSize
from poseterior.detectors.topdown import Located
from poseterior.errors import require
from poseterior.flows.prior import RealNVP
from poseterior.geometry.skeleton import COCO_17, Skeleton

__all__ = ["RLE", "RLEConfig", "base_nll"]

_VARIANCE = {"laplace": 2.0, "gaussian": 1.0}  # of the base Q at scale 1
_LEAST = 1e-4  # of sigma, in sides of the crop: far below a hundredth of a pixel


@dataclass(frozen=True)
class RLEConfig:
    """The network; the defaults are the published ones.

    Attributes:
        size: (width, height) of the crops, px, multiples of 32.
        backbone: the ResNet.
        base: the density Q.
        couplings: of the flow, an even number.
        hidden: width of the two hidden layers of each.
    """

    size: tuple[int, int] = (192, 256)
    backbone: ResNetSize = RESNET_50
    base: Literal["laplace", "gaussian"] = "laplace"
    couplings: int = 6
    hidden: int = 64

    def __post_init__(self) -> None:
        good = all(side > 0 and side % STRIDE == 0 for side in self.size)
        require(good, "RLEConfig", "size", expected=f"multiples of {STRIDE}", found=self.size)
        even = self.couplings > 0 and self.couplings % 2 == 0
        require(even, "RLEConfig", "couplings", expected="even", found=self.couplings)


class RLE(CropDetector):
    """Regression; the confidence of a joint is 1 less the mean sigma of its coordinates (Eq. 3).

    An output is (B, K, 4): mu_x, mu_y from 0 to 1 over the crop, and sigma_x, sigma_y.
    """

    name = "rle"
    Config = RLEConfig
    PRESETS: ClassVar[dict[str, RLEConfig]] = {
        # A wider last stage than sbl's: its mean is what a confidence network reads.
        "small": RLEConfig((96, 128), replace(THIN_RESNET_10, widths=(24, 48, 96, 384))),
        "paper": RLEConfig(),
    }
    config: RLEConfig
    sides: Tensor

    def __init__(self, config: RLEConfig | None = None, skeleton: Skeleton = COCO_17) -> None:
        super().__init__(config or RLEConfig(), skeleton)
        c, joints = self.config, len(skeleton)
        self.backbone = ResNet(c.backbone)
        self.mu = nn.Linear(self.backbone.channels, 2 * joints)
        self.sigma = nn.Linear(self.backbone.channels, 2 * joints)
        for layer in (self.mu, self.sigma):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)
            nn.init.zeros_(layer.bias)
        # Only for training. Its first, elementwise affine map is not in the published flow.
        self.flow = RealNVP(2, c.couplings // 2, c.hidden, depth=2)
        self.register_buffer("sides", torch.tensor(c.size).float(), persistent=False)

    def features(self, crops: Tensor) -> Tensor:
        """(B, C), after global average pooling."""
        pooled: Tensor = self.backbone(self.prepared(crops)).pooled
        return pooled

    def lower_features(self, crops: Tensor) -> Tensor:
        """See `CropDetector.lower_features`."""
        lower: Tensor = self.backbone(self.prepared(crops)).lower
        return lower

    def head(self, features: Tensor) -> Tensor:
        """Mu and sigma, (B, K, 4)."""
        mu, sigma = (
            layer(features).float().unflatten(-1, (-1, 2)) for layer in (self.mu, self.sigma)
        )
        return torch.cat([mu + 0.5, torch.sigmoid(sigma).clamp_min(_LEAST)], -1)

    def mirrored(self, output: Tensor) -> Tensor:
        """See `CropDetector.mirrored`."""
        x, others = output[:, list(self.skeleton.partners)].split([1, 3], -1)
        return torch.cat([1 - x, others], -1)

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """See `CropDetector.decode`."""
        return self.sides * output[..., :2] - 0.5, 1 - output[..., 2:].mean(-1)

    def located(self, output: Tensor) -> Located:
        """Covariances of the base Q: 2 sigma² along each axis for Laplace. None is doubtful."""
        points, confidence = self.decode(output)
        variance = _VARIANCE[self.config.base] * (self.sides * output[..., 2:]).square()
        none = torch.zeros_like(confidence).bool()
        return Located(points, torch.diag_embed(variance), confidence, none)

    def losses(
        self, crops: Tensor, joints: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Nats of the base and of the flow, mean over the joints that count."""
        mu, sigma = self(crops).chunk(2, -1)
        weight = counted(joints)
        place = (joints[..., :2] + 0.5) / self.sides
        # A place that does not count may be anywhere: it must not reach the flow.
        error = torch.where(weight[..., None] > 0, (place - mu) / sigma, 0.0)
        width = sigma.log().sum(-1)
        terms = {
            "base": base_nll(error, self.config.base) + width,
            "flow": width - self.flow.log_prob(error),
        }
        total = weight.sum().clamp_min(1)
        return {name: (weight * value).sum() / total for name, value in terms.items()}


def base_nll(error: Tensor, base: str) -> Tensor:
    """-log Q (...), nats, of standardised errors (..., 2): independent along both axes."""
    if base == "laplace":
        return error.abs().sum(-1) + 2 * math.log(2)
    return 0.5 * error.square().sum(-1) + math.log(2 * math.pi)

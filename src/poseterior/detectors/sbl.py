"""SimpleBaseline (Xiao et al. 2018): a ResNet, three deconvolutions, heatmaps.

The heatmaps are trained to be Gaussians of height 1 about the joints (paper 003, Eq. 2), whose
standard deviation l-tilde is that of `heatmaps.TARGET_SIGMA_PX`, 2 px, on the published 64 x 48:
8 px of a crop of 256 x 192. On the 32 x 24 of the small network it is 1.5 px, 6 px of a crop
of 128 x 96. As large a part of the person would be 1 px, a Gaussian of a few pixels that neither
trains as fast nor is fitted as well; 2 px would be a third of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from poseterior.detectors.crop_detector import CropDetector, counted
from poseterior.detectors.resnet_pose import RESNET_50, STRIDE, THIN_RESNET_10, ResNet, ResNetSize
from poseterior.detectors.topdown import Located
from poseterior.errors import require
from poseterior.geometry.skeleton import COCO_17, Skeleton
from poseterior.heatmaps import TARGET_SIGMA_PX, fit_gaussians, without_blur
from poseterior.heatmaps.decode import highest_pixel, quarter_offset

__all__ = ["SBL", "SBLConfig", "target_heatmaps"]

_DECONVOLUTIONS = 3
_CELL = STRIDE // 2**_DECONVOLUTIONS  # px of the crop for each of a heatmap


@dataclass(frozen=True)
class SBLConfig:
    """The network; the defaults are the published ones.

    Attributes:
        size: (width, height) of the crops, px, multiples of 32; heatmaps are a quarter of it.
        backbone: the ResNet.
        width: channels of the deconvolutions, so of the penultimate features.
        sigma: heatmap px, standard deviation of the Gaussians that it is trained to draw.
        decode: `quarter_offset` (arg max and a quarter of a pixel towards the higher
            neighbour, as published) or `highest_pixel` (paper 003, Eq. 1).
    """

    size: tuple[int, int] = (192, 256)
    backbone: ResNetSize = RESNET_50
    width: int = 256
    sigma: float = TARGET_SIGMA_PX
    decode: Literal["quarter_offset", "highest_pixel"] = "quarter_offset"

    def __post_init__(self) -> None:
        good = all(side > 0 and side % STRIDE == 0 for side in self.size)
        require(good, "SBLConfig", "size", expected=f"multiples of {STRIDE}", found=self.size)
        require(self.sigma > 0, "SBLConfig", "sigma", expected="over 0", found=self.sigma)


class SBL(CropDetector):
    """Heatmaps by deconvolutions; the confidence of a joint is the height of its peak (Eq. 1)."""

    name = "sbl"
    Config = SBLConfig
    PRESETS: ClassVar[dict[str, SBLConfig]] = {
        "small": SBLConfig((96, 128), THIN_RESNET_10, 112, 1.5),
        "paper": SBLConfig(),
    }
    config: SBLConfig

    def __init__(self, config: SBLConfig | None = None, skeleton: Skeleton = COCO_17) -> None:
        super().__init__(config or SBLConfig(), skeleton)
        self.backbone = ResNet(self.config.backbone)
        width, layers = self.config.width, []
        for channels in (self.backbone.channels, *[width] * (_DECONVOLUTIONS - 1)):
            layers += _doubled(channels, width)
        self.deconvolutions = nn.Sequential(*layers)
        self.last = nn.Conv2d(width, len(skeleton), 1)
        for parameter in self.last.parameters():
            nn.init.normal_(parameter, std=0.001)

    def features(self, crops: Tensor) -> Tensor:
        """(B, `width`, h / 4, w / 4), the last convolution's input."""
        found: Tensor = self.deconvolutions(self.backbone(self.prepared(crops)).last)
        return found

    def lower_features(self, crops: Tensor) -> Tensor:
        """See `CropDetector.lower_features`."""
        lower: Tensor = self.backbone(self.prepared(crops)).lower
        return lower

    def head(self, features: Tensor) -> Tensor:
        """Heatmaps (B, K, h / 4, w / 4)."""
        heatmaps: Tensor = self.last(features)
        return heatmaps

    def mirrored(self, output: Tensor) -> Tensor:
        """See `CropDetector.mirrored`: pixels tile the crop, so no shift is needed."""
        return output[:, list(self.skeleton.partners)].flip(-1)

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """See `CropDetector.decode`."""
        decoder = quarter_offset if self.config.decode == "quarter_offset" else highest_pixel
        points, peak = decoder(output)
        return _to_crop(points), peak

    def located(self, output: Tensor) -> Located:
        """Covariances of Gaussians fitted to the heatmaps, less what they were trained to draw."""
        points, confidence = self.decode(output)
        fit = fit_gaussians(output if output.is_cuda else output.cpu(), sigma=self.config.sigma)
        covariance = _CELL**2 * without_blur(fit.covering, self.config.sigma)
        return Located(points, covariance, confidence, fit.two_peaked | ~fit.converged)

    def losses(
        self, crops: Tensor, joints: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Squared error of each joint's map (mean over its pixels), summed over joints (Eq. 2)."""
        heatmaps = self(crops)
        height, width = heatmaps.shape[-2:]
        target = target_heatmaps(joints[..., :2], (width, height), self.config.sigma)
        error = (heatmaps.float() - target).square().mean((-2, -1))
        return {"heatmap": (counted(joints) * error).sum(-1).mean()}


def target_heatmaps(points: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians (..., h, w) of height 1 about points (..., 2), px of the crop.

    Args:
        points: x, y; the joint's own place, not that of the nearest pixel (Zhang et al. 2020).
        size: (width, height) of the heatmaps, a quarter of the crop's.
        sigma: standard deviation in px of the heatmaps.
    """
    centre = (points + 0.5) / _CELL - 0.5
    along = []
    for axis, count in enumerate(size):
        places = torch.arange(count).to(points)
        along.append((-((places - centre[..., axis, None]) ** 2) / (2 * sigma**2)).exp())
    return along[1][..., :, None] * along[0][..., None, :]


def _to_crop(points: Tensor) -> Tensor:
    """Px of heatmaps as those of the crop: a heatmap's pixel covers `_CELL` of the crop's."""
    return (points + 0.5) * _CELL - 0.5


def _doubled(channels: int, width: int) -> list[nn.Module]:
    """A deconvolution that doubles the map, 4 x 4 with stride 2, as published."""
    layer = nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False)
    nn.init.normal_(layer.weight, std=(2 / (4 * channels)) ** 0.5)
    return [layer, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]

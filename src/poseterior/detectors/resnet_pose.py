"""ResNets (He et al. 2016) of any size for detectors trained here, by `transformers`.

Drawn at random by the published initialisation, never downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from poseterior.detectors.extra import import_extra
from poseterior.errors import require

__all__ = ["RESNET_50", "STRIDE", "THIN_RESNET_10", "ResNet", "ResNetSize", "Seen"]

STRIDE = 32  # px of the crop for each of the last map
_STAGES, _AT_ONCE = 4, 16


@dataclass(frozen=True)
class ResNetSize:
    """How large a ResNet is.

    Attributes:
        stem: channels of the first convolution.
        widths: channels of the four stages.
        depths: blocks of the four stages.
        block: `basic` (two 3 x 3 convolutions) or `bottleneck`.
    """

    stem: int = 64
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    depths: tuple[int, ...] = (3, 4, 6, 3)
    block: Literal["basic", "bottleneck"] = "bottleneck"

    def __post_init__(self) -> None:
        for name, values in (("widths", self.widths), ("depths", self.depths)):
            good = len(values) == _STAGES and min(values) >= 1
            require(good, "ResNetSize", name, expected="four, each 1 or more", found=values)
        require(self.stem >= 1, "ResNetSize", "stem", expected="1 or more", found=self.stem)


RESNET_50 = ResNetSize()
# One block a stage, for trainings of about an hour on one core.
THIN_RESNET_10 = ResNetSize(24, (24, 48, 96, 192), (1, 1, 1, 1), "basic")


class Seen(NamedTuple):
    """Maps of a ResNet.

    Attributes:
        lower: (B, C3, h / 16, w / 16), of the last block but one stage ("layer3").
        last: (B, C4, h / 32, w / 32).
        pooled: (B, C4), the mean of `last` over the map.
    """

    lower: Tensor
    last: Tensor
    pooled: Tensor


class ResNet(nn.Module):
    """Normalised crops (B, 3, h, w) to their features.

    Attributes:
        channels: C4, of the last map.
    """

    def __init__(self, size: ResNetSize) -> None:
        super().__init__()
        transformers: Any = import_extra("transformers")
        config = transformers.ResNetConfig(
            embedding_size=size.stem, hidden_sizes=list(size.widths), depths=list(size.depths),
            layer_type=size.block,
        )  # fmt: skip
        self.network = transformers.ResNetModel(config)
        self.channels = size.widths[-1]
        # Channels last: a tenth faster on a CPU, and more on a GPU. But oneDNN's backward pass of
        # 1 x 1 convolutions with stride 2 then writes beyond its memory where there are fewer
        # channels than it takes at once, 8 or 16 (oneDNN issue 6035).
        narrow = min(size.widths) < _AT_ONCE
        self.layout = torch.contiguous_format if narrow else torch.channels_last

    def forward(self, crops: Tensor) -> Seen:
        crops = crops.contiguous(memory_format=self.layout)
        found = self.network(crops, output_hidden_states=True)
        lower, last = found.hidden_states[-2:]
        return Seen(lower, last, found.pooler_output.flatten(1))

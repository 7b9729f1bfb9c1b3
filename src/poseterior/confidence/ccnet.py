"""CCNet: confidence and visibility of keypoints from a frozen detector's features (paper 003, 5).

One layer. For features of a map, the published head is a 1 x 1 convolution, the mean over the
map, a sigmoid; for a vector, one linear layer and a sigmoid. As convolution and mean are linear,
their order does not matter: "convolution, then pooling" is the same function as "pooling, then a
linear layer", which Table g has as different methods. We compute it the second way, which costs
a hundredth. A head that does keep the map, with the sigmoid before the mean, is offered too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args, get_type_hints

import torch
from torch import Tensor, nn

from poseterior.confidence.ccnet_losses import (
    aleatoric_loss,
    cross_entropy_loss,
    ranking_loss,
    squared_loss,
    visibility_loss,
)
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import COCO_17, Skeleton

__all__ = ["CCNet", "CCNetConfig", "Confidences", "instance_confidence"]

_LEAST = 1e-6


@dataclass(frozen=True)
class CCNetConfig:
    """The network; the defaults but for `channels` are the published ones.

    Attributes:
        channels: of the features.
        inputs: what those are, a note for who makes them: `penultimate`; `lower_layer` (the
            backbone's last stage but one); `with_prediction_and_confidence` (the penultimate
            ones and the detector's places and confidences).
        head: `conv_pool`; `pool_linear`, the same function; `conv_sigmoid_pool`, with the
            sigmoid at each pixel. Of a vector all are one linear layer.
        loss: `mse` (Eq. 19); `cross_entropy`; `aleatoric` (Kendall and Gal 2017); `ensemble`
            (of `members` with different first weights: Lakshminarayanan et al. 2017); `soap`
            (Qi et al. 2021, on people's confidences).
        visibility_weight: lambda of Eq. 21, 0.2 by appendix C; the pseudo-code has 0.02.
        members: of an ensemble.
    """

    channels: int
    inputs: Literal["penultimate", "with_prediction_and_confidence", "lower_layer"] = "penultimate"
    head: Literal["conv_pool", "pool_linear", "conv_sigmoid_pool"] = "conv_pool"
    loss: Literal["mse", "cross_entropy", "aleatoric", "ensemble", "soap"] = "mse"
    visibility_weight: float = 0.2
    members: int = 5

    def __post_init__(self) -> None:
        require(self.channels > 0, "CCNet", "channels", expected="1 or more", found=self.channels)
        require(self.members > 0, "CCNet", "members", expected="1 or more", found=self.members)
        for name in ("inputs", "head", "loss"):
            kinds, found = get_args(get_type_hints(CCNetConfig)[name]), getattr(self, name)
            require(found in kinds, "CCNet", name, expected=f"one of {kinds}", found=repr(found))
        weight = self.visibility_weight
        require(weight >= 0, "CCNet", "visibility_weight", expected="0 or more", found=weight)


class Confidences(NamedTuple):
    """What is thought of B people.

    Attributes:
        keypoints: (B, K) from 0 to 1: expected OKS of each keypoint, s-hat.
        visibility: (B, K) from 0 to 1: probability that each is labelled, v-hat.
        instance: (B,) of the people, see `instance_confidence`.
    """

    keypoints: Tensor
    visibility: Tensor
    instance: Tensor


class CCNet(nn.Module):
    """A confidence head; `training.fit` trains it on features and OKS, the detector is not asked.

    Args:
        config: the network.
        skeleton: of the keypoints, K of them.

    Raises:
        InputError: features of other channels.
    """

    name: ClassVar[str] = "ccnet"
    Config = CCNetConfig

    def __init__(self, config: CCNetConfig, skeleton: Skeleton = COCO_17) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        self.members = config.members if config.loss == "ensemble" else 1
        self.kinds = 3 if config.loss == "aleatoric" else 2
        self._outputs = (self.members, self.kinds, len(skeleton))
        # Kaiming's initialisation, PyTorch's default, for either layer.
        self.layer = nn.Linear(config.channels, math.prod(self._outputs))

    def forward(self, features: Tensor) -> Confidences:
        """Confidences of features (B, C, h, w), (B, C), of any floating dtype."""
        said = self._said(features).sigmoid()
        if said.ndim == 5:  # at each pixel
            said = said.mean(-1)
        said = said.mean(1) if self.members > 1 else said.select(1, 0)
        confidence, visibility = said.unbind(1)[:2]
        return Confidences(confidence, visibility, instance_confidence(confidence, visibility))

    def losses(
        self, features: Tensor, target: Tensor, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Eq. 21: the confidence's loss and lambda times the visibility's.

        Args:
            features: (B, C, h, w) or (B, C), as `forward` takes them.
            target: (B, K, 2), the keypoints' OKS and v; OKS is not looked at where v is 0.
            generator: not drawn from.
        """
        v = target[..., 1].float()
        oks = torch.where(v > 0, target[..., 0].float(), 0.0)
        logits = self._logits(features)
        visible = [visibility_loss(each[:, 1], v) for each in logits]
        return {
            "confidence": torch.stack([self._loss(each, oks, v) for each in logits]).sum(),
            "visibility": self.config.visibility_weight * torch.stack(visible).sum(),
        }

    def _loss(self, logits: Tensor, oks: Tensor, v: Tensor) -> Tensor:
        """Of one member's logits (B, kinds, K)."""
        kind, confidence = self.config.loss, logits[:, 0].sigmoid()
        if kind == "cross_entropy":
            return cross_entropy_loss(logits[:, 0], oks, v)
        if kind == "aleatoric":
            return aleatoric_loss(confidence, logits[:, 2], oks, v)
        if kind == "soap":
            some = v.sum(-1) > 0
            score = instance_confidence(confidence, logits[:, 1].sigmoid().detach())
            return ranking_loss(score[some], instance_confidence(oks, v)[some])
        return squared_loss(confidence, oks, v)

    def _logits(self, features: Tensor) -> list[Tensor]:
        """Of each member (B, kinds, K): of the mean over pixels where the sigmoid is before it."""
        said = self._said(features)
        if said.ndim == 5:  # at each pixel
            whole = torch.cat([said[:, :, :2].sigmoid().mean(-1), said[:, :, 2:].mean(-1)], 2)
            certain = whole[:, :, :2].clamp(_LEAST, 1 - _LEAST).logit()
            said = torch.cat([certain, whole[:, :, 2:]], 2)
        return list(said.unbind(1))

    def _said(self, features: Tensor) -> Tensor:
        """The layer's output (B, members, kinds, K), or (B, members, kinds, K, pixels)."""
        if features.ndim not in (2, 4) or features.shape[1] != self.config.channels:
            channels = self.config.channels
            expected = f"(B, {channels}) or (B, {channels}, h, w)"
            found = tuple(features.shape)
            raise InputError(self.name, "features", expected=expected, found=found)
        if features.ndim == 4 and self.config.head == "conv_sigmoid_pool":
            weight = self.layer.weight[..., None, None]
            maps = nn.functional.conv2d(features.float(), weight, self.layer.bias)
            return maps.flatten(2).unflatten(1, self._outputs)
        pooled = features.mean((-2, -1)) if features.ndim == 4 else features
        said: Tensor = self.layer(pooled.float())
        return said.view(-1, *self._outputs)


def instance_confidence(keypoints: Tensor, visibility: Tensor) -> Tensor:
    """A person's confidence (...) as OKS is made of its keypoints' (paper 003, Eq. 6 and 7).

        c = sum_k v_k s_k / sum_k v_k

    Args:
        keypoints: (..., K), s.
        visibility: (..., K), v: predicted, or 0 and 1. If all are 0, so is c.

    >>> instance_confidence(torch.tensor([0.9, 0.3]), torch.tensor([1.0, 0.5]))
    tensor(0.7000)
    """
    return torch.linalg.vecdot(visibility, keypoints) / visibility.sum(-1).clamp_min(_LEAST)

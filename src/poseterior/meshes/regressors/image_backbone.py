"""Features of images for mesh regressors: a ResNet in the place of keypoints.

The network is `ResNetModel` of transformers, begun from weights that others trained, in a folder
or in the user's cache; nothing is downloaded. What follows it is the same as for keypoints: its
pooled features, and how large the crop is, go through the encoder to the heads.

The person's frame comes from the crop: a virtual camera that looks through its centre
(`lifters.conditioning`), and its size for the person's. Of a crop off the image's centre that
camera would see an image slightly different from the crop, which is left to the network.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from poseterior.detectors.extra import import_extra
from poseterior.detectors.weights import load_model, model_folder
from poseterior.errors import known, require
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import (
    Conditions,
    focal_and_centre,
    looking_at,
    normalised_points,
    size_feature,
    turned_points,
)
from poseterior.meshes.regressors.image_crops import ImageCrops

__all__ = ["BACKBONES", "Observation", "ResNetFeatures", "crop_conditions", "open_backbone"]

Observation = Keypoints | ImageCrops

# Names, and the repository that each is.
BACKBONES = {"resnet50": "microsoft/resnet-50"}

# Of a person's keypoints, the root mean square distance from their centre over that of the
# corners of their crop: about the same for all poses, as it is widened from their box.
_SPREAD_OF_CROP = 0.3


class ResNetFeatures(nn.Module):
    """Crops (B, 3, 224, 224) to pooled features (B, 2048), trained end to end with the heads.

    Its batch normalisation keeps the statistics that it was trained with, in training too (their
    scales and shifts are trained): what is said of a person never depends on the batch, and the
    several passes of an adversarial update do not count twice. `requires_grad_(False)` before
    training leaves all of it as it is.

    Args:
        network: a `ResNetModel`.
        processor: its image processor, for `people_crops`.

    Attributes:
        features: how many it gives, 2048 of a ResNet-50.
    """

    def __init__(self, network: Any, processor: Any) -> None:
        super().__init__()
        self.network, self.processor = network.requires_grad_(True).eval(), processor
        self.features = int(network.config.hidden_sizes[-1])

    @classmethod
    def load(cls, source: str | os.PathLike[str] | None = None) -> ResNetFeatures:
        """From a folder, or a repository in the user's cache; nothing is downloaded.

        Args:
            source: a folder or OWNER/NAME; microsoft/resnet-50 if None.

        Raises:
            InputError: the extra `[detect]` is not installed; the model is not there (with the
                command that fetches it), is another architecture, damaged, or only a pickle.
        """
        transformers = import_extra("transformers")
        folder = model_folder(source or BACKBONES["resnet50"], "resnet")
        return cls(*load_model(transformers.ResNetModel, _processor(), folder))

    def train(self, mode: bool = True) -> ResNetFeatures:
        """As of every module; batch normalisation stays in eval mode."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, crops: Tensor) -> Tensor:
        return self.network(crops).pooler_output.flatten(1)


def _processor() -> Any:
    """The image processor that needs no torchvision; ResNets use ConvNeXt's."""
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    return ConvNextImageProcessorPil


def open_backbone(name: str) -> ResNetFeatures | None:
    """What sees the observation of a mesh regressor: nothing, for `keypoints`, or a ResNet.

    Args:
        name: `keypoints`; `resnet50`; a ResNet's folder, or its repository OWNER/NAME.

    Raises:
        InputError: none of these; as of `ResNetFeatures.load`.
    """
    if name == "keypoints":
        return None
    if name not in BACKBONES and not Path(name).is_dir() and name.count("/") != 1:
        known("backbone", name, ["keypoints", *BACKBONES, "a ResNet's folder or repository"])
    return ResNetFeatures.load(BACKBONES.get(name, name))


def crop_conditions(crops: ImageCrops, pooled: Tensor, skeleton: Skeleton) -> Conditions:
    """What is known of crops: pooled features (B, F) and the size in `features` (B, F + 1).

    The crops' keypoints become `points`, for losses; none is `valid` if there are none.
    """
    with torch.autocast(crops.corners.device.type, enabled=False):
        rotation, spread = _frame(crops)
        points, covariance, valid = _targets(crops, rotation, skeleton)
    features = torch.cat([pooled.to(spread.dtype), size_feature(spread)], -1)
    return Conditions(features, rotation, points, covariance, valid)


def _frame(crops: ImageCrops) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3) to the virtual cameras through the crops' centres, spreads (B,)."""
    focal, centre = focal_and_centre(crops.intrinsics, crops.image_size, "ImageCrops")
    x1, y1, x2, y2 = crops.corners.unbind(-1)
    corners = torch.stack([x1, y1, x2, y1, x2, y2, x1, y2], -1).unflatten(-1, (4, 2))
    corners = (corners - centre[:, None]) / focal[:, None]
    rotation = looking_at(corners.mean(1))
    seen, _ = turned_points(corners, corners.new_zeros(len(corners), 4, 2, 2), rotation)
    return rotation, _SPREAD_OF_CROP * seen.square().sum(-1).mean(-1).sqrt()


def _targets(
    crops: ImageCrops, rotation: Tensor, skeleton: Skeleton
) -> tuple[Tensor, Tensor, Tensor]:
    """Points (B, J, 2), covariances (B, J, 2, 2) and which are valid (B, J), turned."""
    given, joints = crops.keypoints, len(skeleton)
    if given is None:
        zero = rotation.new_zeros(len(crops), joints, 2)
        return zero, rotation.new_zeros(len(crops), joints, 2, 2), zero[..., 0].bool()
    require(
        given.skeleton == skeleton, "ImageCrops: keypoints", "skeleton",
        expected=f"{skeleton.name}, the lifter's", found=given.skeleton.name,
    )  # fmt: skip
    own = replace(given, intrinsics=crops.intrinsics, image_size=crops.image_size)
    points, covariance = turned_points(*normalised_points(own), rotation)
    return torch.where(given.valid[..., None], points, 0.0), covariance, given.valid

"""What the detectors trained here share: crops to joints, and back into the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from poseterior.data.coco.skeletons import ANNOTATED
from poseterior.data.crop_source import resized
from poseterior.data.fingerprint import tensors_fingerprint
from poseterior.detectors.crops import Grid, cut, person_regions
from poseterior.detectors.feature_detector import (
    Looked,
    beside_features,
    chosen_inputs,
    prediction_and_confidence,
)
from poseterior.detectors.topdown import Located, People, detect_people
from poseterior.errors import require
from poseterior.geometry.skeleton import COCO_17, Skeleton
from poseterior.keypoints import Keypoints

__all__ = ["CropDetector", "counted"]

# Of ImageNet, as everywhere: any fixed numbers near these would do.
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_INPUTS = ("penultimate", "with_prediction_and_confidence", "lower_layer")


class CropDetector(nn.Module):
    """A network that sees one person's crop; a `FeatureDetector`, and trained by `training.fit`.

    `Config` is its frozen dataclass with `size`, (width, height) of its crops in px; `PRESETS`
    names configurations ("small", "paper"). Crops are (B, 3, h, w), RGB from 0 to 255, of any
    dtype; places in them are px, pixel i centred at i, of pixels that tile the crop's region
    (`Grid.tiled`).

    Attributes:
        skeleton: of the K joints: what people are annotated with, COCO's by default.
        flip: average with what is said of the mirrored crop: better, and twice the time.
        batch_size: people at a time in `detect`.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    PRESETS: ClassVar[dict[str, Any]]
    config: Any
    skeleton: Skeleton = COCO_17
    flip: bool = True
    batch_size: int = 32
    mean: Tensor
    std: Tensor

    def __init__(self, config: Any, skeleton: Skeleton) -> None:
        super().__init__()
        names = " or ".join(each.name for each in ANNOTATED)
        known = skeleton in ANNOTATED
        require(known, self.name, "skeleton", expected=names, found=skeleton.name)
        self.config, self.skeleton = config, skeleton
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the crops, px."""
        width, height = self.config.size
        return width, height

    def features(self, crops: Tensor) -> Tensor:
        """What the last layer sees: what confidence heads take (paper 003, section 5)."""
        raise NotImplementedError

    def lower_features(self, crops: Tensor) -> Tensor:
        """(B, C3, h / 16, w / 16) of the ResNet's last stage but one (paper 003, Table g)."""
        raise NotImplementedError

    def head(self, features: Tensor) -> Tensor:
        """The last layer's output, of `features`."""
        raise NotImplementedError

    def forward(self, crops: Tensor) -> Tensor:
        """The last layer's output, of crops."""
        return self.head(self.features(crops))

    def mirrored(self, output: Tensor) -> Tensor:
        """What an output of mirrored crops says of the crops themselves."""
        raise NotImplementedError

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Joints (B, K, 2), px of the crop, and their confidences (B, K)."""
        raise NotImplementedError

    def located(self, output: Tensor) -> Located:
        """`decode` with covariances, in px and px² of the crop."""
        raise NotImplementedError

    def losses(
        self, crops: Tensor, joints: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The terms that are minimised, of joints (B, K, 3): x and y px of the crop, v.

        Joints of v = 0 are not counted; the generator is that of the loop, and not drawn from.
        """
        raise NotImplementedError

    def prepared(self, crops: Tensor) -> Tensor:
        """Crops as the network takes them; `InputError` for another size."""
        width, height = self.size
        expected, found = (3, height, width), tuple(crops.shape[1:])
        require(found == expected, self.name, "crops", expected=f"(B, *{expected})", found=found)
        return (crops.to(self.mean) - self.mean) / self.std

    @torch.no_grad()
    def output(self, crops: Tensor, flip: bool | None = None) -> Tensor:
        """`forward` in eval mode, averaged with the mirrored crops' if `flip`; else as set."""
        require(not self.training, self.name, "mode", expected="eval()", found="train()")
        return self._averaged(self(crops), crops, flip)

    @torch.no_grad()
    def look(self, crops: Tensor, inputs: str = "penultimate") -> Looked:
        """See `FeatureDetector.look`."""
        sized, _ = resized(crops, torch.zeros(len(crops), 0, 3), self.size)
        features, output = self._seen(sized.to(self.mean.device), inputs)
        places, confidence = self.decode(output)
        width, height = self.size
        ratio = torch.tensor([crops.shape[3] / width, crops.shape[2] / height]).double()
        return Looked(features, (places.double().cpu() + 0.5) * ratio - 0.5, confidence)

    def fingerprint(self) -> str:
        """See `FeatureDetector.fingerprint`."""
        return tensors_fingerprint(self.state_dict(), self.name, self.config)

    def detect(self, images: Sequence[np.ndarray], boxes: Sequence[Tensor]) -> list[Keypoints]:
        """See `Detector.detect`."""
        return detect_people(images, boxes, self.locate, self.batch_size, self.skeleton)

    @torch.no_grad()
    def locate(self, people: People, inputs: str | None = None) -> Located:
        """See `FeatureDetector.locate`."""
        grid = Grid.tiled(person_regions(people.boxes, self.size), self.size)
        cuts = [cut(image, grid, row, self.size) for row, image in enumerate(people.images)]
        crops = torch.from_numpy(np.stack(cuts)).permute(0, 3, 1, 2).to(self.mean.device)
        features, output = self._seen(crops, inputs or _INPUTS[0])
        found = self.located(output)
        return Located(
            grid.points(found.pixels.cpu()),
            grid.covariances(found.covariance.cpu()),
            found.confidence.cpu(),
            found.doubtful.cpu(),
            None if inputs is None else features,
        )

    def _seen(self, crops: Tensor, inputs: str) -> tuple[Tensor, Tensor]:
        """Features of a kind, and the output, averaged with the mirrored crops' where it is set."""
        require(not self.training, self.name, "mode", expected="eval()", found="train()")
        chosen_inputs(self.name, inputs, _INPUTS)
        features = self.features(crops)
        output = self.head(features)
        averaged = self._averaged(output, crops)
        if inputs == "lower_layer":
            features = self.lower_features(crops)
        elif inputs == "with_prediction_and_confidence":
            told = prediction_and_confidence(*self.decode(averaged), self.size)
            features = beside_features(features, told)
        return features, averaged

    def _averaged(self, output: Tensor, crops: Tensor, flip: bool | None = None) -> Tensor:
        if self.flip if flip is None else flip:
            return (output + self.mirrored(self(crops.flip(-1)))) / 2
        return output


def counted(joints: Tensor) -> Tensor:
    """Which of joints (B, K, 3) count in a loss: (B, K), 1 where v > 0, else 0."""
    return (joints[..., 2] > 0).to(joints.dtype)

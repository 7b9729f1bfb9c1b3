"""`FeatureDetector`: a `Detector` that shows what its last layer takes in.

What confidence networks need (paper 003, section 5). A network that someone exported to ONNX has
no such output, so RTMPose is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from poseterior.detectors.topdown import Located, People
from poseterior.errors import require
from poseterior.keypoints import Detector

__all__ = [
    "FeatureDetector",
    "Looked",
    "as_feature_detector",
    "beside_features",
    "chosen_inputs",
    "prediction_and_confidence",
]


@dataclass(frozen=True, eq=False)
class Looked:
    """What a detector sees and says of crops.

    Attributes:
        features: (B, C, h, w) or (B, C), of the crops as they are.
        pixels: (B, J, 2) px of the crops as they were given.
        confidence: (B, J), the detector's own.
    """

    features: Tensor
    pixels: Tensor
    confidence: Tensor


@runtime_checkable
class FeatureDetector(Detector, Protocol):
    """A `Detector` of people one by one whose last layer's input can be had.

    Kinds of `inputs` are those of `CCNetConfig.inputs`: `penultimate`, what the last layer takes
    in, which all have; `with_prediction_and_confidence`, `prediction_and_confidence` beside that;
    `lower_layer`. `InputError` for one that it does not have.

    Attributes:
        flip: whether joints are those of the crop and of its mirror image averaged.
        batch_size: people at a time.
    """

    flip: bool
    batch_size: int

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what the network takes in, px."""
        ...

    def look(self, crops: Tensor, inputs: str = "penultimate") -> Looked:
        """What is seen in crops that are cut out already, all at once.

        Args:
            crops: (B, 3, h, w), RGB from 0 to 255, of any dtype and size; their pixels tile the
                region of a person, as `person_regions` has it.
            inputs: the kind of features.
        """
        ...

    def locate(self, people: People, inputs: str | None = None) -> Located:
        """Joints of people on their images, as `detect` has them; with features if asked for."""
        ...

    def fingerprint(self) -> str:
        """Hexadecimal digits that change with whatever features and joints depend on."""
        ...


def as_feature_detector(detector: Detector, source: object = "detector") -> FeatureDetector:
    """The detector, if it is a `FeatureDetector`; else `InputError`."""
    found = getattr(detector, "name", type(detector).__name__)
    require(
        isinstance(detector, FeatureDetector), source, "",
        expected="a detector that shows what its last layer takes in: a run of `train sbl` or "
        "`train rle`, or a ViTPose in the format of transformers",
        found=f"{found}, which shows nothing of it",
    )  # fmt: skip
    assert isinstance(detector, FeatureDetector)
    return detector


def chosen_inputs(detector: str, inputs: str, kinds: tuple[str, ...]) -> str:
    """`inputs`, if it is one of the kinds that a detector has; else `InputError`."""
    require(inputs in kinds, detector, "inputs", expected=f"one of {kinds}", found=repr(inputs))
    return inputs


def prediction_and_confidence(pixels: Tensor, confidence: Tensor, size: tuple[int, int]) -> Tensor:
    """What a detector says, in numbers (B, 3 J): places as shares of the sides, and confidences.

    Args:
        pixels: (B, J, 2) px of the crop, or of the heatmap.
        confidence: (B, J).
        size: its width and height.
    """
    places = (pixels + 0.5) / torch.tensor(size).to(pixels) - 0.5
    return torch.cat([places.flatten(1).to(confidence), confidence], 1)


def beside_features(features: Tensor, numbers: Tensor) -> Tensor:
    """Features (B, C + N, ...) with numbers (B, N) beside them, the same at each pixel of a map."""
    if features.ndim == 4:
        numbers = numbers[..., None, None].expand(-1, -1, *features.shape[-2:])
    return torch.cat([features, numbers.to(features)], 1)

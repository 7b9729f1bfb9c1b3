"""ViTPose (Xu et al. 2022) by `transformers`: heatmaps, their Gaussians, and features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from poseterior.data.fingerprint import tensors_fingerprint
from poseterior.detectors.crops import PADDING, Grid, cut, person_regions
from poseterior.detectors.extra import import_extra
from poseterior.detectors.feature_detector import (
    Looked,
    beside_features,
    chosen_inputs,
    prediction_and_confidence,
)
from poseterior.detectors.topdown import Located, People, detect_people, people_batches
from poseterior.detectors.weights import as_device, load_model, model_folder
from poseterior.errors import require
from poseterior.geometry.skeleton import COCO_17
from poseterior.heatmaps import TARGET_SIGMA_PX, fit_gaussians, without_blur
from poseterior.keypoints import Keypoints

__all__ = ["Heatmaps", "VitPose"]

_INPUTS = ("penultimate", "with_prediction_and_confidence")


@dataclass(frozen=True, eq=False)
class Heatmaps:
    """What the network says of N people, on its device.

    Attributes:
        heatmaps: (N, 17, h, w), of COCO's joints; averaged with the mirrored crop's if asked.
        features: (N, C, h, w) that the last layer makes the heatmaps of, of the crop as it is;
            what confidence heads take (paper 003, section 5). None if not asked for.
        grid: where the heatmaps' pixels lie in the images.
    """

    heatmaps: Tensor
    features: Tensor | None
    grid: Grid


class VitPose:
    """ViTPose as a `Detector`; the heatmaps are those of people one by one, in their boxes.

    Args:
        model: a `VitPoseForPoseEstimation` of COCO's 17 joints.
        processor: its `VitPoseImageProcessorPil`.
        device: where it runs; keypoints come back on the CPU.
        flip: average with the heatmaps of the mirrored crop: better, and twice the time.
        batch_size: people at a time, of one image or of several.
        blur: heatmap px, standard deviation of the Gaussians that it was trained to draw, which
            is taken off the fitted ones (`without_blur`); 0 leaves it in.
    """

    name: ClassVar[str] = "vitpose"
    repository: ClassVar[str] = "usyd-community/vitpose-base-simple"
    skeleton = COCO_17

    def __init__(
        self,
        model: Any,
        processor: Any,
        device: str | torch.device = "cpu",
        flip: bool = True,
        batch_size: int = 32,
        blur: float = TARGET_SIGMA_PX,
    ) -> None:
        require(batch_size > 0, "VitPose", "batch_size", expected="1 or more", found=batch_size)
        self.device = as_device(device)
        self.model, self.processor = model.to(self.device), processor
        self.flip, self.batch_size, self.blur = flip, batch_size, blur
        self.size = (processor.size["width"], processor.size["height"])
        self._partners = list(COCO_17.partners)

    @classmethod
    def load(
        cls, source: str | os.PathLike[str] | None = None, device: str = "cpu", **options: Any
    ) -> VitPose:
        """From a folder, or a repository in the user's cache; nothing is downloaded.

        Args:
            source: as of `model_folder`; `VitPose.repository` if None.
            device: such as cpu or cuda.
            options: `flip`, `batch_size`, `blur`.

        Raises:
            InputError: the extra is not installed, the model is not there (with the command
                that fetches it), is another architecture, damaged, or not of 17 joints.
        """
        transformers = import_extra("transformers")
        folder = model_folder(source or cls.repository, "vitpose")
        kind, processor = transformers.VitPoseForPoseEstimation, _processor()
        model, prepare = load_model(kind, processor, folder)
        _check(model, prepare, folder)
        return cls(model, prepare, device, **options)

    def detect(self, images: Sequence[np.ndarray], boxes: Sequence[Tensor]) -> list[Keypoints]:
        """See `Detector.detect`. `confidence` is the heatmap's highest value."""
        return detect_people(images, boxes, self.locate, self.batch_size)

    def heatmaps(
        self, images: Sequence[np.ndarray], boxes: Sequence[Tensor], features: bool = False
    ) -> list[Heatmaps]:
        """The heatmaps of all people in order, a batch each, with `features` if asked for."""
        return [
            self._run(people, features) for people in people_batches(images, boxes, self.batch_size)
        ]

    def look(self, crops: Tensor, inputs: str = "penultimate") -> Looked:
        """See `FeatureDetector.look`: the crops are cut as photographs are."""
        height, width = crops.shape[-2:]
        # A border, for the outermost points are on the edge, beyond which photographs are black.
        framed = torch.nn.functional.pad(crops.float(), (1, 1, 1, 1), mode="replicate")
        images = framed.round().byte().permute(0, 2, 3, 1).cpu().numpy()
        box = torch.tensor([width, height, width, height], dtype=torch.float64) / PADDING / 2
        box = (box * torch.tensor([-1, -1, 1, 1])) + torch.tensor([width + 1, height + 1] * 2) / 2
        found = self.locate(People(list(images), box.expand(len(crops), 4)), inputs)
        assert found.features is not None
        return Looked(found.features, found.pixels - 1, found.confidence)

    def fingerprint(self) -> str:
        """See `FeatureDetector.fingerprint`."""
        processor = self.processor
        settings = self.size, processor.image_mean, processor.image_std
        return tensors_fingerprint(self.model.state_dict(), self.name, settings)

    def locate(self, people: People, inputs: str | None = None) -> Located:
        """See `FeatureDetector.locate`."""
        if inputs is not None:
            chosen_inputs(self.name, inputs, _INPUTS)
        seen = self._run(people, features=inputs is not None)
        # Fits are in double precision, which accelerators but CUDA may lack.
        on_gpu = seen.heatmaps.is_cuda
        fit = fit_gaussians(seen.heatmaps if on_gpu else seen.heatmaps.cpu())
        # A second mode widens the covariance: the joint may be there.
        covariance = without_blur(fit.covering.cpu(), self.blur)
        return Located(
            seen.grid.points(fit.mean.cpu()),
            seen.grid.covariances(covariance),
            seen.heatmaps.amax((-2, -1)),
            fit.two_peaked | ~fit.converged,
            self._inputs(seen, fit.mean, inputs),
        )

    def _inputs(self, seen: Heatmaps, places: Tensor, inputs: str | None) -> Tensor | None:
        """Features of a kind."""
        if seen.features is None or inputs == "penultimate":
            return seen.features
        height, width = seen.heatmaps.shape[-2:]
        peaks = seen.heatmaps.amax((-2, -1))
        told = prediction_and_confidence(places.to(peaks), peaks, (width, height))
        return beside_features(seen.features, told)

    @torch.no_grad()
    def _run(self, people: People, features: bool) -> Heatmaps:
        regions = person_regions(people.boxes, self.size)
        grid = Grid.unbiased(regions, self.size)
        crops = [cut(image, grid, row, self.size) for row, image in enumerate(people.images)]
        prepared = self.processor(crops, boxes=None, do_affine_transform=False, return_tensors="pt")
        pixels = prepared["pixel_values"].to(self.device)
        heatmaps, penultimate = self._forward(pixels, features)
        if self.flip:
            # The heatmaps' grid is symmetric in the crop, so mirroring needs no shift.
            mirrored, _ = self._forward(pixels.flip(-1), features=False)
            heatmaps = (heatmaps + mirrored[:, self._partners].flip(-1)) / 2
        height, width = heatmaps.shape[-2:]
        return Heatmaps(heatmaps, penultimate, Grid.unbiased(regions, (width, height)))

    def _forward(self, pixels: Tensor, features: bool) -> tuple[Tensor, Tensor | None]:
        """Heatmaps, and the last convolution's input if asked for."""
        seen: list[Tensor] = []
        experts = {}
        if self.model.config.backbone_config.num_experts > 1:  # ViTPose+: the first is COCO's
            experts["dataset_index"] = torch.zeros(len(pixels), dtype=torch.long).to(pixels.device)
        last = self.model.head.conv
        hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            heatmaps = self.model(pixels, **experts).heatmaps
        finally:
            hook.remove()
        return heatmaps.float(), seen[0] if features else None


def _processor() -> Any:
    """The image processor that needs no torchvision."""
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    return VitPoseImageProcessorPil


def _check(model: Any, processor: Any, folder: Path) -> None:
    joints, size = model.config.num_labels, processor.size
    require(
        joints == len(COCO_17), folder / "config.json", "num_labels",
        expected=f"{len(COCO_17)}, COCO's joints", found=joints,
    )  # fmt: skip
    expected = tuple(model.config.backbone_config.image_size)
    found = (size["height"], size["width"])
    require(
        found == expected, folder / "preprocessor_config.json", "size",
        expected=f"{expected}, height and width of the model's own", found=found,
    )  # fmt: skip

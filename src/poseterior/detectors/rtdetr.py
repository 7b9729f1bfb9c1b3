"""RT-DETR (Zhao et al. 2024) by `transformers`: boxes of people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from poseterior.data.fingerprint import tensors_fingerprint
from poseterior.detectors.extra import import_extra
from poseterior.detectors.images import as_rgb
from poseterior.detectors.weights import as_device, load_model, model_folder
from poseterior.errors import InputError, require
from poseterior.keypoints import PersonBoxes

__all__ = ["RTDetr"]


class RTDetr:
    """RT-DETR as a `PersonFinder`.

    Args:
        model: an `RTDetrForObjectDetection` that knows the class person.
        processor: its `RTDetrImageProcessorPil`.
        device: where it runs; boxes come back on the CPU.
        threshold: people with a lower score are left out.
        batch_size: images at a time.
    """

    name: ClassVar[str] = "rtdetr"
    repository: ClassVar[str] = "PekingU/rtdetr_r50vd_coco_o365"

    def __init__(
        self,
        model: Any,
        processor: Any,
        device: str | torch.device = "cpu",
        threshold: float = 0.3,
        batch_size: int = 8,
    ) -> None:
        require(
            0 <= threshold < 1, "RTDetr", "threshold", expected="0 or more, below 1",
            found=threshold,
        )  # fmt: skip
        require(batch_size > 0, "RTDetr", "batch_size", expected="1 or more", found=batch_size)
        self.device = as_device(device)
        self.model, self.processor = model.to(self.device), processor
        self.threshold, self.batch_size = threshold, batch_size
        self._person = _person_class(model, "RTDetr")

    @classmethod
    def load(
        cls, source: str | os.PathLike[str] | None = None, device: str = "cpu", **options: Any
    ) -> RTDetr:
        """From a folder, or a repository in the user's cache; nothing is downloaded.

        Args:
            source: as of `model_folder`; `RTDetr.repository` if None.
            device: such as cpu or cuda.
            options: `threshold`, `batch_size`.

        Raises:
            InputError: the extra is not installed, the model is not there (with the command
                that fetches it), is another architecture, damaged, or knows no people.
        """
        transformers = import_extra("transformers")
        folder = model_folder(source or cls.repository, "rt_detr")
        kind, processor = transformers.RTDetrForObjectDetection, _processor()
        model, prepare = load_model(kind, processor, folder)
        _person_class(model, folder / "config.json")
        return cls(model, prepare, device, **options)

    def find(self, images: Sequence[np.ndarray]) -> list[PersonBoxes]:
        """See `PersonFinder.find`. Boxes are clipped to the image."""
        checked = [as_rgb(image, f"image {index}") for index, image in enumerate(images)]
        found: list[PersonBoxes] = []
        for start in range(0, len(checked), self.batch_size):
            found += self._batch(checked[start : start + self.batch_size])
        return found

    def fingerprint(self) -> str:
        """Hexadecimal digits that change with the weights and the threshold."""
        return tensors_fingerprint(self.model.state_dict(), self.name, self.threshold)

    @torch.no_grad()
    def _batch(self, images: list[np.ndarray]) -> list[PersonBoxes]:
        prepared = self.processor(images, return_tensors="pt")
        seen = self.model(prepared["pixel_values"].to(self.device))
        scores = seen.logits[..., self._person].float().sigmoid().cpu()
        return [
            self._people(score, box, image)
            for score, box, image in zip(scores, seen.pred_boxes.float().cpu(), images, strict=True)
        ]

    def _people(self, score: Tensor, box: Tensor, image: np.ndarray) -> PersonBoxes:
        """Of all queries' scores (Q,) and boxes (Q, 4), centre and size over the image's size."""
        size = torch.tensor(image.shape[1::-1])
        centre, half = box[:, :2] * size, box[:, 2:] * size / 2
        low, high = (centre - half).clamp_min(0), torch.minimum(centre + half, size)
        # Pixel i covers i - 1/2 to i + 1/2.
        corners = torch.cat([low, high], -1) - 0.5
        kept = (score > self.threshold) & (low < high).all(-1)
        order = score[kept].argsort(descending=True, stable=True)
        return PersonBoxes(corners[kept][order], score[kept][order])


def _processor() -> Any:
    """The image processor that needs no torchvision."""
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    return RTDetrImageProcessorPil


def _person_class(model: Any, source: str | Path) -> int:
    classes: dict[int, str] = model.config.id2label
    people = [index for index, label in classes.items() if label == "person"]
    if len(people) != 1:
        some = ", ".join(list(classes.values())[:3])
        raise InputError(source, "id2label", expected="a class person", found=f"{some}, ...")
    return int(people[0])

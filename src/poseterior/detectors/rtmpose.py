"""RTMPose (Jiang et al. 2023) by onnxruntime, from an ONNX file: SimCC bins, their mean and width.

MMPose's published configuration: RGB less the mean over the standard deviation of ImageNet,
crops of 1.25 times the box by the plain grid of `crops`, two bins for each pixel of the crop
along each axis. Over the bins of an axis of n pixels it was trained to draw Gaussians of height 1
and of variance n / 8 bins² (sigma 4.9 and 5.66 for 192 x 256 px).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from poseterior.data.fingerprint import file_fingerprint
from poseterior.detectors.crops import Grid, cut, person_regions
from poseterior.detectors.onnx_file import open_onnx
from poseterior.detectors.topdown import Located, People, detect_people
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import COCO_17
from poseterior.heatmaps.simcc import fit_simcc, peak_variance
from poseterior.keypoints import Keypoints

__all__ = ["RTMPose"]

_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)
_LEAST = 0.3  # of a 64th of the crop's height: the least standard deviation, as of heatmaps
_ARCHIVE = "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.zip"
_SITE = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk"


class RTMPose:
    """RTMPose as a `Detector`; people one by one, in their boxes.

    Args:
        path: an ONNX file with one input (B, 3, h, w) and two outputs (B, 17, r w) and
            (B, 17, r h), the scores of the bins along x and y, r bins a pixel. Where the
            input's B is 1, people are run one by one.
        device: cpu or cuda; keypoints come back on the CPU.
        flip: average with the scores of the mirrored crop: better, and twice the time.
        batch_size: people at a time, of one image or of several.

    Raises:
        InputError: onnxruntime is not installed, the file is not there, not ONNX, or another
            network.
    """

    name: ClassVar[str] = "rtmpose"
    skeleton = COCO_17

    def __init__(
        self,
        path: str | os.PathLike[str],
        device: str | torch.device = "cpu",
        flip: bool = True,
        batch_size: int = 32,
    ) -> None:
        require(batch_size > 0, "RTMPose", "batch_size", expected="1 or more", found=batch_size)
        self.path, self.session = Path(path), open_onnx(Path(path), device)
        self.flip, self.batch_size = flip, batch_size
        self._input, self.size, self._at_once = _input(self.session, self.path)
        self.bins_per_pixel = self._bins_per_pixel()
        self._partners = list(COCO_17.partners)
        self._certain = torch.tensor(
            [peak_variance((side / 8) ** 0.5 / self.bins_per_pixel) for side in self.size]
        )
        self._least = (_LEAST * self.size[1] / 64) ** 2

    @classmethod
    def load(
        cls, source: str | os.PathLike[str] | None = None, device: str = "cpu", **options: Any
    ) -> RTMPose:
        """From an ONNX file, a folder with one, or the user's cache; nothing is downloaded.

        Args:
            source: file or folder; the cache's folder poseterior/rtmpose if None.
            device: cpu or cuda.
            options: `flip`, `batch_size`.

        Raises:
            InputError: as of the class; not there, with the command that fetches it.
        """
        return cls(_onnx_file(source), device, **options)

    def detect(self, images: Sequence[np.ndarray], boxes: Sequence[Tensor]) -> list[Keypoints]:
        """See `Detector.detect`. `confidence` is the lower of both axes' highest scores."""
        return detect_people(images, boxes, self._locate, self.batch_size)

    def fingerprint(self) -> str:
        """Hexadecimal digits that change with whatever keypoints depend on: the file's."""
        return file_fingerprint(self.path)

    def _locate(self, people: People) -> Located:
        x, y, grid = self._run(people)
        fit = fit_simcc(x, y, self.bins_per_pixel)
        # Second modes widen the variance; what certain joints have too is taken off.
        variance = fit.covering.diagonal(dim1=-2, dim2=-1) - self._certain
        error = torch.diag_embed(variance.clamp_min(self._least))
        doubtful = fit.two_peaked | ~fit.converged
        return Located(grid.points(fit.mean), grid.covariances(error), fit.confidence, doubtful)

    def _run(self, people: People) -> tuple[Tensor, Tensor, Grid]:
        """Scores (N, 17, r w) and (N, 17, r h) of the bins, and where the crops' pixels lie."""
        grid = Grid.plain(person_regions(people.boxes, self.size), self.size)
        crops = np.stack(
            [cut(image, grid, row, self.size) for row, image in enumerate(people.images)]
        )
        pixels = ((crops - _MEAN) / _STD).transpose(0, 3, 1, 2)
        x, y = self._forward(pixels)
        if self.flip:
            mirrored_x, mirrored_y = self._forward(pixels[..., ::-1])
            x = (x + _mirrored(mirrored_x[:, self._partners], x, self.bins_per_pixel)) / 2
            y = (y + mirrored_y[:, self._partners]) / 2
        return x, y, grid

    def _forward(self, pixels: np.ndarray) -> tuple[Tensor, Tensor]:
        """Scores of the bins of crops (N, 3, h, w) float32."""
        step = self._at_once or len(pixels)
        parts = [
            self.session.run(
                None, {self._input: np.ascontiguousarray(pixels[start : start + step])}
            )
            for start in range(0, len(pixels), step)
        ]
        x, y = (torch.from_numpy(np.concatenate(axis)).float() for axis in zip(*parts, strict=True))
        return x, y

    def _bins_per_pixel(self) -> int:
        """Of both axes, from one black crop."""
        width, height = self.size
        x, y = self._forward(np.zeros((1, 3, height, width), np.float32))
        ratio = x.shape[-1] // width
        joints = len(COCO_17)
        expected = (1, joints, ratio * width), (1, joints, ratio * height)
        require(
            ratio > 0 and (tuple(x.shape), tuple(y.shape)) == expected, self.path, "outputs",
            expected=f"(B, {joints}, r {width}) and (B, {joints}, r {height}), the scores of bins",
            found=f"{tuple(x.shape)} and {tuple(y.shape)}",
        )  # fmt: skip
        return ratio


def _mirrored(scores: Tensor, otherwise: Tensor, ratio: int) -> Tensor:
    """Scores (N, J, r w) along x of mirrored crops as those of the crops themselves.

    Pixel u is w - 1 - u in the mirror, so bin k is r (w - 1) - k: the last r - 1 bins, beyond
    the last pixel's centre, have no counterpart and keep the scores that they have otherwise.
    """
    seen = scores.shape[-1] - (ratio - 1)
    return torch.cat([scores[..., :seen].flip(-1), otherwise[..., seen:]], -1)


def _input(session: Any, path: Path) -> tuple[str, tuple[int, int], int | None]:
    """The input's name, width and height of the crops, and how many at once if that is fixed."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    one = inputs[0]
    shape = list(one.shape)
    good = len(inputs) == 1 and len(outputs) == 2 and one.type == "tensor(float)"
    good = good and len(shape) == 4 and shape[1] == 3
    good = good and all(isinstance(side, int) for side in shape[2:])
    good = good and (shape[0] == 1 or not isinstance(shape[0], int))
    require(
        good, path, "inputs and outputs",
        expected="one float input (B, 3, h, w), B of any size or 1, and two outputs",
        found=f"inputs {[(i.type, i.shape) for i in inputs]}, outputs {[o.shape for o in outputs]}",
    )  # fmt: skip
    return one.name, (shape[3], shape[2]), 1 if shape[0] == 1 else None


def _onnx_file(source: str | os.PathLike[str] | None) -> Path:
    """The file itself, the only one of a folder, or that of the cache."""
    path = _cache() if source is None else Path(source)
    if path.is_dir() and (files := sorted(path.glob("*.onnx"))):
        names = ", ".join(file.name for file in files)
        require(len(files) == 1, path, "", expected="one .onnx file, or its path", found=names)
        return files[0]
    if path.is_file():
        return path
    cache = shlex.quote(str(_cache()))
    download = f"curl -LO {_SITE}/{_ARCHIVE}"
    unpack = f"mkdir -p {cache} && unzip -j {_ARCHIVE} '*.onnx' -d {cache}"
    command = f"{download} && {unpack}"
    raise InputError(path, "", expected=f"an ONNX file; fetch it: {command}", found="nothing")


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "poseterior" / "rtmpose"

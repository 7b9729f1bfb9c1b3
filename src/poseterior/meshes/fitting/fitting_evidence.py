"""Keypoints as evidence: where a camera saw them, and how much each tells."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from poseterior.data.assumptions import camera_matrix
from poseterior.errors import known, require
from poseterior.keypoints import Keypoints

__all__ = ["FEWEST", "WEIGHTS", "Evidence", "evidence_of", "person_size"]

# With fewer keypoints there are as many bodies as the prior has.
FEWEST = 4
WEIGHTS = ("covariance", "confidence", "uniform")

_NEAREST = 0.1  # metres; a landmark nearer to the camera's plane is projected as if there
_FLOOR_PX = 0.5  # standard deviation that no keypoint is more certain than
_SHARE_OF_SIZE = 0.05  # standard deviation without a covariance, of a person's size
_ASSUMED_SIZE = 0.1  # of a person of whom too little is seen: about 4.5 m away


@dataclass(frozen=True, eq=False)
class Evidence:
    """Keypoints (B, J) of one camera, and how much each tells.

    Attributes:
        pixels: (B, J, 2) px, zero where not valid.
        valid: (B, J) bool.
        whiten: (B, J, 2, 2) W, 1/px: an error in px to one in standard deviations.
        share: (B, J) a, what the error counts; 0 where not valid.
        intrinsics: (B, 3, 3).
        rotation, translation: (B, 3, 3), (B, 3) from the body's axes to the camera's.
    """

    pixels: Tensor
    valid: Tensor
    whiten: Tensor
    share: Tensor
    intrinsics: Tensor
    rotation: Tensor
    translation: Tensor

    def seen_from(self, rotation: Tensor, translation: Tensor) -> Evidence:
        """The same keypoints, of a camera that stands elsewhere."""
        return replace(self, rotation=rotation, translation=translation)

    def error_px(self, landmarks: Tensor) -> Tensor:
        """(..., B, J, 2) px from keypoints to landmarks (..., B, J, 3); 0 where not valid."""
        camera = landmarks @ self.rotation.mT + self.translation[:, None]
        flat = camera[..., :2] / camera[..., 2:].clamp_min(_NEAREST)
        matrix, centre = self.intrinsics[:, :2, :2], self.intrinsics[:, None, :2, 2]
        error = flat @ matrix.mT + centre - self.pixels
        return torch.where(self.valid[..., None], error, 0.0)

    def error(self, landmarks: Tensor) -> Tensor:
        """(..., B, J, 2): the same in standard deviations."""
        return (self.whiten @ self.error_px(landmarks)[..., None])[..., 0]

    def slope(self, landmarks: Tensor) -> Tensor:
        """(..., B, J, 2, 3): derivatives of `error` by the landmarks."""
        camera = landmarks @ self.rotation.mT + self.translation[:, None]
        near = camera[..., 2:] < _NEAREST
        depth = camera[..., 2:].clamp_min(_NEAREST)
        flat = camera[..., :2] / depth
        across = torch.eye(2).to(flat).expand(*flat.shape, 2)
        along = torch.where(near, 0.0, -flat)[..., None]
        by_camera = torch.cat([across, along], -1) / depth[..., None]
        to_error = self.whiten @ self.intrinsics[:, None, :2, :2]
        return to_error @ by_camera @ self.rotation[:, None]


def person_size(keypoints: Keypoints) -> tuple[Tensor, Tensor]:
    """Centre (B, 2) and size (B,) of people as image points x/z, y/z.

    The size is the root mean square distance from the centre; of fewer than four keypoints it
    tells nothing and is assumed. `InputError` if neither intrinsics nor image size are known.
    """
    matrix = _intrinsics(keypoints)
    scale = matrix.diagonal(dim1=-2, dim2=-1)[:, None, :2]
    points = (keypoints.pixels - matrix[:, None, :2, 2]) / scale
    points = torch.where(keypoints.valid[..., None], points, 0.0)
    count = keypoints.valid.sum(-1)
    some = count.clamp_min(1).to(points)[:, None]
    centre = points.sum(1) / some
    off = torch.where(keypoints.valid[..., None], points - centre[:, None], 0.0)
    size = (off.square().sum((1, 2)) / some[:, 0]).sqrt().clamp_min(1e-3)
    return centre, torch.where(count < FEWEST, _ASSUMED_SIZE, size)


def evidence_of(keypoints: Keypoints, weights: str, source: str = "Keypoints") -> Evidence:
    """What keypoints with batch shape (B,) tell, seen by a camera at the origin.

    Args:
        keypoints: those that are not valid tell nothing.
        weights: 'covariance', each by its own; 'confidence', all by one standard deviation, a
            twentieth of the person's size, counted as much as the detector's raw number says
            (paper 003, Table 6); 'uniform', the same counted alike.
        source: named in errors.

    Raises:
        InputError: other weights; numbers of valid keypoints that are not finite, a covariance
            that is none, weights by confidence without one.
    """
    known("weights", weights, WEIGHTS)
    _check(keypoints, weights, source)
    valid, pixels = keypoints.valid, keypoints.pixels
    pixels = torch.where(valid[..., None], pixels, 0.0)
    share = valid.to(pixels)
    if weights == "confidence":
        assert keypoints.confidence is not None  # by _check
        share = torch.where(valid, keypoints.confidence, 0.0).clamp_min(0).to(pixels)
    turn, place = torch.eye(3).to(pixels), torch.zeros(3).to(pixels)
    return Evidence(
        pixels, valid, _whitening(keypoints, weights, source), share, _intrinsics(keypoints),
        turn.expand(len(pixels), 3, 3), place.expand(len(pixels), 3),
    )  # fmt: skip


def _intrinsics(keypoints: Keypoints) -> Tensor:
    if keypoints.intrinsics is not None:
        return keypoints.intrinsics
    require(
        keypoints.image_size is not None,
        "Keypoints", "intrinsics", expected="intrinsics or image_size", found="neither",
    )  # fmt: skip
    assert keypoints.image_size is not None
    return camera_matrix(keypoints.image_size).to(keypoints.pixels)


def _whitening(keypoints: Keypoints, weights: str, source: str) -> Tensor:
    """(B, J, 2, 2) W with W' W the inverse of the covariance."""
    valid, unit = keypoints.valid[..., None, None], torch.eye(2).to(keypoints.pixels)
    if weights != "covariance":
        focal = _intrinsics(keypoints).diagonal(dim1=-2, dim2=-1)[:, :2].mean(-1)
        px = (_SHARE_OF_SIZE * person_size(keypoints)[1] * focal).clamp_min(_FLOOR_PX)
        return (unit / px[:, None, None, None]).expand(*keypoints.covariance.shape)
    covariance = torch.where(valid, keypoints.covariance, 0.0) + _FLOOR_PX**2 * unit
    factor, wrong = torch.linalg.cholesky_ex(covariance)
    require(
        not bool(wrong.any()),
        source, "covariance", expected="positive definite where valid", found="others",
    )  # fmt: skip
    return torch.linalg.solve_triangular(factor, unit.expand_as(factor), upper=False)


def _check(keypoints: Keypoints, weights: str, source: str) -> None:
    batch = tuple(keypoints.batch_shape)
    require(len(batch) == 1, source, "batch", expected="shape (B,)", found=batch)
    require(
        weights != "confidence" or keypoints.confidence is not None,
        source, "confidence", expected="the detector's numbers, to weigh by them", found="none",
    )  # fmt: skip
    valid = keypoints.valid
    values = {"pixels": keypoints.pixels[valid], "intrinsics": keypoints.intrinsics}
    if weights == "covariance":
        values["covariance"] = keypoints.covariance[valid]
    if weights == "confidence" and keypoints.confidence is not None:
        values["confidence"] = keypoints.confidence[valid]
    for name, value in values.items():
        finite = value is None or bool(value.isfinite().all())
        require(finite, source, name, expected="finite numbers", found="NaN or infinity")

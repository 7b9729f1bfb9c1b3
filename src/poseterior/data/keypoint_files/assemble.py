"""From what a file says to a `KeypointTable`: joints, validity, camera and covariances."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.data.assumptions import complete_camera
from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.keypoint_files.detections import Detections
from poseterior.data.keypoint_files.layout import find_layout
from poseterior.data.keypoint_files.table import KeypointTable
from poseterior.errors import require
from poseterior.keypoints import Keypoints

__all__ = ["tabulate"]

# Beyond any image; keeps squares within float32.
_LARGEST_PX = 1e7


def tabulate(
    detections: Detections,
    skeleton: str | None = None,
    joint_map: Mapping[str, str] | str | Path | None = None,
    image_size: tuple[float, float] | None = None,
    focal: float | None = None,
    rule: CovarianceRule | None = None,
) -> KeypointTable:
    """The table of a file's detections, with whatever had to be assumed written down.

    `InputError` for infinite numbers, coordinates that are no pixels, a file without a single
    detected joint, and all that `find_layout` and `complete_camera` refuse.
    """
    layout = find_layout(detections, skeleton, joint_map)
    values = _joints(detections.values, layout.points, np.nan)
    _check_finite(values, detections, layout.skeleton.joints)
    valid, confidence = _valid(values)
    _check_pixels(values[..., :2], valid, detections.source)
    pixels = torch.from_numpy(np.where(valid[..., None], values[..., :2], 0).astype(np.float32))
    there = torch.from_numpy(valid)
    own = None if detections.image_size is None else torch.from_numpy(detections.image_size)
    size, intrinsics, camera = complete_camera(
        pixels, there, image_size, focal, own, detections.source
    )
    covariance, said = _covariance(pixels, confidence, there, rule or CovarianceRule())
    flags = detections.visible
    visible = None if flags is None else _joints(flags, layout.points, False)
    keypoints = Keypoints(
        pixels=pixels,
        covariance=covariance,
        valid=there,
        skeleton=layout.skeleton,
        image_size=size.contiguous(),
        intrinsics=intrinsics,
        confidence=confidence,
        visible=visible if visible is None else torch.from_numpy(visible),
    )
    return KeypointTable(
        keypoints=keypoints,
        frame=torch.from_numpy(detections.frame),
        person=torch.from_numpy(detections.person),
        frame_names=detections.frame_names,
        assumptions={**layout.notes, **camera, **said, **detections.notes},
    )


def _joints(values: NDArray, points: tuple[int, ...], absent: float) -> NDArray:
    """Points (M, K, ...) as joints (M, J, ...), `absent` where no point is the joint."""
    joints = values[:, list(points)]
    joints[:, np.array(points) < 0] = absent
    return joints


def _check_finite(
    values: NDArray[np.float32], detections: Detections, joints: tuple[str, ...]
) -> None:
    bad = np.abs(values) > _LARGEST_PX  # never true of NaN
    if bad.any():
        row, joint, column = np.argwhere(bad)[0]
        names = detections.frame_names
        frame = names[row] if names else detections.frame[row]
        require(
            False,
            detections.source, f"frame {frame}, {joints[joint]}",
            expected="finite pixels and scores", found=values[row, joint, column],
        )  # fmt: skip


def _valid(values: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Tensor | None]:
    """Joints (M, J) that were detected, and their confidences where the file has any."""
    xy, score = values[..., :2], values[..., 2]
    valid = ~np.isnan(xy).any(-1) & (xy != 0).any(-1)
    if np.isnan(score).all():
        return valid, None
    valid &= score > 0  # NaN, not told, is not detected either
    return valid, torch.from_numpy(np.nan_to_num(score))


def _check_pixels(xy: NDArray[np.float32], valid: NDArray[np.bool_], source: str) -> None:
    found = xy[valid]
    require(
        len(found) > 0,
        source, "keypoints", expected="a detected joint", found=f"none in {len(xy)} rows",
    )  # fmt: skip
    require(
        np.abs(found).max() > 1,
        source, "keypoints", expected="pixels",
        found="coordinates between -1 and 1 (OpenPose: write with --keypoint_scale 0)",
    )  # fmt: skip


def _covariance(
    pixels: Tensor, confidence: Tensor | None, valid: Tensor, rule: CovarianceRule
) -> tuple[Tensor, dict[str, str]]:
    notes = {}
    if confidence is not None:
        fitted = rule.scaled_to(confidence, valid)
        if fitted != rule:
            notes["confidence"] = (
                f"scores go above {rule.full_score:g}: {fitted.full_score:.4g}, "
                "their 95 % quantile, counts as certainty"
            )
        rule = fitted
    certain = "" if confidence is not None else "; no confidences, so all joints confident"
    notes["covariance"] = rule.describe() + certain
    return rule(pixels, confidence, valid), notes

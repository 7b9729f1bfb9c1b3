"""Rows of a predictions file in their camera's frame, by the keypoints that were lifted."""

from __future__ import annotations

import os
from dataclasses import replace

from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError
from poseterior.geometry.root_translation import fit_root_translation
from poseterior.metrics.weighted import weighted_mean

__all__ = ["in_camera"]


def in_camera(rows: PredictionRows, source: str | os.PathLike[str]) -> PredictionRows:
    """The same rows with every root where the row's keypoints saw the mean of its hypotheses.

    One place for all hypotheses of a row, by `fit_root_translation`. How unsure it is, most of
    all its depth, is not in the hypotheses: a body taken for 5 % bigger than it is stands 5 %
    too far away. (Places fitted to each hypothesis would be worse: errors of single joints make
    a body look bigger, and its place too far.)

    Raises:
        InputError: no keypoints or no camera, or a valid row with fewer than two joints seen or
            a pose that fits only behind the camera; it names the `source`.
    """
    if rows.observed_keypoints is None or rows.observed_intrinsics is None:
        raise InputError(
            source, "observed_keypoints, observed_intrinsics",
            expected="both, to place poses before the camera", found="a file that lacks them",
        )  # fmt: skip
    if not rows.valid.any():
        return rows
    used = rows.observed_valid
    if rows.valid_joints is not None:
        used = rows.valid_joints if used is None else used & rows.valid_joints

    def chosen(array: Tensor | None) -> Tensor | None:
        return None if array is None else array[rows.valid]

    hypotheses = rows.hypotheses.clone()
    mean = weighted_mean(hypotheses[rows.valid], chosen(rows.weights))
    pixels, camera = rows.observed_keypoints[rows.valid], rows.observed_intrinsics[rows.valid]
    try:
        root = fit_root_translation(
            mean, pixels, camera, chosen(rows.observed_covariance), chosen(used)
        )
    except InputError as error:
        field = f"observed_keypoints of rows {rows.start} to {rows.start + len(rows) - 1}"
        raise InputError(source, field, expected=error.expected, found=error.found) from error
    hypotheses[rows.valid] += root[:, None, None].to(hypotheses)
    return replace(rows, hypotheses=hypotheses)

"""Whom a repair of confidences is fitted on: other images, or folds of the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseterior.batch.confidence_options import ConfidenceOptions
from poseterior.batch.confidence_scores import ScoredResults
from poseterior.confidence.matching import LEAST_OKS
from poseterior.confidence.repair import Confidences, Repair, cross_fitted, fold_of
from poseterior.data.coco.results import COVARIANCES, SIGMAS
from poseterior.errors import InputError, require

__all__ = ["fitted_confidences", "folds_of", "read_other", "require_covariances"]


def read_other(
    fit_on: tuple[Path, Path] | None, options: ConfidenceOptions
) -> ScoredResults | None:
    """What to fit on, if it is told, without the entries of the file, which nobody writes."""
    if fit_on is None:
        return None
    other = ScoredResults.read(*fit_on)
    require_covariances(other, options)
    other.results.entries.clear()
    return other


def fitted_confidences(
    scored: ScoredResults, other: ScoredResults | None, options: ConfidenceOptions
) -> Confidences:
    """Confidences by a repair fitted on the other files, or on folds of these.

    Raises:
        InputError: nobody to fit on, one image only, images of both, other keypoints.
    """
    fit = partial(Repair.fit, method=options.method, area=options.area)
    if other is None:
        fold = _fold(scored, options)
        return cross_fitted(scored.sample, fold, fit)
    counts = [len(each.sigmas) for each in (scored, other)]
    expected = f"{counts[0]} as of {scored.results.source}"
    same = counts[0] == counts[1]
    require(same, other.results.source, "keypoints", expected=expected, found=counts[1])
    _require_other_images(scored, other)
    _require_somebody(other, [_usable(other)], "to fit on")
    return fit(other.sample)(scored.sample)


def _fold(scored: ScoredResults, options: ConfidenceOptions) -> NDArray[np.int64]:
    """The fold (N,) of each detection; every one leaves others to be fitted on."""
    image, source = scored.results.image, scored.results.source
    expected = "detections in at least two images, or --fit-on"
    require(len(np.unique(image)) > 1, source, "image_id", expected=expected, found="one image")
    fold, usable = fold_of(image, folds_of(scored, options), options.seed), _usable(scored)
    where = f"to fit on, whichever of the {len(np.unique(fold))} folds of images is left out"
    _require_somebody(scored, [usable & (fold != each) for each in np.unique(fold)], where)
    return fold


def _usable(scored: ScoredResults) -> NDArray[np.bool_]:
    return scored.matches.counted & scored.labelled.any(1)


def _require_somebody(
    scored: ScoredResults, fitted_on: Sequence[NDArray[np.bool_]], where: str
) -> None:
    usable = _usable(scored)
    images = len(np.unique(scored.results.image[usable]))
    found = f"{usable.sum()} of {len(usable)}, in {images} image{'s' * (images != 1)}"
    expected = f"detections that are somebody's (OKS >= {LEAST_OKS}) {where}"
    good = all(mine.any() for mine in fitted_on)
    require(good, scored.results.source, "", expected=expected, found=found)


def folds_of(scored: ScoredResults, options: ConfidenceOptions) -> int:
    """Folds asked for, or as many as there are images with detections."""
    return min(options.folds, max(2, len(np.unique(scored.results.image))))


def _require_other_images(scored: ScoredResults, other: ScoredResults) -> None:
    """Refuse to fit on what is repaired: images of one number and, where told, one name."""
    seen = [
        {int(id_) for id_ in each.people.image_ids[np.unique(each.results.image)]}
        for each in (scored, other)
    ]
    names = [each.people.image_names for each in (scored, other)]

    def same(image: int) -> bool:
        told = [of.get(image) for of in names]
        return None in told or told[0] == told[1]

    shared = sorted(filter(same, seen[0] & seen[1]))
    if shared:
        found = f"{len(shared)} images of both, such as {shared[0]}"
        expected = f"other images than those of {scored.results.source}"
        raise InputError(f"--fit-on {other.results.source}", "image_id", expected=expected,
                         found=found)  # fmt: skip


def require_covariances(scored: ScoredResults, options: ConfidenceOptions) -> None:
    missing = options.method == "closed_form" and scored.results.covariance is None
    expected = f"{COVARIANCES[0]} or {SIGMAS[0]} of each detection, in px, for closed_form"
    found = "neither (isotonic and temperature need none)"
    require(not missing, scored.results.source, "[0]", expected=expected, found=found)

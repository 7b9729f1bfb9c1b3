"""Repair the confidences of a COCO results file, and say what that did."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from poseterior.batch.confidence_scores import ScoredResults
from poseterior.batch.provenance import versions
from poseterior.confidence.closed_form import AREAS
from poseterior.confidence.detector_scores import DETECTORS, score_note
from poseterior.confidence.matching import RULE, keep_found
from poseterior.confidence.repair import (
    AGGREGATIONS,
    METHODS,
    Confidences,
    Repair,
    cross_fitted,
    fold_of,
)
from poseterior.data.coco.results import COVARIANCES, SIGMAS, write_results
from poseterior.errors import InputError, known, require

__all__ = ["ConfidenceOptions", "repair_confidence"]


@dataclass(frozen=True)
class ConfidenceOptions:
    """How confidences are repaired.

    Attributes:
        method: one of `METHODS`.
        area: of closed_form, one of `AREAS`.
        aggregate: from keypoints to the person, one of `AGGREGATIONS`.
        detector: one of `DETECTORS`, or None.
        folds: of images, each repaired by what the others tell; no more than images.
        precision: wanted, of the recommended threshold.
        seed: of the folds.
    """

    method: str
    area: str = "predicted"
    aggregate: str = "visibility"
    detector: str | None = None
    folds: int = 5
    precision: float = 0.9
    seed: int = 0

    def check(self) -> None:
        """`InputError` for an option that cannot be."""
        known("--method", self.method, METHODS)
        known("--area", self.area, AREAS)
        known("--aggregate", self.aggregate, AGGREGATIONS)
        if self.detector is not None:
            known("--detector", self.detector, DETECTORS)
        good = 0 < self.precision <= 1
        require(good, "--precision", "", expected="more than 0, at most 1", found=self.precision)


def repair_confidence(
    results: str | os.PathLike[str],
    annotations: str | os.PathLike[str],
    out: str | os.PathLike[str] | None,
    options: ConfidenceOptions,
    fit_on: tuple[Path, Path] | None = None,
) -> dict[str, Any]:
    """Write `out`, the results with repaired scores, and say how good they were and are.

    Args:
        results: COCO results, `poseterior.data.coco.results`.
        annotations: of the same images.
        out: the repaired results; nothing is written if None.
        options: what to do.
        fit_on: results and annotations of other images to fit on; else folds of these images,
            each repaired by what the others tell.

    Returns:
        `before` and `after` (`ScoredResults.score`), `notes`, `data`, `versions`, `options`.

    Raises:
        InputError: options or files that cannot be used, covariances that closed_form lacks,
            other images that are the same, an mAR that would not stay.
    """
    options.check()
    other = _read_other(fit_on, options)
    scored = ScoredResults.read(Path(results), Path(annotations))
    _require_covariances(scored, options)
    told = _confidences(scored, other, options)
    del other
    raw, raw_keypoints = scored.results.score, scored.results.keypoint_score
    person, kept = keep_found(
        scored.groups, scored.oks, scored.people, raw, told.person(options.aggregate)
    )
    columns = scored.parts.items()
    parts = {name: told.person(options.aggregate, where) for name, where in columns}
    before = scored.score(raw, raw_keypoints, dict.fromkeys(parts, raw), options.precision)
    after = scored.score(person, told.keypoints, parts, options.precision)
    _require_same(scored, before["mar"], after["mar"])
    if out is not None:
        write_results(out, scored.results, person, told.keypoints, parts)
    made = {"options": asdict(options), "data": _data(results, annotations, *(fit_on or ()))}
    return (
        _about(scored, options, before, after)
        | made
        | {"notes": _notes(scored, options, fit_on, kept)}
    )


def _about(
    scored: ScoredResults,
    options: ConfidenceOptions,
    before: dict[str, Any],
    after: dict[str, Any],
) -> dict[str, Any]:
    libraries = ("scipy", "faster-coco-eval")
    return {
        "made_by": "poseterior confidence",
        "method": options.method,
        "detections": len(scored.results),
        "people": int((~scored.people.ignored).sum()),
        "images": len(scored.people.image_ids),
        "before": before,
        "after": after,
        "versions": versions() | {name: importlib.metadata.version(name) for name in libraries},
    }


def _read_other(
    fit_on: tuple[Path, Path] | None, options: ConfidenceOptions
) -> ScoredResults | None:
    """What to fit on, if it is told, without the entries of the file, which nobody writes."""
    if fit_on is None:
        return None
    other = ScoredResults.read(*fit_on)
    _require_covariances(other, options)
    other.results.entries.clear()
    return other


def _confidences(
    scored: ScoredResults, other: ScoredResults | None, options: ConfidenceOptions
) -> Confidences:
    fit = partial(Repair.fit, method=options.method, area=options.area)
    if other is None:
        fold = fold_of(scored.results.image, _folds(scored, options), options.seed)
        return cross_fitted(scored.sample, fold, fit)
    counts = [len(each.sigmas) for each in (scored, other)]
    expected = f"{counts[0]} as of {scored.results.source}"
    same = counts[0] == counts[1]
    require(same, other.results.source, "keypoints", expected=expected, found=counts[1])
    _require_other_images(scored, other)
    return fit(other.sample)(scored.sample)


def _folds(scored: ScoredResults, options: ConfidenceOptions) -> int:
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


def _require_covariances(scored: ScoredResults, options: ConfidenceOptions) -> None:
    missing = options.method == "closed_form" and scored.results.covariance is None
    expected = f"{COVARIANCES[0]} or {SIGMAS[0]} of each detection, in px, for closed_form"
    found = "neither (isotonic and temperature need none)"
    require(not missing, scored.results.source, "[0]", expected=expected, found=found)


def _require_same(scored: ScoredResults, before: float | None, after: float | None) -> None:
    expected = f"{before} as before: repair changes no pose"
    require(before == after, scored.results.source, "mar", expected=expected, found=after)


def _notes(
    scored: ScoredResults, options: ConfidenceOptions, fit_on: tuple[Path, Path] | None, kept: int
) -> dict[str, str]:
    results, matched = scored.results, scored.matches.person >= 0
    area = "the file's boxes" if results.has_boxes else "the keypoints' boxes"
    notes = {
        "score": score_note(options.detector, results.keypoint_score),
        "matching": f"{RULE}: {int(matched.sum())} of {len(matched)} are somebody's, "
        f"{int((~scored.matches.counted).sum())} left out",
        "fit": f"cross-fitted in {_folds(scored, options)} folds of images" if fit_on is None
        else f"fitted on {fit_on[0]}",
        "size": f"of detections: from {area}",
        "visibility": "the file's" if results.visibility is not None
        else "the chance that a keypoint of its score is labelled, fitted for each joint",
        "threshold": "on these annotations; where the repair was fitted on them too, by folds",
        **scored.people.notes,
    }  # fmt: skip
    if (results.score < 0).any() or (results.score > 1).any():
        notes["instance score"] = "uncalibrated: some are not from 0 to 1"
    if kept:
        notes["order"] = (
            f"{kept} images keep the detector's order of their detections, for COCO would find "
            "more people, or fewer, in another: their new scores change hands, and mAR stays; "
            "these annotations tell which images those are"
        )
    return notes


def _data(*paths: str | os.PathLike[str]) -> dict[str, str]:
    """16 hexadecimal digits of each file's content."""

    def digest(path: str | os.PathLike[str]) -> str:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]

    return {str(path): digest(path) for path in paths}

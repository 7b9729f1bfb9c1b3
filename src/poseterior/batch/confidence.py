"""Repair the confidences of a COCO results file, and say what that did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from poseterior.batch.confidence_curves import confidence_curves
from poseterior.batch.confidence_fit import fitted_confidences, read_other, require_covariances
from poseterior.batch.confidence_options import ConfidenceOptions
from poseterior.batch.confidence_scores import Judged, ScoredResults
from poseterior.batch.confidence_told import confidence_notes, made_by
from poseterior.confidence.matching import keep_found
from poseterior.confidence.repair import Confidences
from poseterior.data.coco.results import write_results
from poseterior.errors import require

__all__ = ["ConfidenceOptions", "repair_confidence"]


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
        `before` and `after` (`Judged.numbers`), `curves` (`confidence_curves`), `notes`,
        `command`, `options`, `data`, `versions`.

    Raises:
        InputError: options or files that cannot be used, nobody to fit on, covariances that
            closed_form lacks, other images that are the same, an mAR that would not stay.
    """
    options.check()
    other = read_other(fit_on, options)
    scored = ScoredResults.read(Path(results), Path(annotations))
    require_covariances(scored, options)
    repaired = fitted_confidences(scored, other, options)
    del other
    before, after, kept = _judged(scored, repaired, options, out)
    return {
        "made_by": "poseterior confidence",
        "method": options.method,
        "detections": len(scored.results),
        "people": int((~scored.people.ignored).sum()),
        "images": len(scored.people.image_ids),
        "before": before.numbers,
        "after": after.numbers,
        "curves": confidence_curves(scored, before, after, options.seed),
        "notes": confidence_notes(scored, options, fit_on, kept),
        **made_by(options, (results, annotations), out, fit_on),
    }


def _judged(
    scored: ScoredResults,
    repaired: Confidences,
    options: ConfidenceOptions,
    out: str | os.PathLike[str] | None,
) -> tuple[Judged, Judged, int]:
    """What was and what is, and in how many images the old order is kept; writes `out`."""
    raw, raw_keypoints = scored.results.score, scored.results.keypoint_score
    person, kept = keep_found(
        scored.groups, scored.oks, scored.people, raw, repaired.person(options.aggregate)
    )
    columns = scored.parts.items()
    parts = {name: repaired.person(options.aggregate, where) for name, where in columns}
    before = scored.judge(raw, raw_keypoints, dict.fromkeys(parts, raw), options.precision)
    after = scored.judge(person, repaired.keypoints, parts, options.precision)
    _require_same(scored, before.numbers["mar"], after.numbers["mar"])
    if out is not None:
        write_results(out, scored.results, person, repaired.keypoints, parts)
    return before, after, kept


def _require_same(scored: ScoredResults, before: float | None, after: float | None) -> None:
    expected = f"{before} as before: repair changes no pose"
    require(before == after, scored.results.source, "mar", expected=expected, found=after)

"""What a report on confidences tells besides its numbers: notes, the command, data, versions."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from poseterior.batch.confidence_fit import folds_of
from poseterior.batch.confidence_options import ConfidenceOptions
from poseterior.batch.confidence_scores import ScoredResults
from poseterior.batch.provenance import versions
from poseterior.confidence.detector_scores import score_note
from poseterior.confidence.matching import RULE
from poseterior.data.fingerprint import file_fingerprint

__all__ = ["confidence_notes", "made_by"]

Path = str | os.PathLike[str]


def confidence_notes(
    scored: ScoredResults, options: ConfidenceOptions, fit_on: Sequence[Path] | None, kept: int
) -> dict[str, str]:
    """What the detector's numbers are, and what was assumed, by topic."""
    results, matched = scored.results, scored.matches.person >= 0
    area = "the file's boxes" if results.has_boxes else "the keypoints' boxes"
    notes = {
        "score": score_note(options.detector, results.keypoint_score),
        "matching": f"{RULE}: {int(matched.sum())} of {len(matched)} are somebody's, "
        f"{int((~scored.matches.counted).sum())} left out",
        "fit": f"cross-fitted in {folds_of(scored, options)} folds of images" if fit_on is None
        else f"fitted on {fit_on[0]}",
        "size": f"of detections: from {area}",
        "visibility": "the file's" if results.visibility is not None
        else "the chance that a keypoint of its score is labelled, fitted for each joint",
        "threshold": "on these annotations; where the repair was fitted on them too, by folds",
        **scored.people.notes,
    }  # fmt: skip
    if (results.score < 0).any() or (results.score > 1).any():
        notes["instance score"] = "uncalibrated: some are not from 0 to 1"
    if (scored.people.ids == 0).any():
        notes["ids"] = (
            "an annotation has the id 0; it counts here as any other, whereas pycocotools takes "
            "the detection that is matched with it for matched with nobody"
        )
    if kept:
        notes["order"] = (
            f"{kept} images keep the detector's order of their detections, for COCO would find "
            "more people, or fewer, in another: their new scores change hands, and mAR stays; "
            "these annotations tell which images those are"
        )
    return notes


def made_by(
    options: ConfidenceOptions,
    files: tuple[Path, Path],
    out: Path | None,
    fit_on: Sequence[Path] | None,
) -> dict[str, Any]:
    """`command`, `options`, `data` (16 hexadecimal digits of each file) and `versions`."""
    libraries = ("scipy", "faster-coco-eval")
    return {
        "command": _command(options, files, out, fit_on),
        "options": asdict(options),
        "data": {str(path): file_fingerprint(path) for path in (*files, *(fit_on or ()))},
        "versions": versions() | {name: importlib.metadata.version(name) for name in libraries},
    }


def _command(
    options: ConfidenceOptions,
    files: tuple[Path, Path],
    out: Path | None,
    fit_on: Sequence[Path] | None,
) -> str:
    """What to type for the same repair; options that are as usual are left out."""
    words: list[object] = ["poseterior", "confidence", files[0], "--annotations", files[1]]
    for each in fields(options):
        value = getattr(options, each.name)
        if value != each.default:
            words += [f"--{each.name}", value]
    words += ["--fit-on", *fit_on] if fit_on else []
    words += ["--out", out] if out is not None else []
    return shlex.join(map(str, words))

"""The confidences that are compared: the detector's own, closed forms, curves, CCNet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from poseterior.confidence.aggregation import mean_above, mean_by_visibility
from poseterior.confidence.closed_form import AREAS, ClosedForm
from poseterior.confidence.repair import Repair
from poseterior.studies.ccnet_bench import FITTED_ON, Said, ccnet_of, said_of, seen_of
from poseterior.studies.ccnet_seen import SeenPeople
from poseterior.studies.workshop import Workshop

__all__ = ["METHODS", "original", "repaired", "said_by_all"]

METHODS = ("original", *(f"closed_form_{area}" for area in AREAS), "isotonic", "ccnet")


def original(seen: SeenPeople) -> Said:
    """The detector's own, put together by Eq. 5; they say nothing of visibility."""
    confidence = np.asarray(seen["confidence"])
    return Said(confidence, np.ones_like(confidence), mean_above(confidence))


def repaired(fitted_on: SeenPeople, seen: SeenPeople) -> Mapping[str, Said]:
    """Closed forms and curves, fitted on some people and said of others.

    They are put together as `poseterior confidence` does: by the chance that a keypoint of its
    score is labelled, fitted on the same people.
    """
    learnt, asked = fitted_on.sample(), seen.sample()
    isotonic = Repair.fit(learnt, "isotonic")
    fits = {"isotonic": isotonic}
    for area in AREAS:
        fits[f"closed_form_{area}"] = replace(isotonic, keypoints=ClosedForm.fit(learnt, area))
    said = {}
    for name, repair in fits.items():
        # All detections are of annotated boxes, so each is somebody's.
        told = replace(repair, anybody=None)(asked)
        person = mean_by_visibility(told.keypoints, told.visibility)
        said[name] = Said(told.keypoints, told.visibility, person)
    return said


def said_by_all(workshop: Workshop, name: str, fitted_on: str = FITTED_ON[0]) -> Mapping[str, Said]:
    """Every one of `METHODS` of the people of test, with what is fitted fitted on some."""
    seen = seen_of(workshop, name)
    said = {"original": original(seen), **repaired(seen_of(workshop, name, fitted_on), seen)}
    said["ccnet"] = said_of(ccnet_of(workshop, name, fitted_on), seen)
    return {method: said[method] for method in METHODS}

"""`ccnet_aggregation`: keypoints to people, by threshold or visibility (paper 003, Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.confidence.aggregation import THRESHOLD, mean_above, mean_by_visibility
from poseterior.studies.ccnet_bench import DETECTORS, Said, ccnet_of, said_of, seen_of
from poseterior.studies.ccnet_data import ccnet_data
from poseterior.studies.ccnet_methods import original
from poseterior.studies.ccnet_scored import Judge
from poseterior.studies.ccnet_seen import SeenPeople
from poseterior.studies.ccnet_table import checked_every
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["CCNET_AGGREGATION", "TAUS"]

TAUS = tuple(step / 10 for step in range(10))
_BINS = 40


def _run(detector: str, workshop: Workshop, scoring: Scoring) -> Rows:
    checked_every(scoring)
    seen = seen_of(workshop, detector)
    judge = Judge.of(workshop, seen)
    learnt = said_of(ccnet_of(workshop, detector), seen)
    rows: Rows = []
    for method, said in (("original", original(seen)), ("ccnet", learnt)):
        ways: dict[str, tuple[float | None, NDArray[np.float64]]] = {
            f"{method}, above {tau:.1f}": (tau, mean_above(said.keypoints, tau)) for tau in TAUS
        }
        # Who is labelled is the network's to say, of the detector's confidences too.
        weighted = mean_by_visibility(said.keypoints, learnt.visibility)
        ways[f"{method}, by visibility"] = (None, weighted)
        ways[f"{method}, by true visibility"] = (
            None, mean_by_visibility(said.keypoints, seen.labelled.astype(float))
        )  # fmt: skip
        for variant, (tau, person) in ways.items():
            row = judge.row(Said(said.keypoints, learnt.visibility, person))
            keys = ("map", "mar", "ause_instance", "pearson_instance")
            about = {"detector": detector, "method": method, "variant": variant, "tau": tau}
            rows.append(about | {key: row[key] for key in keys})
    rows[0]["details"] = {
        "original": _histograms(np.asarray(seen["confidence"]), seen),
        "ccnet": _histograms(learnt.keypoints, seen),
        "visibility": _histograms(learnt.visibility, seen),
    }
    return rows


def _histograms(confidence: NDArray[np.float64], seen: SeenPeople) -> dict[str, Any]:
    """How often each confidence is given to keypoints of v = 2, 1 and 0: shares in 40 bins."""
    v, edges = np.asarray(seen["true"])[..., 2], np.linspace(0, 1, _BINS + 1)
    found = {}
    for name, of in (("visible", 2), ("hidden", 1), ("unlabelled", 0)):
        count, _ = np.histogram(confidence[v == of].clip(0, 1), edges)
        found[name] = (count / max(count.sum(), 1)).tolist()
    return found | {"edges": edges.tolist()}


def _notes(rows: Rows) -> Sequence[str]:
    """The best and the usual threshold beside visibility."""
    said = []
    for detector in DETECTORS:
        for method in ("original", "ccnet"):
            mine = [r for r in rows if (r["detector"], r["method"]) == (detector, method)]
            if mine:
                said.append(_told(mine, detector, method))
    return said


def _told(rows: Rows, detector: str, method: str) -> str:
    taus = {row["tau"]: row["map"] for row in rows if row["tau"] is not None}
    best = max(taus, key=lambda tau: taus[tau])
    weighted = next(row["map"] for row in rows if row["variant"].endswith(", by visibility"))
    word = "above" if weighted > taus[best] else "not above"
    return (
        f"{detector}, confidences of {method}: mAP {100 * weighted:.1f} by predicted visibility, "
        f"{word} the best threshold's {100 * taus[best]:.1f} at {best}; "
        f"{100 * taus[THRESHOLD]:.1f} at the usual {THRESHOLD}."
    )


CCNET_AGGREGATION = Study(
    name="ccnet_aggregation",
    title="From the confidences of keypoints to that of a person",
    rows=tuple(Row(detector, partial(_run, detector)) for detector in DETECTORS),
    notes=_notes,
    data=ccnet_data,
)

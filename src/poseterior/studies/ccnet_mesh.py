"""`ccnet_mesh`: what confidences are worth as weights of a body's fit (paper 003, Table 6).

Detectors see rendered people, whose bodies are known. A body is fitted to their keypoints from
where `prohmr` (in the place of the paper's SPIN) begins, each keypoint weighed alike, by the
detector's confidence, by CCNet's, by CCNet's times its visibility, or by its covariance. All
that `prohmr` is told are places and covariances, the same whatever the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from poseterior.meshes.parameters import BodyParameters
from poseterior.metrics.bootstrap import interval, resamples
from poseterior.studies.ccnet_bench import DETECTORS
from poseterior.studies.ccnet_data import ccnet_data
from poseterior.studies.ccnet_fits import PRIORS, WEIGHTS, Fitter, all_fits
from poseterior.studies.ccnet_mesh_example import example
from poseterior.studies.mesh_scored import errors_of, with_intervals
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["CCNET_MESH"]

_ERRORS = ("mpjpe_mm", "pa_mpjpe_mm", "vertex_mm")
_WORDS = {"uniform": "all alike", "original": "raw confidence", "ccnet": "CCNet",
          "ccnet_visibility": "CCNet times visibility", "covariance": "covariance"}  # fmt: skip
_BASE = "original"


def _run(name: str, workshop: Workshop, scoring: Scoring) -> Rows:
    """The rows of one detector: the regression, then fits by prior and weights."""
    fitter = Fitter.of(workshop, name, scoring.every)
    about = {"detector": name, "poses": len(fitter.test.frame)}
    start = _errors(fitter, fitter.regressed())
    rows: Rows = [{"method": "regression", "weights": None,
                   "prior": None, **about, **_means(start)}]  # fmt: skip
    for prior in PRIORS:
        errors = {weights: _errors(fitter, bodies) for weights, bodies in all_fits(fitter, prior)}
        for weights in WEIGHTS:
            rows.append({
                "method": weights, "variant": f"{_WORDS[weights]}, {prior} prior",
                "weights": weights, "prior": prior, **about,
                **_means(errors[weights]), **_change(errors[weights] - errors[_BASE]),
            })  # fmt: skip
    return rows


@torch.no_grad()
def _errors(fitter: Fitter, bodies: BodyParameters) -> Tensor:
    """(N, 3) mm, `_ERRORS` of each person."""
    return errors_of(fitter.lifter, bodies.map(lambda value: value[None]), fitter.test)


def _means(errors: Tensor) -> dict[str, Any]:
    """Means with intervals that resample people."""
    counted = torch.cat([errors.double(), torch.ones(len(errors), 1)], 1)
    return with_intervals(counted, _ERRORS)


def _change(difference: Tensor) -> dict[str, Any]:
    """Mean differences (N, 3) from the same people's fits by raw confidence."""
    means = difference.double().mean(0)
    drawn = resamples(len(difference)) @ difference.double() / len(difference)
    found: dict[str, Any] = {}
    for k, name in enumerate(_ERRORS):
        key = name.replace("_mm", "_change_mm")
        found[key] = float(means[k])
        found[f"{key}_interval"] = interval(drawn[:, k], found[key], least=-torch.inf)
    return found


def _notes(rows: Rows) -> Sequence[str]:
    """What calibration brings, by detector and prior."""
    scored = [row for row in rows if row["method"] != "example"]
    if not scored:
        return []
    said = [
        f"{scored[0]['poses']} people, none left out; cameras are known. Intervals resample "
        "people; changes are from the same people's fits by raw confidence."
    ]
    said += [
        _told(row)
        for row in scored
        if row["weights"] in ("uniform", "ccnet", "ccnet_visibility", "covariance")
    ]
    return said


def _told(row: Mapping[str, Any]) -> str:
    """What weights change, and whether that is beyond doubt."""
    change, bounds = row["pa_mpjpe_change_mm"], row["pa_mpjpe_change_mm_interval"]
    span = "" if bounds is None else f" [{bounds[0]:+.2f}, {bounds[1]:+.2f}]"
    sure = bounds is not None and (bounds[0] > 0 or bounds[1] < 0)
    judged = ("better" if change < 0 else "worse") if sure else "no difference beyond doubt"
    return (
        f"{row['detector']}, {row['variant']}: PA-MPJPE {row['pa_mpjpe_mm']:.1f} mm, "
        f"{change:+.2f}{span} mm against raw confidence: {judged}."
    )


CCNET_MESH = Study(
    name="ccnet_mesh",
    title="Bodies fitted to detections, weighed by raw and by calibrated confidence",
    rows=(
        *(Row(name, partial(_run, name)) for name in DETECTORS),
        Row("example", partial(example, DETECTORS[0])),
    ),
    notes=_notes,
    data=ccnet_data,
)

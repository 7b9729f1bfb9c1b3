"""`ccnet_ablation`: losses, inputs, weights of confidence networks (paper 003, C, g, h)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from poseterior.studies.ccnet_bench import DETECTORS, network_of, said_of, seen_of
from poseterior.studies.ccnet_data import ccnet_data
from poseterior.studies.ccnet_methods import original
from poseterior.studies.ccnet_scored import Judge
from poseterior.studies.ccnet_table import checked_every
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["CCNET_ABLATION", "VARIANTS"]

# Options of `CCNetConfig` by the row's name; None is the detector without a network.
VARIANTS: Mapping[str, dict[str, Any] | None] = MappingProxyType({
    "original": None,
    "mse": {},
    **{loss: {"loss": loss} for loss in ("cross_entropy", "aleatoric", "ensemble", "soap")},
    **{inputs: {"inputs": inputs}
       for inputs in ("with_prediction_and_confidence", "lower_layer")},
    **{head: {"head": head} for head in ("pool_linear", "conv_sigmoid_pool")},
    "lambda_2e-3": {"visibility_weight": 2e-3},
    "lambda_2e1": {"visibility_weight": 20.0},
})  # fmt: skip
# Of a vector all heads are one linear layer.
_OF_MAPS = ("pool_linear", "conv_sigmoid_pool")
_KEYS = ("map", "mar", "ause_instance", "ause_keypoint", "pearson_instance", "pearson_keypoint")


def _run(detector: str, variant: str, workshop: Workshop, scoring: Scoring) -> Rows:
    checked_every(scoring)
    seen, options = seen_of(workshop, detector), VARIANTS[variant]
    said = original(seen) if options is None else (
        said_of(network_of(workshop, detector, **options), seen)
    )  # fmt: skip
    row = Judge.of(workshop, seen).row(said)
    return [{"detector": detector, "method": variant} | {key: row[key] for key in _KEYS}]


def _notes(rows: Rows) -> Sequence[str]:
    """What each variant adds to the detector's own confidence."""
    said = []
    for detector in DETECTORS:
        found = {row["method"]: row["map"] for row in rows if row["detector"] == detector}
        if "original" not in found:
            continue
        own = found.pop("original")
        each = ", ".join(f"{name} {100 * (value - own):+.2f}" for name, value in found.items())
        said.append(f"{detector}: points of mAP from its own {100 * own:.1f}: {each}.")
    return said


_ROWS = [
    (detector, variant)
    for detector in DETECTORS
    for variant in VARIANTS
    if not (detector == "rle" and variant in _OF_MAPS)
]

CCNET_ABLATION = Study(
    name="ccnet_ablation",
    title="What a confidence network is trained by, sees and weighs",
    rows=tuple(
        Row(f"{detector}_{variant}", partial(_run, detector, variant))
        for detector, variant in _ROWS
    ),
    notes=_notes,
    data=ccnet_data,
)

"""What made a result: lifter, seed, versions, data, and what had to be assumed."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

import poseterior
from poseterior.batch.observed import conversion_note
from poseterior.data.fingerprint import tensors_fingerprint
from poseterior.data.keypoint_source import KeypointSource
from poseterior.data.predictions import Predictions
from poseterior.posterior import Lifter
from poseterior.recalibration.posterior import RecalibratedLifter

__all__ = [
    "frames_per_second", "lift_provenance", "lifted_by", "made_by", "score_provenance", "versions",
    "weights_fingerprint",
]  # fmt: skip

# They change hypotheses and keep what their input said of itself as `lift`.
_CHANGES = ("poseterior recalibrate", "poseterior smooth")


def versions() -> dict[str, str]:
    """Versions of what computes."""
    return {
        "poseterior": poseterior.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def weights_fingerprint(lifter: Lifter) -> str:
    """16 hexadecimal digits that change with any weight or buffer."""
    return tensors_fingerprint(lifter.state_dict())


def lift_provenance(
    source: KeypointSource, lifter: Lifter, hypotheses: int, seed: int, device: torch.device
) -> dict[str, Any]:
    """What makes the hypotheses of a lift. No times: equal work gives equal files."""
    repaired = {}
    if isinstance(lifter, RecalibratedLifter):
        lifter, repaired = lifter.base, {"recalibration": lifter.made_by}
    return {
        **repaired,
        "made_by": "poseterior lift",
        "lifter": getattr(lifter, "name", type(lifter).__name__),
        "config": _config(getattr(lifter, "config", None)),
        "weights": weights_fingerprint(lifter),
        "skeleton": lifter.skeleton.name,
        "hypotheses": hypotheses,
        "seed": seed,
        "device": str(device),
        "source": source.name,
        "source_skeleton": source.skeleton.name,
        "data": source.fingerprint(),
        "assumptions": dict(source.notes) | conversion_note(source.skeleton, lifter.skeleton),
        "versions": versions(),
    }


def score_provenance(predictions: Predictions) -> dict[str, Any]:
    """What was scored: the files, and what the predictions say of their own making."""
    return {
        "predictions": str(predictions.path),
        "target": str(predictions.target_path),
        "data": predictions.fingerprint(),
        "lift": made_by(predictions.provenance),
        "versions": versions(),
    }


def made_by(text: str | None) -> Any:
    """A file's `provenance` as JSON, as the text itself where it is none, or None."""
    try:
        return None if text is None else json.loads(text, parse_constant=str)
    except (json.JSONDecodeError, RecursionError):
        return text


def lifted_by(text: str | None) -> dict[str, Any]:
    """What a file's `provenance` says of the lift, whatever was done since; empty if nothing.

    >>> lifted_by('{"made_by": "poseterior smooth", "lift": {"data": "5e7d"}}')
    {'data': '5e7d'}
    """
    told = made_by(text)
    while isinstance(told, dict) and told.get("made_by") in _CHANGES:
        told = told.get("lift")
    return told if isinstance(told, dict) else {}


def frames_per_second(text: str | None) -> float | None:
    """The rate of the video that was lifted, as a file's `provenance` tells it, or None.

    >>> frames_per_second('{"made_by": "poseterior lift", "frames": {"frames_per_second": 25}}')
    25.0
    """
    frames = lifted_by(text).get("frames")
    rate = frames.get("frames_per_second") if isinstance(frames, dict) else None
    return float(rate) if isinstance(rate, int | float) and 0 < rate < float("inf") else None


def _config(config: Any) -> Mapping[str, Any] | str | None:
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return config if config is None else str(config)

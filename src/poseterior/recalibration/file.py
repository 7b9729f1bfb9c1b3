"""A fitted recalibration as a JSON file, read strictly: it decides what hypotheses become."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import poseterior
from poseterior.data.npz_writer import replacing
from poseterior.errors import InputError, known, require
from poseterior.geometry.skeleton import get_skeleton
from poseterior.recalibration import METHODS
from poseterior.recalibration.recalibration import Recalibration

__all__ = ["Fitted", "load_recalibration", "save_recalibration"]

FORMAT = 1
_FIELDS = (
    "format", "method", "version", "skeleton", "hypotheses", "parameters", "fitted_on", "effect",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Fitted:
    """A recalibration and what is known of its fit.

    Attributes:
        recalibration: what was fitted.
        fitted_on: `predictions` (the file), `data` (its fingerprint), `observations` (that of
            what was lifted, or None), `clips` (their labels) and `poses`.
        effect: calibration errors before and after on these, see `effect`; may be empty.
    """

    recalibration: Recalibration
    fitted_on: Mapping[str, Any] = field(default_factory=dict)
    effect: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the method or any parameter."""
        text = json.dumps([self.recalibration.method, self.recalibration.parameters()])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def summary(self) -> dict[str, Any]:
        """What the provenance of repaired hypotheses tells."""
        return {
            "method": self.recalibration.method,
            "parameters": self.fingerprint(),
            "fitted_on": {k: self.fitted_on.get(k) for k in ("predictions", "data", "poses")},
        }


def save_recalibration(fitted: Fitted, path: str | os.PathLike[str]) -> Path:
    """Write the JSON file, whole or not at all; `InputError` where it cannot be."""
    of = fitted.recalibration
    data = {
        "format": FORMAT,
        "method": of.method,
        "version": poseterior.__version__,
        "skeleton": of.skeleton.name,
        "hypotheses": of.hypotheses,
        "parameters": of.parameters(),
        "fitted_on": dict(fitted.fitted_on),
        "effect": dict(fitted.effect),
    }
    text = json.dumps(data, indent=1, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return Path(path)


def load_recalibration(path: str | os.PathLike[str]) -> Fitted:
    """The recalibration in a file.

    Raises:
        InputError: no JSON object with exactly the fields of one, an unknown method or
            skeleton, parameters that are missing, unknown, not finite or not positive.
    """
    path = Path(path)
    data = _read(path)
    method = METHODS[known(f"{path}: method", _text(data, "method", path), METHODS)]
    skeleton = get_skeleton(_text(data, "skeleton", path), path)
    count = data["hypotheses"]
    good = type(count) is int and count > 0
    require(good, path, "hypotheses", expected="a whole number above 0", found=repr(count))
    for name in ("parameters", "fitted_on", "effect"):
        found = type(data[name]).__name__
        require(isinstance(data[name], dict), path, name, expected="an object", found=found)
    of = method.from_parameters(data["parameters"], skeleton, count, path)
    clips = data["fitted_on"].get("clips", [])
    found = type(clips).__name__
    require(isinstance(clips, list), path, "fitted_on: clips", expected="a list", found=found)
    return Fitted(of, data["fitted_on"], data["effect"])


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            path, "", expected="the JSON file of a recalibration", found=error
        ) from error
    same = isinstance(data, dict) and set(data) == set(_FIELDS)
    found = ", ".join(sorted(data)) if isinstance(data, dict) else type(data).__name__
    require(same, path, "", expected=f"an object with {', '.join(_FIELDS)}", found=found)
    found = repr(data["format"])
    require(data["format"] == FORMAT, path, "format", expected=FORMAT, found=found)
    return data


def _text(data: Mapping[str, Any], name: str, path: Path) -> str:
    value = data[name]
    require(isinstance(value, str), path, name, expected="a name", found=repr(value))
    return value

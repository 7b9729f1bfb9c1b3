"""The temperature of a flow's latent, chosen on poses that were not trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scipy.optimize import minimize_scalar

from poseterior.batch.score import evaluate
from poseterior.data.keypoint_source import KeypointSource
from poseterior.training.checkpoint import read_json, write_json

__all__ = ["choose_temperature", "kept_temperature"]

_BETWEEN = (0.6, 1.4)
_HYPOTHESES = 100
_FILE = "temperature.json"


def choose_temperature(
    lifter: Any, source: KeypointSource, tried: Callable[[float, float], None] | None = None
) -> float:
    """The standard deviation of the latent with the least calibration error on `source`.

    The error is the mean over joints of each joint's ECE. `lifter.temperature` is left at what
    is chosen, between 0.6 and 1.4 and to about 0.01. `tried` is called with each temperature
    and its error.
    """

    def error(temperature: float) -> float:
        lifter.temperature.fill_(temperature)
        found = evaluate(lifter, source, _HYPOTHESES)["ece_joint_mean"]
        if tried is not None:
            tried(temperature, found)
        return found

    found = minimize_scalar(error, bounds=_BETWEEN, method="bounded", options={"xatol": 0.01})
    lifter.temperature.fill_(float(found.x))
    return float(found.x)


def kept_temperature(lifter: Any, source: KeypointSource, folder: Path) -> float:
    """The temperature kept in a run's folder, chosen now where there is none; it is set."""
    path = folder / _FILE
    if path.exists():
        temperature = float(read_json(path, ("temperature",))["temperature"])
        lifter.temperature.fill_(temperature)
        return temperature
    temperature = choose_temperature(lifter, source)
    write_json(path, {"temperature": temperature})
    return temperature

"""The temperature of a flow's latent, chosen on poses that were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from scipy.optimize import minimize_scalar

from poseterior.batch.provenance import weights_fingerprint
from poseterior.batch.score import evaluate
from poseterior.data.keypoint_source import KeypointSource
from poseterior.posterior import Lifter
from poseterior.recalibration.latent_temperature import LatentTemperature, require_temperature

__all__ = ["HYPOTHESES", "choose_temperature", "fit_temperature", "untempered_fingerprint"]

HYPOTHESES = 100
_BETWEEN = (0.6, 1.4)


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
        found = evaluate(lifter, source, HYPOTHESES)["ece_joint_mean"]
        if tried is not None:
            tried(temperature, found)
        return found

    found = minimize_scalar(error, bounds=_BETWEEN, method="bounded", options={"xatol": 0.01})
    lifter.temperature.fill_(float(found.x))
    return float(found.x)


def fit_temperature(
    lifter: Lifter, source: KeypointSource, tried: Callable[[float, float], None] | None = None
) -> LatentTemperature:
    """The recalibration of a flow by `choose_temperature`; the lifter is left as it was.

    Raises:
        InputError: a lifter without a latent temperature, a source without a target.
    """
    require_temperature(lifter)
    with _kept(lifter):
        chosen = choose_temperature(lifter, source, tried)
    weights = untempered_fingerprint(lifter)
    return LatentTemperature(lifter.skeleton, HYPOTHESES, chosen, lifter.name, weights)


def untempered_fingerprint(lifter: Lifter) -> str:
    """16 digits that change with any weight of a flow but not with its temperature."""
    with _kept(lifter):
        require_temperature(lifter).fill_(1.0)
        return weights_fingerprint(lifter)


@contextmanager
def _kept(lifter: Lifter) -> Iterator[None]:
    """Put the temperature back to what it was."""
    buffer = require_temperature(lifter)
    before = buffer.clone()
    try:
        yield
    finally:
        buffer.copy_(before)

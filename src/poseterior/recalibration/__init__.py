"""Repair of posteriors, fitted on held-out predictions, one method a file.

`METHODS` maps the name of each to its class; `recalibration` says what a method is.
"""

from __future__ import annotations

from poseterior.recalibration.adaptive import Adaptive
from poseterior.recalibration.conformal import Conformal
from poseterior.recalibration.latent_temperature import LatentTemperature
from poseterior.recalibration.quantile import Quantile
from poseterior.recalibration.recalibration import Recalibration
from poseterior.recalibration.spread import Spread, SpreadAxis, SpreadJoint

__all__ = ["METHODS"]

METHODS: dict[str, type[Recalibration]] = {
    method.method: method
    for method in (
        Spread,
        SpreadJoint,
        SpreadAxis,
        Quantile,
        Adaptive,
        Conformal,
        LatentTemperature,
    )
}

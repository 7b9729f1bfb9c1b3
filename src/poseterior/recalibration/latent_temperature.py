"""The temperature of a flow's latent: a repair of the lifter itself, which keeps its density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton
from poseterior.posterior import Lifter
from poseterior.recalibration.parameters import only, vector
from poseterior.recalibration.recalibration import HeldOut, Recalibration

__all__ = ["LatentTemperature", "require_temperature"]


def require_temperature(lifter: Lifter) -> Tensor:
    """The buffer `temperature` of a flow; `InputError` for a lifter that has none."""
    temperature = getattr(lifter, "temperature", None)
    if not isinstance(temperature, Tensor):
        raise InputError(
            "latent_temperature", "lifter", expected="a flow with a latent temperature",
            found=getattr(lifter, "name", type(lifter).__name__),
        )  # fmt: skip
    return temperature


@dataclass(frozen=True, eq=False)
class LatentTemperature(Recalibration):
    """The standard deviation of z ~ N(0, temperature² I), instead of the 1 of training.

    Unlike the others it does not move hypotheses: it changes what they are drawn from. So the
    density stays one, samples of any number are right, and no file can be repaired by it.

    Attributes:
        temperature: above 0.
        lifter: name of the method.
        weights: fingerprint of the weights that it was chosen for.
    """

    temperature: float
    lifter: str
    weights: str

    method = "latent_temperature"

    def set_on(self, lifter: Lifter, weights: str) -> None:
        """Set the temperature of the lifter, whose weights have that fingerprint.

        `InputError` for another lifter, or one with other weights.
        """
        buffer = require_temperature(lifter)
        found = f"{lifter.name} with weights {weights}"
        same = (lifter.name, weights) == (self.lifter, self.weights)
        expected = f"{self.lifter} with weights {self.weights}"
        require(same, "latent_temperature", "lifter", expected=expected, found=found)
        buffer.fill_(self.temperature)

    @classmethod
    def fit(cls, held_out: HeldOut) -> Self:
        """Impossible; see `poseterior.batch.temperature`."""
        cls._refuse(held_out.path)

    def repair(self, rows: PredictionRows) -> Tensor:
        """Impossible: `InputError`."""
        self._refuse("recalibration")

    def check(self, joints: int, hypotheses: int, source: object = "recalibration") -> None:
        """Impossible for predictions of any kind: `InputError`."""
        self._refuse(source)

    @staticmethod
    def _refuse(source: object) -> NoReturn:
        raise InputError(
            source, "", expected="a lifter, whose latent it is (its name or the folder of a run)",
            found="predictions, of which only the hypotheses are left",
        )  # fmt: skip

    def parameters(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "lifter": self.lifter, "weights": self.weights}

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        only(parameters, ("temperature", "lifter", "weights"), source)
        temperature = vector(parameters["temperature"], 0, source, "temperature")
        require(temperature > 0, source, "temperature", expected="above 0", found=temperature)
        for name in ("lifter", "weights"):
            text = parameters[name]
            require(isinstance(text, str), source, name, expected="a text", found=repr(text))
        return cls(
            skeleton, hypotheses, float(temperature), parameters["lifter"], parameters["weights"]
        )

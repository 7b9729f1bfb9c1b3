"""What a recalibration is: fitted on held-out predictions, it repairs the hypotheses of others.

A method is a frozen dataclass that derives from `Recalibration` and lives in a file of its own:

    @dataclass(frozen=True, eq=False)
    class Spread(Recalibration):
        factor: float                        # whatever was fitted
        method = "spread"                    # its name in `METHODS` and in files

        @classmethod
        def fit(cls, held_out): ...          # stream held_out.chunks(), as often as need be
        def repair(self, rows): ...          # (m, H, J, 3) metres, of valid rows
        def parameters(self): ...            # a dict, as JSON takes it
        @classmethod
        def from_parameters(cls, parameters, skeleton, hypotheses, source): ...  # its inverse

`held_out` is a `HeldOut`: an open predictions file (`poseterior.data.predictions.Predictions`) is
one, arrays become one by `held_out.HeldOutArrays`. Everything else (files, streaming, posteriors,
the command line, the effect on the held-out data) is built on these four and is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["HeldOut", "Recalibration", "require_spread", "rows_at"]


class HeldOut(Protocol):
    """Predictions that were not trained on, with their target, to be streamed repeatedly."""

    @property
    def path(self) -> object:
        """What errors call it."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """Of the poses."""
        ...

    @property
    def hypotheses(self) -> int:
        """H, of each pose."""
        ...

    def chunks(self) -> Iterator[PredictionRows]:
        """All rows in order, a few at a time, checked; from the first at each call."""
        ...


@dataclass(frozen=True, eq=False)
class Recalibration(ABC):
    """A repair of hypotheses that was fitted on held-out predictions.

    Attributes:
        skeleton: of the poses that it was fitted on; no others can be repaired.
        hypotheses: H of a pose, likewise: what a rank among 20 asks for is not what one among
            200 does.
    """

    skeleton: Skeleton
    hypotheses: int

    method: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(cls, held_out: HeldOut) -> Self:
        """The recalibration that makes the held-out predictions calibrated.

        Raises:
            InputError: no target, too few poses or hypotheses, hypotheses that are all equal.
        """

    @abstractmethod
    def repair(self, rows: PredictionRows) -> Tensor:
        """Repaired hypotheses (m, H, J, 3) metres of rows that are all valid.

        The weighted mean of each row's hypotheses is left where it is, and the root at zero.
        """

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What was fitted, as JSON takes it; joints by name."""

    @classmethod
    @abstractmethod
    def from_parameters(
        cls, parameters: Mapping[str, Any], skeleton: Skeleton, hypotheses: int, source: object
    ) -> Self:
        """The inverse of `parameters`; `InputError` naming `source` for anything else."""

    def needs(self) -> tuple[str, ...]:
        """Arrays of a file that `repair` reads beside the hypotheses and their weights."""
        return ()

    def apply(self, rows: PredictionRows, source: object = "recalibration") -> PredictionRows:
        """Rows with repaired hypotheses; those that are not valid stay as they are.

        Weights, targets, labels, what was observed and `latent_centre` (a pose that the lifter
        gave, whatever its spread) are carried over. The densities and the mode are not: they
        are those of the hypotheses before.

        Raises:
            InputError: rows of another skeleton or with another number of hypotheses, without
                an array of `needs`, or with hypotheses of a joint that are all equal; it
                names `source`.
        """
        self.check(rows.hypotheses.shape[2], rows.hypotheses.shape[1], source)
        index = rows.valid.nonzero()[:, 0]
        hypotheses = rows.hypotheses
        if len(index):
            some = rows_at(rows, index)
            for name in self.needs():
                has = getattr(some, name) is not None
                expected = "the array, as in what it was fitted on"
                require(has, source, name, expected=expected, found="none")
            require_spread(some, self.skeleton, source)
            fixed = self.repair(some).to(hypotheses.dtype)
            hypotheses = hypotheses.index_copy(0, index, fixed)
        return replace(rows, hypotheses=hypotheses, log_prob=None, target_log_prob=None, mode=None)

    def check(self, joints: int, hypotheses: int, source: object = "recalibration") -> None:
        """`InputError` unless poses have this skeleton's joints and this many hypotheses."""
        require(
            joints == len(self.skeleton), source, "joints", found=joints,
            expected=f"{len(self.skeleton)} of {self.skeleton.name}, as it was fitted on",
        )  # fmt: skip
        require(
            hypotheses == self.hypotheses, source, "hypotheses", found=hypotheses,
            expected=f"{self.hypotheses} of each pose, as the recalibration was fitted on",
        )  # fmt: skip


def rows_at(rows: PredictionRows, index: Tensor) -> PredictionRows:
    """Rows by index (n,); the very same if it is all of them."""
    if len(index) == len(rows):
        return rows
    values = {field.name: getattr(rows, field.name) for field in fields(rows)}
    numbers: dict[str, Any] = {
        name: v[index] for name, v in values.items() if isinstance(v, torch.Tensor)
    }
    labels = {name: array[index.numpy()] for name, array in rows.labels.items()}
    return replace(rows, labels=labels, **numbers)


def require_spread(rows: PredictionRows, skeleton: Skeleton, source: object) -> None:
    """`InputError` where all hypotheses of a joint are equal: no factor can widen them."""
    free = list(skeleton.free)
    samples = rows.hypotheses[:, :, free]
    constant = (samples == samples[:, :1]).all(-1).all(1)
    if rows.valid_joints is not None:
        constant &= rows.valid_joints[:, free]
    if bool(constant.any()):
        row, joint = constant.nonzero()[0].tolist()
        raise InputError(
            source, "hypotheses", expected="hypotheses that differ, to scale their spread",
            found=f"all equal at {skeleton.joints[free[joint]]} in row {rows.start + row}",
        )  # fmt: skip

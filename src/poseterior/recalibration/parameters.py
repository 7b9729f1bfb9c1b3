"""What a file says was fitted, read strictly: finite numbers for exactly the joints there are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.recalibration.distances import LEVELS

__all__ = ["by_joint", "fixed_levels", "from_joints", "only", "positive", "vector"]


def by_joint(values: Tensor, skeleton: Skeleton) -> dict[str, Any]:
    """Rows (K, ...) of the free joints as {joint: numbers}."""
    names = [skeleton.joints[j] for j in skeleton.free]
    return dict(zip(names, values.tolist(), strict=True))


def from_joints(
    parameters: Mapping[str, Any], field: str, skeleton: Skeleton, size: int, source: object
) -> Tensor:
    """The inverse of `by_joint` for rows of `size` numbers (0: one bare number), float64."""
    given = parameters[field]
    names = [skeleton.joints[j] for j in skeleton.free]
    known = isinstance(given, Mapping) and set(given) == set(names)
    found = sorted(given) if isinstance(given, Mapping) else _kind(given)
    require(known, source, field, expected=f"the joints {', '.join(names)}", found=found)
    rows = [vector(given[name], size, source, f"{field}: {name}") for name in names]
    return torch.tensor(rows, dtype=torch.float64)


def vector(value: Any, size: int, source: object, field: str) -> Any:
    """`size` finite numbers (0: one bare number); `InputError` for anything else."""
    numbers = [value] if size == 0 else value
    good = isinstance(numbers, Sequence) and not isinstance(numbers, str)
    good = good and len(numbers) == max(size, 1) and all(map(_finite, numbers))
    expected = "a finite number" if size == 0 else f"{size} finite numbers"
    require(good, source, field, expected=expected, found=value)
    return value


def positive(values: Tensor, source: object, field: str) -> Tensor:
    """The values, if all are above zero."""
    good = bool((values > 0).all())
    require(good, source, field, expected="factors above 0", found=values.min().item())
    return values


def only(parameters: Mapping[str, Any], names: tuple[str, ...], source: object) -> None:
    """`InputError` unless the parameters are exactly these."""
    same = isinstance(parameters, Mapping) and set(parameters) == set(names)
    found = sorted(parameters) if isinstance(parameters, Mapping) else _kind(parameters)
    require(same, source, "parameters", expected=f"an object with {', '.join(names)}", found=found)


def fixed_levels(parameters: Mapping[str, Any], source: object) -> None:
    """`InputError` unless the `levels` are `LEVELS`, the only ones that maps are made of."""
    expected = LEVELS.tolist()
    require(
        parameters["levels"] == expected, source, "levels",
        expected=f"{len(expected)} levels {expected[0]} to {expected[-1]}",
        found=parameters["levels"],
    )  # fmt: skip


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _kind(value: Any) -> str:
    return type(value).__name__

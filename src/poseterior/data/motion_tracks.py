"""`JointTracks`: the joints of a motion-capture file over time, and what its readers share."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton

__all__ = [
    "JointTracks",
    "file_tree",
    "number",
    "numbers",
    "read_lines",
    "require_subsampling",
    "require_tokens",
    "y_up_to_z_up",
]


@dataclass(frozen=True, eq=False)
class JointTracks:
    """Positions of named joints over time.

    Attributes:
        positions: (T, N, 3) world positions, right-handed.
        tree: the N joints by the file's names, and their parents.
        fps: frames a second of `positions`.
        source: the file, for messages.
    """

    positions: Tensor
    tree: Skeleton
    fps: float
    source: str

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def joints(self) -> tuple[str, ...]:
        """The names of the joints, in the order of `positions`."""
        return self.tree.joints

    def to_skeleton(self, names: Mapping[str, str | Sequence[str]], skeleton: Skeleton) -> Tensor:
        """(T, J, 3): the joints of `skeleton`, each from the file's joint that `names` tells.

        Several file joints for one joint mean their mean (a pelvis between two hips).
        `InputError` if a joint of the skeleton or of the file is missing.
        """
        missing = [joint for joint in skeleton.joints if joint not in names]
        require(
            not missing, self.source, "joint names",
            expected=f"a name for each joint of {skeleton.name}", found=f"none for {missing}",
        )  # fmt: skip
        chosen = [self._mean_of(names[joint]) for joint in skeleton.joints]
        return torch.stack(chosen, dim=1)

    def _mean_of(self, names: str | Sequence[str]) -> Tensor:
        each = [names] if isinstance(names, str) else list(names)
        missing = [name for name in each if name not in self.joints]
        require(
            bool(each) and not missing, self.source, "joint",
            expected=f"{missing or 'at least one name'}", found=f"joints {', '.join(self.joints)}",
        )  # fmt: skip
        return self.positions[:, [self.joints.index(name) for name in each]].mean(1)


def y_up_to_z_up(positions: Tensor) -> Tensor:
    """(x, y, z) -> (x, -z, y): from y up to z up, right-handed both.

    >>> y_up_to_z_up(torch.tensor([1.0, 2.0, 3.0]))
    tensor([ 1., -3.,  2.])
    """
    x, y, z = positions.unbind(-1)
    return torch.stack([x, -z, y], dim=-1)


def read_lines(path: str | os.PathLike[str], kind: str) -> list[str]:
    """The lines of a text file; `InputError` if there is none or it is no text."""
    source = Path(path)
    require(
        source.is_file(), path, "", expected=f"a file in {kind} format",
        found="a folder" if source.is_dir() else "no such file",
    )  # fmt: skip
    try:
        text = source.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(path, "", expected="a readable file", found=error.strerror) from error
    require("\0" not in text, path, "", expected=f"{kind}, a text format", found="NUL bytes")
    return text.splitlines()


def number(token: str, source: object, field: str) -> float:
    """A finite number, else `InputError` with the token."""
    try:
        value = float(token)
    except ValueError:
        value = math.nan
    require(math.isfinite(value), source, field, expected="a finite number", found=repr(token))
    return value


def numbers(tokens: Sequence[str], count: int, source: object, field: str) -> list[float]:
    """Exactly `count` finite numbers, else `InputError`."""
    require_tokens(tokens, count, source, field)
    return [number(token, source, field) for token in tokens]


def require_tokens(
    tokens: Sequence[str], count: int, source: object, field: str, what: str = "numbers"
) -> None:
    """`InputError` unless there are `count` words, which are `what`."""
    require(
        len(tokens) == count, source, field,
        expected=f"{count} {what}", found=f"{len(tokens)} ({' '.join(tokens)[:60]!r})",
    )  # fmt: skip


def require_subsampling(source: object, step: int) -> None:
    """`InputError` unless a step over frames is a positive whole number."""
    whole = isinstance(step, int) and step >= 1
    require(whole, source, "every", expected="a positive whole number of frames", found=step)


def file_tree(source: object, joints: Sequence[str], parents: Sequence[int]) -> Skeleton:
    """The tree of a file's joints, named after the file; every joint is its own partner.

    `InputError` if the parents are not one tree.
    """
    return Skeleton(str(source), tuple(joints), tuple(parents), tuple(range(len(joints))))

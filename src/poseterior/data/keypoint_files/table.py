"""`KeypointTable`: every person of every frame of a keypoint file, and choosing one of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from poseterior.errors import InputError, require
from poseterior.keypoints import Keypoints

__all__ = ["KeypointTable", "box_area", "select_person"]


@dataclass(frozen=True, eq=False)
class KeypointTable:
    """Observations in the file's order, a row for every person of every frame.

    A frame with nobody in it keeps its place: one row, no joint valid, `person` -1.

    Attributes:
        keypoints: batch shape (M,), with `image_size` and `intrinsics`.
        frame: (M,) int64, the file's numbers; rows of one frame follow each other.
        person: (M,) int64.
        frame_names: each row's image, or None where the file has no names.
        assumptions: what the file did not say, by topic, in words.
    """

    keypoints: Keypoints
    frame: Tensor
    person: Tensor
    frame_names: tuple[str, ...] | None = None
    assumptions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = tuple(self.keypoints.batch_shape)
        for name in ("frame", "person"):
            shape = tuple(getattr(self, name).shape)
            require(shape == rows, "KeypointTable", name, expected=f"shape {rows}", found=shape)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def frame_starts(self) -> Tensor:
        """(F,) the first row of each frame."""
        change = torch.ones(len(self), dtype=torch.bool)
        change[1:] = self.frame[1:] != self.frame[:-1]
        return change.nonzero()[:, 0]


def select_person(table: KeypointTable, who: str | int = "largest") -> KeypointTable:
    """One row for each frame, or all rows.

    Args:
        table: the rows.
        who: "largest", in each frame the person whose valid joints have the box of largest
            area; "all"; or a person's number, whose absence leaves a row with no joint valid.

    `InputError` if `who` is neither of these, or a number that the table does not have.
    """
    if who == "all":
        return table
    if who == "largest":
        return _rows(table, _best(table, box_area(table.keypoints)))
    number = _number(table, who)
    here = table.person == number
    chosen = _rows(table, _best(table, torch.where(here, box_area(table.keypoints), -torch.inf)))
    return _only(chosen, number)


def _number(table: KeypointTable, who: str | int) -> int:
    known = sorted(set(table.person.tolist()) - {-1})
    try:
        number = int(who)
    except ValueError:
        number = -1
    if number not in known:
        listed = ", ".join(map(str, known[:20])) + (", ..." if len(known) > 20 else "")
        expected = f"largest, all or one of the persons {listed}"
        raise InputError("person", "", expected=expected, found=repr(who))
    return number


def box_area(keypoints: Keypoints) -> Tensor:
    """Area (M,) of the box around each row's valid joints in px²; -1 where there are none."""
    valid = keypoints.valid[..., None]
    low = torch.where(valid, keypoints.pixels, torch.inf).amin(-2)
    high = torch.where(valid, keypoints.pixels, -torch.inf).amax(-2)
    return torch.where(keypoints.valid.any(-1), (high - low).prod(-1), -1.0)


def _best(table: KeypointTable, score: Tensor) -> Tensor:
    """(F,) the row of highest score of each frame, the first among equals."""
    starts = table.frame_starts
    group = torch.zeros(len(table), dtype=torch.int64)
    group[starts[1:]] = 1
    order = torch.argsort(score, descending=True, stable=True)
    order = order[torch.argsort(group.cumsum(0)[order], stable=True)]
    return order[starts]


def _rows(table: KeypointTable, index: Tensor) -> KeypointTable:
    names = table.frame_names
    return replace(
        table,
        keypoints=table.keypoints[index],
        frame=table.frame[index],
        person=table.person[index],
        frame_names=names and tuple(names[i] for i in index.tolist()),
    )


def _only(table: KeypointTable, number: int) -> KeypointTable:
    """The same rows, those of another person emptied."""
    here = (table.person == number)[:, None]
    keypoints = table.keypoints
    score = keypoints.confidence
    emptied = replace(
        keypoints,
        pixels=torch.where(here[..., None], keypoints.pixels, 0.0),
        valid=keypoints.valid & here,
        confidence=None if score is None else torch.where(here, score, 0.0),
        visible=None if keypoints.visible is None else keypoints.visible & here,
    )
    return replace(table, keypoints=emptied, person=torch.full_like(table.person, number))

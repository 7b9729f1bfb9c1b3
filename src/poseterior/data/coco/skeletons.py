"""Which skeleton a file of annotated people has: COCO's, COCO-WholeBody's or MPII's."""

from __future__ import annotations

from collections.abc import Sequence

from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, COCO_WHOLEBODY_133, MPII_16, Skeleton

__all__ = ["ANNOTATED", "annotated_skeleton"]

ANNOTATED = (COCO_17, MPII_16, COCO_WHOLEBODY_133)


def annotated_skeleton(names: Sequence[str], count: int, source: object) -> Skeleton:
    """The skeleton of `ANNOTATED` with these names of keypoints, or by their number without any.

    Whole bodies are told by their number and the names of the first 17: names of feet, face and
    hands differ from tool to tool.

    Raises:
        InputError: no such skeleton.

    >>> annotated_skeleton(["R ankle", "r_knee"], 2, "people.json")
    Traceback (most recent call last):
        ...
    poseterior.errors.InputError: people.json: categories: keypoints: expected those of coco_17, ...
    """
    given = tuple(name.strip().lower().replace(" ", "_").replace("-", "_") for name in names)
    for skeleton in ANNOTATED:
        some = min(len(skeleton), len(COCO_17))
        if count == len(skeleton) and given[:some] in ((), skeleton.joints[:some]):
            return skeleton
    expected = f"those of {', '.join(skeleton.name for skeleton in ANNOTATED)}"
    found = f"{count}, {', '.join(names[:3])}, ..." if names else f"{count} without names"
    raise InputError(source, "categories: keypoints", expected=expected, found=found)

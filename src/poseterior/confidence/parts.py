"""Parts of the body that are scored by themselves, and the constants of a file's keypoints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from poseterior.data.coco.people import CocoPeople
from poseterior.errors import InputError
from poseterior.metrics.oks_constants import (
    COCO_SIGMAS,
    COCO_WHOLEBODY_SIGMAS,
    MPII_SIGMAS,
    WHOLEBODY_PARTS,
)

__all__ = ["parts_of", "sigmas_of"]


def parts_of(count: int) -> dict[str, slice]:
    """Columns of the parts of `count` keypoints: COCO-WholeBody's 133 have five, others none.

    Both hands are one part of 42 keypoints; `whole` is all.
    """
    if count != len(COCO_WHOLEBODY_SIGMAS):
        return {}
    hands = slice(WHOLEBODY_PARTS["left_hand"].start, WHOLEBODY_PARTS["right_hand"].stop)
    own = {name: WHOLEBODY_PARTS[name] for name in ("body", "foot", "face")}
    return {**own, "hand": hands, "whole": slice(0, count)}


def sigmas_of(people: CocoPeople) -> NDArray[np.float64]:
    """OKS constants (K,) of annotated keypoints: by their number, else by their names.

    Raises:
        InputError: neither COCO's 17 nor COCO-WholeBody's 133, and a name without a constant.
    """
    count = people.keypoints.shape[1]
    if count == len(COCO_WHOLEBODY_SIGMAS):
        return np.array(COCO_WHOLEBODY_SIGMAS)
    if count == len(COCO_SIGMAS):
        return np.array(tuple(COCO_SIGMAS.values()))
    unknown = [name for name in people.names if name not in MPII_SIGMAS]
    if unknown or len(people.names) != count:
        expected = "17 or 133 keypoints, or names that have an OKS constant"
        found = f"{count} keypoints, " + (f"one of them {unknown[0]!r}" if unknown else "no names")
        raise InputError(people.source, "categories: keypoints", expected=expected, found=found)
    return np.array([MPII_SIGMAS[name] for name in people.names])

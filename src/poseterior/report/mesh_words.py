"""How unsure a posterior over bodies is, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poseterior.batch.mesh_people import BodyPerson
from poseterior.geometry.skeleton import Skeleton

__all__ = ["part_spreads", "percentages", "person_words"]

# What people call joints; the first name that a skeleton has is taken.
_PARTS = {
    "wrists": ("wrist",), "elbows": ("elbow",), "head": ("head_top", "head", "nose"),
    "knees": ("knee",), "ankles": ("ankle",), "hips": ("hip",),
}  # fmt: skip


def part_spreads(person: BodyPerson, skeleton: Skeleton) -> dict[str, float]:
    """Millimetres by part of the body, the mean of its left and its right joint."""
    spread = dict(zip(skeleton.joints, (1000 * person.joint_spread).tolist(), strict=True))
    found: dict[str, float] = {}
    for part, names in _PARTS.items():
        for name in names:
            both = [mm for joint, mm in spread.items() if _plain(joint) == name]
            if both and part not in found:
                found[part] = float(np.mean(both))
    return found


def _plain(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


def percentages(shares: Sequence[float]) -> list[str]:
    """Shares as whole percentages.

    >>> percentages([0.625, 0.371, 0.004])
    ['62%', '37%', '<1%']
    """
    return [f"{100 * share:.0f}%" if share >= 0.005 else "<1%" for share in shares]


def person_words(person: BodyPerson, skeleton: Skeleton) -> str:
    """A sentence on where a person's body is unsure, and one on what stands for it."""
    parts = sorted(part_spreads(person, skeleton).items(), key=lambda item: -item[1])
    told = ", ".join(f"{part} {mm:.0f} mm" for part, mm in parts)
    shares = percentages(person.shares.tolist())
    who = "One body stands" if len(shares) == 1 else f"{len(shares)} bodies stand"
    many = f"{person.effective_number:.0f} of {len(person.weights)}"
    return (
        f"Spread about the hips: {told}. {who} for {', '.join(shares)} of the posterior. "
        f"Effective number of hypotheses: {many}."
    )

"""What each joint of a named skeleton means, and how a point can be had from others.

A joint stands for a point of the body, by default the one of its name. The same name can mean
two points (OpenPose's neck is the middle of the shoulders, SMPL's is a joint), and two names
one. Each rule below gets a point that a skeleton lacks; the first that applies is taken.

`sigma` is what a rule is off by: a standard deviation along each axis of the image, over the
torso's length (middle of the shoulders to middle of the hips, 0.50 m in an adult). Where
`measured`, sigma and fraction are those of the train split of the CMU motion capture that
`h36m_17` here stands for (`benchmarks/conversion_error.py`). All others are guesses from
anatomy, for no data at hand has both points. The middle of two joints is exact by definition.
"""

from __future__ import annotations

from typing import NamedTuple

from poseterior.geometry.skeleton import Skeleton

__all__ = ["RULES", "Rule", "points_of"]


class Rule(NamedTuple):
    """A point as a weighted sum of other points, in words too, and its own error.

    `sigma` is the error's standard deviation along an axis over the torso's length, without
    the errors of `parts`; `measured` says that it is no guess.
    """

    parts: tuple[tuple[str, float], ...]
    how: str
    sigma: float
    measured: bool = False


def points_of(skeleton: Skeleton) -> tuple[str, ...]:
    """The body point that each joint stands for, in order."""
    meant = _MEANT.get(skeleton.name, _COMMON)
    return tuple(meant.get(joint, joint) for joint in skeleton.joints)


_COMMON = {"pelvis": "hip_centre", "thorax": "neck_base", "upper_neck": "head_base"}

_H36M = {
    "pelvis": "hip_centre",
    "spine": "mid_spine",
    "thorax": "neck_base",
    "nose": "head_base",
    "head_top": "head_end",
}
_MEANT: dict[str, dict[str, str]] = {
    "h36m_17": _H36M,
    "h36m_16": _H36M,
    "mpii_16": {"pelvis": "hip_centre", "thorax": "mpii_thorax", "upper_neck": "upper_neck"},
    "openpose_25": {"pelvis": "hip_centre", "neck": "shoulder_centre"},
    "halpe_26": {"pelvis": "hip_centre"},
    "smpl_24": {
        "pelvis": "smpl_pelvis",
        "neck": "smpl_neck",
        "head": "smpl_head",
        "left_foot": "left_toe_base",
        "right_foot": "right_toe_base",
    },
    "mpi_inf_3dhp_17": {
        "pelvis": "hip_centre",
        "spine": "mpi_spine",
        "neck": "mpi_neck",
        "head": "mpi_head",
    },
}


def _is(point: str, how: str, sigma: float) -> Rule:
    return Rule(((point, 1.0),), how, sigma)


def _between(start: str, end: str, fraction: float, how: str, sigma: float) -> Rule:
    return Rule(((start, 1 - fraction), (end, fraction)), how, sigma)


def _middle(joint: str, name: str) -> tuple[Rule, ...]:
    ends = (f"left_{joint}", f"right_{joint}")
    return (_between(*ends, 0.5, f"midpoint of the {name}", 0.0)._replace(measured=True),)


_MIDDLES = {
    "hip_centre": _middle("hip", "hips"),
    "shoulder_centre": _middle("shoulder", "shoulders"),
    "ear_centre": _middle("ear", "ears"),
}
_SPINE = "from the middle of the hips to the neck's base"
_HALF_SPINE = _between("hip_centre", "neck_base", 0.5, f"halfway {_SPINE}", 0.049)
_NECKS = (
    _is("neck", "the other tool's neck", 0.08),
    _is("mpii_thorax", "MPII's thorax", 0.08),
    _is("mpi_neck", "MPI-INF-3DHP's neck", 0.08),
    _is("smpl_neck", "SMPL's neck joint", 0.08),
    _is("shoulder_centre", "midpoint of the shoulders", 0.08),
    _MIDDLES["shoulder_centre"][0]._replace(sigma=0.08, measured=False),
)
# Ears lie above the base of the head by 3 to 9 cm, of 12 from it to the shoulders.
_HEADS = (
    _is("head_base", "the base of the head", 0.08),
    _is("upper_neck", "MPII's upper neck", 0.08),
    _is("mpi_head", "MPI-INF-3DHP's head joint", 0.08),
    _is("smpl_head", "SMPL's head joint", 0.08),
    _between(
        "shoulder_centre", "ear_centre", 0.75,
        "75 % of the way from the middle of the shoulders to that of the ears", 0.06,
    ),
    _between("neck_base", "head_top", 0.5, "halfway from the neck's base to head top", 0.10),
)  # fmt: skip


def _without(point: str, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.parts[0][0] != point)


def _along_spine(fraction: float) -> tuple[Rule, ...]:
    how = f"{round(100 * fraction)} % of the way {_SPINE}"
    return (_between("hip_centre", "neck_base", fraction, how, 0.08),)


def _of_side(side: str) -> dict[str, tuple[Rule, ...]]:
    toes = (f"{side}_big_toe", f"{side}_small_toe")
    collar = "halfway from the neck's base to the shoulder"
    return {
        f"{side}_collar": (_between("neck_base", f"{side}_shoulder", 0.5, collar, 0.08),),
        f"{side}_toe_base": (_between(*toes, 0.5, "midpoint of big and small toe", 0.06),),
    }


RULES: dict[str, tuple[Rule, ...]] = {
    **_MIDDLES,
    "neck_base": (
        _between(
            "shoulder_centre", "hip_centre", 0.11,
            "11 % of the way from the middle of the shoulders to that of the hips", 0.027,
        )._replace(measured=True),
    ),
    "mid_spine": (_HALF_SPINE._replace(measured=True),),
    "mpi_spine": (
        _is("mid_spine", "the middle of the spine", 0.08),
        _HALF_SPINE._replace(sigma=0.08),
    ),
    **{n: _without(n, _NECKS) for n in ("neck", "mpii_thorax", "mpi_neck", "smpl_neck")},
    **{h: _without(h, _HEADS) for h in ("head_base", "upper_neck", "mpi_head", "smpl_head")},
    # The head's last joint in the data lies about 12 cm below the crown, where annotators click.
    "head_end": (
        _between(
            "shoulder_centre", "head_top", 0.8,
            "80 % of the way from the middle of the shoulders to the top of the head", 0.12,
        ),
    ),
    "head_top": (_is("head_end", "the head's last joint, below the crown", 0.20),),
    "smpl_pelvis": _along_spine(0.15),
    "spine1": _along_spine(0.35),
    "spine2": _along_spine(0.55),
    "spine3": _along_spine(0.65),
    **_of_side("left"),
    **_of_side("right"),
}  # fmt: skip

"""What each joint of a named skeleton means, and how a point can be had from others.

A joint stands for a point of the body, by default the one of its name. The same name can mean
two points (OpenPose's neck is the middle of the shoulders, SMPL's is a joint), and two names
one. Each rule below gets a point that a skeleton lacks; the first that applies is taken.

Fractions of `neck_base`, `mid_spine` and `head_base` were fitted to, and the distances in
their notes measured on, the CMU motion capture whose joints `h36m_17` here stands for (train
and val splits). Those of SMPL's spine are of its template. Neither knows about other bodies.
"""

from __future__ import annotations

from typing import NamedTuple

from poseterior.geometry.skeleton import Skeleton

__all__ = ["RULES", "Rule", "points_of"]


class Rule(NamedTuple):
    """A point as a weighted sum of other points, and words that say so."""

    parts: tuple[tuple[str, float], ...]
    how: str


def points_of(skeleton: Skeleton) -> tuple[str, ...]:
    """The body point that each joint stands for, in order."""
    meant = _MEANT.get(skeleton.name, _COMMON)
    return tuple(meant.get(joint, joint) for joint in skeleton.joints)


_COMMON = {"pelvis": "hip_centre", "thorax": "neck_base", "upper_neck": "head_base"}

_MEANT: dict[str, dict[str, str]] = {
    "h36m_17": {
        "pelvis": "hip_centre",
        "spine": "mid_spine",
        "thorax": "neck_base",
        "nose": "head_base",
    },
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


def _is(point: str, how: str) -> Rule:
    return Rule(((point, 1.0),), how)


def _between(start: str, end: str, fraction: float, how: str) -> Rule:
    return Rule(((start, 1 - fraction), (end, fraction)), how)


_SHOULDERS = _between("left_shoulder", "right_shoulder", 0.5, "midpoint of the shoulders")
_SPINE = "from the middle of the hips to the neck's base"
_HEADS = (
    _is("head_base", "the base of the head"),
    _is("upper_neck", "MPII's upper neck"),
    _is("mpi_head", "MPI-INF-3DHP's head joint"),
    _is("smpl_head", "SMPL's head joint"),
    _between("left_ear", "right_ear", 0.5, "midpoint of the ears, a little above it"),
    _between("neck_base", "head_top", 0.65, "65 % of the way from the neck's base to head top"),
)
_NECKS = (
    _is("neck", "the other tool's neck"),
    _is("mpi_neck", "MPI-INF-3DHP's neck"),
    _is("smpl_neck", "SMPL's neck joint"),
    _is("shoulder_centre", "midpoint of the shoulders"),
    _SHOULDERS,
)


def _along_spine(fraction: float) -> tuple[Rule, ...]:
    how = f"{round(100 * fraction)} % of the way {_SPINE}"
    return (_between("hip_centre", "neck_base", fraction, how),)


def _of_side(side: str) -> dict[str, tuple[Rule, ...]]:
    toes = (f"{side}_big_toe", f"{side}_small_toe")
    collar = "halfway from the neck's base to the shoulder"
    return {
        f"{side}_collar": (_between("neck_base", f"{side}_shoulder", 0.5, collar),),
        f"{side}_toe_base": (_between(*toes, 0.5, "midpoint of big and small toe"),),
    }


RULES: dict[str, tuple[Rule, ...]] = {
    "hip_centre": (_between("left_hip", "right_hip", 0.5, "midpoint of the hips"),),
    "shoulder_centre": (_SHOULDERS,),
    "neck_base": (
        _is("mpii_thorax", "MPII's thorax"),
        _is("mpi_neck", "MPI-INF-3DHP's neck"),
        Rule(
            (
                ("left_shoulder", 0.445),
                ("right_shoulder", 0.445),
                ("left_hip", 0.055),
                ("right_hip", 0.055),
            ),
            "11 % of the way from the midpoint of the shoulders to that of the hips (18 mm off "
            "on average; the midpoint itself 59 mm)",
        ),
    ),
    "mid_spine": (
        _between("hip_centre", "neck_base", 0.5, f"halfway {_SPINE} (35 mm off on average)"),
    ),
    "mpi_spine": (
        _is("mid_spine", "the middle of the spine"),
        _between("hip_centre", "neck_base", 0.5, f"halfway {_SPINE}"),
    ),
    "mpii_thorax": (_is("neck_base", "the neck's base"), _is("mpi_neck", "its neck"), _SHOULDERS),
    "neck": _NECKS[1:],
    "mpi_neck": (
        _is("neck_base", "the neck's base"),
        _is("mpii_thorax", "MPII's thorax"),
        *(rule for rule in _NECKS if rule.parts[0][0] != "mpi_neck"),
    ),
    "smpl_neck": tuple(rule for rule in _NECKS if rule.parts[0][0] != "smpl_neck"),
    "head_base": _HEADS[1:],
    "upper_neck": tuple(rule for rule in _HEADS if rule.parts[0][0] != "upper_neck"),
    "mpi_head": tuple(rule for rule in _HEADS if rule.parts[0][0] != "mpi_head"),
    "smpl_head": tuple(rule for rule in _HEADS if rule.parts[0][0] != "smpl_head"),
    "smpl_pelvis": _along_spine(0.15),
    "spine1": _along_spine(0.35),
    "spine2": _along_spine(0.55),
    "spine3": _along_spine(0.65),
    **_of_side("left"),
    **_of_side("right"),
}

"""Which joint of which skeleton each point of a file is.

By the user's names (`--map`), by the file's own names where they are in no fixed order, or by
the number of points, which tells the skeleton of the tools known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from poseterior.data.keypoint_files.detections import Detections
from poseterior.data.keypoint_files.joint_map import read_joint_map
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import SKELETONS, Skeleton, get_skeleton

__all__ = ["Layout", "find_layout"]


class Layout(NamedTuple):
    """A skeleton, the point of the file for each joint (-1: none), and what was assumed."""

    skeleton: Skeleton
    points: tuple[int, ...]
    notes: dict[str, str]


class _Counted(NamedTuple):
    skeleton: str
    points: tuple[int, ...]
    tool: str


# nose, (neck,) right arm, left arm, right leg, left leg, eyes, ears -> COCO's order
_OPENPOSE_COCO = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)

_BY_COUNT = {
    16: _Counted("mpii_16", tuple(range(16)), "MPII"),
    17: _Counted("coco_17", tuple(range(17)), "COCO"),
    18: _Counted("coco_17", _OPENPOSE_COCO, "OpenPose's COCO model without its neck"),
    25: _Counted("openpose_25", tuple(range(25)), "OpenPose's BODY_25"),
    26: _Counted("halpe_26", tuple(range(26)), "Halpe"),
    68: _Counted("halpe_26", tuple(range(26)), "the first 26 of Halpe with hands"),
    133: _Counted("coco_17", tuple(range(17)), "the first 17 of COCO-WholeBody"),
    136: _Counted("halpe_26", tuple(range(26)), "the first 26 of Halpe full body"),
}

# Where a map's names fit several skeletons, the first of these: `nose` is then the nose itself.
_PREFERRED = ("coco_17", "openpose_25", "halpe_26", "h36m_17")


def find_layout(
    detections: Detections,
    skeleton: str | None = None,
    joint_map: Mapping[str, str] | str | Path | None = None,
) -> Layout:
    """The layout of a file's points, as the module says.

    `InputError` where it cannot be told, where a name is unknown or given twice, and where no
    point is a joint of the skeleton.
    """
    if joint_map is not None:
        return _mapped(detections, skeleton, joint_map)
    if not detections.ordered:
        return _named(detections, skeleton)
    if skeleton is not None:
        return _given(detections, get_skeleton(skeleton, detections.source))
    return _counted(detections)


def _points(detections: Detections) -> tuple[str, ...]:
    """The points' names, or their places as text."""
    return detections.point_names or tuple(map(str, range(detections.values.shape[1])))


def _mapped(
    detections: Detections,
    skeleton: str | None,
    joint_map: Mapping[str, str] | str | Path,
) -> Layout:
    names, source = read_joint_map(joint_map)
    points = _points(detections)
    for name in names:
        known = name in points
        require(known, source, name, expected=f"one of the file's {_few(points)}", found="none")
    target, notes = _target(skeleton, names.values(), source)
    for name, joint in names.items():
        known = joint in target.joints
        expected = f"a joint of {target.name}: {', '.join(target.joints)}"
        require(known, source, name, expected=expected, found=repr(joint))
    point_of = {joint: points.index(name) for name, joint in names.items()}
    return _layout(target, point_of, points, notes)


def _target(
    skeleton: str | None, joints: Iterable[str], source: object
) -> tuple[Skeleton, dict[str, str]]:
    if skeleton is not None:
        return get_skeleton(skeleton, source), {}
    order = sorted(SKELETONS, key=lambda name: name not in _PREFERRED)
    order.sort(key=lambda name: _PREFERRED.index(name) if name in _PREFERRED else 99)
    wanted = set(joints)
    for name in order:
        if wanted <= set(SKELETONS[name].joints):
            note = f"{name}, the first of {', '.join(order)} that has all joints of the map"
            return SKELETONS[name], {"skeleton": note}
    expected = "joints of one skeleton (--skeleton names it)"
    raise InputError(source, "skeleton", expected=expected, found=", ".join(sorted(wanted)))


def _named(detections: Detections, skeleton: str | None) -> Layout:
    """By the file's own words, small and capital letters, blanks and hyphens alike."""
    points = _points(detections)
    if skeleton is None:
        raise InputError(
            detections.source, "skeleton",
            expected="--skeleton NAME, or --map NAMES.json with the joint of each point",
            found=f"neither, and points that the user named: {_few(points)}",
        )  # fmt: skip
    target = get_skeleton(skeleton, detections.source)
    plain = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in points]
    point_of = {joint: plain.index(joint) for joint in target.joints if joint in plain}
    require(
        bool(point_of),
        detections.source, "bodyparts",
        expected=f"names of {target.name}'s joints (or --map NAMES.json)", found=_few(points),
    )  # fmt: skip
    return _layout(target, point_of, points, {})


def _layout(
    skeleton: Skeleton, point_of: Mapping[str, int], points: tuple[str, ...], notes: dict[str, str]
) -> Layout:
    places = tuple(point_of.get(joint, -1) for joint in skeleton.joints)
    unused = [name for place, name in enumerate(points) if place not in places]
    absent = [joint for joint in skeleton.joints if joint not in point_of]
    said = dict(notes)
    if unused:
        said["points"] = f"{len(unused)} of {len(points)} not used: {_few(unused)}"
    if absent:
        said["joints"] = f"never observed in this file: {', '.join(absent)}"
    return Layout(skeleton, places, said)


def _given(detections: Detections, skeleton: Skeleton) -> Layout:
    count = detections.values.shape[1]
    known = _BY_COUNT.get(count)
    if count != len(skeleton) and known is not None and known.skeleton == skeleton.name:
        return Layout(skeleton, known.points, {"points": known.tool})
    require(
        count == len(skeleton),
        detections.source, "keypoints",
        expected=f"{len(skeleton)} each, as in {skeleton.name}", found=count,
    )  # fmt: skip
    return Layout(skeleton, tuple(range(count)), {})


def _counted(detections: Detections) -> Layout:
    count = detections.values.shape[1]
    known = _BY_COUNT.get(count)
    if known is None or not _plausible(detections.point_names, known):
        counts = ", ".join(f"{n} ({c.tool})" for n, c in _BY_COUNT.items())
        raise InputError(
            detections.source, "keypoints",
            expected=f"{counts}; or --skeleton, or --map NAMES.json",
            found=f"{count} for each person" + _with_names(detections.point_names),
        )  # fmt: skip
    note = f"{known.skeleton}, because {count} keypoints are {known.tool}"
    return Layout(SKELETONS[known.skeleton], known.points, {"skeleton": note})


def _plausible(names: tuple[str, ...] | None, known: _Counted) -> bool:
    """Whether most of the points' names, where there are some, say the same as their number."""
    if names is None:
        return True
    joints = SKELETONS[known.skeleton].joints
    agree = [names[p].lower() == joint for p, joint in zip(known.points, joints, strict=True)]
    return sum(agree) >= 0.75 * len(agree)


def _with_names(names: tuple[str, ...] | None) -> str:
    return f", named {_few(names)}" if names else ""


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:30]) + (", ..." if len(listed) > 30 else "")

"""Quantities of a pose that have a name, and events made of them.

    close = within("right_wrist", (0.1, -0.2, 0.4), 0.3)
    bent = (angle("left_knee_flexion") > 60) & ~close
    posterior.probability(bent, hypotheses=1000)

Degrees and metres. A point is in camera axes (x right, y down, z forward), relative to the root
unless `posterior.probability(event, root=...)` tells where that is. `down` is the direction of
gravity in the same axes; unless told, the camera is held level. `event_text.py` reads the same
from text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from poseterior.errors import known, require
from poseterior.events import Event, Measure, Needs, compared, source_of
from poseterior.geometry import limbs
from poseterior.geometry.joint_angles import angle_joints, joint_angle
from poseterior.geometry.limbs import LEVEL_CAMERA, Vector
from poseterior.geometry.skeleton import Skeleton

__all__ = [
    "Quantity",
    "angle",
    "azimuth",
    "distance",
    "elevation",
    "height",
    "within",
]


@dataclass(frozen=True, eq=False)
class Quantity:
    """A number of a pose: `quantity(pose, skeleton)` of poses (..., J, 3) is (...).

    Compared with a number it makes an `Event`.

    Attributes:
        text: how it is written.
        unit: "deg" or "m".
        needs: the joints it depends on.
        measure: what computes it.
        circular: 180 and -180 are the same.
    """

    text: str
    unit: str
    needs: Needs
    measure: Measure
    circular: bool = False

    def __call__(self, pose: Tensor, skeleton: Skeleton) -> Tensor:
        """Of poses (..., J, 3), (...) in its unit; `InputError` for a joint that is not there."""
        self.needs(skeleton, self.text)
        return self.measure(pose, skeleton)

    def __lt__(self, threshold: float) -> Event:
        return self.compared("<", threshold)

    def __le__(self, threshold: float) -> Event:
        return self.compared("<=", threshold)

    def __gt__(self, threshold: float) -> Event:
        return self.compared(">", threshold)

    def __ge__(self, threshold: float) -> Event:
        return self.compared(">=", threshold)

    def compared(self, symbol: str, threshold: float) -> Event:
        """The event that it is <, <=, > or >= than a number in its unit."""
        return compared(self.text, self.needs, self.measure, symbol, threshold)


def angle(name: str) -> Quantity:
    """A joint angle in degrees, one of `geometry.joint_angles.ANGLES`."""

    def needs(skeleton: Skeleton, source: str) -> frozenset[str]:
        angles = angle_joints(skeleton)
        return frozenset(angles[known(f"{source}: angle of {skeleton.name}", name, angles)])

    # Only these go around: the others end at 0 and 180, or at -90 and 90.
    circular = name.endswith("hip_flexion") or name == "trunk_flexion"
    return Quantity(
        name, "deg", needs, lambda pose, skeleton: joint_angle(pose, skeleton, name), circular
    )


def distance(joint: str, other: str | Vector) -> Quantity:
    """Distance in metres of a joint from another one, or from a point (3,) or (*batch_shape, 3)."""
    place = _Place(other)
    text, needs = f"distance({joint}, {place.text})", _joints(joint, *place.joints)
    return Quantity(text, "m", needs, partial(place.distance_of, joint))


def height(joint: str, other: str | Vector, down: Vector = LEVEL_CAMERA) -> Quantity:
    """How many metres a joint is above another one, or above a point such as one of the floor."""
    place = _Place(other)
    text, needs = f"height({joint}, {place.text})", _joints(joint, *place.joints)
    return Quantity(text, "m", needs, partial(place.height_of, joint, down))


def elevation(start: str, end: str, down: Vector = LEVEL_CAMERA) -> Quantity:
    """Degrees by which the direction from one joint to another rises above the horizontal."""
    return Quantity(
        f"elevation({start}, {end})", "deg", _joints(start, end),
        lambda pose, skeleton: limbs.elevation(
            limbs.direction_between(pose, skeleton, start, end), down
        ),
    )  # fmt: skip


def azimuth(start: str, end: str, down: Vector = LEVEL_CAMERA) -> Quantity:
    """Degrees, -180 to 180, of that direction in the horizontal plane: 0 away, 90 to the right."""
    return Quantity(
        f"azimuth({start}, {end})", "deg", _joints(start, end),
        lambda pose, skeleton: limbs.azimuth(
            limbs.direction_between(pose, skeleton, start, end), down
        ),
        circular=True,
    )  # fmt: skip


def within(joint: str, point: str | Vector, radius: float) -> Event:
    """A joint is at most `radius` metres away from a point, or from another joint.

    Raises:
        InputError: a point that is not finite, or a radius that is not above 0.
    """
    place = _Place(point)
    text = f"within({joint}, {place.text}, {radius:.12g})"
    require(
        0 < radius < math.inf, source_of(text), "radius",
        expected="metres above 0", found=radius,
    )  # fmt: skip
    event = distance(joint, point) <= radius
    return Event(text, event.needs, event.holds)


class _Place:
    """A joint by name or a point, as positions (..., 3)."""

    def __init__(self, where: str | Vector) -> None:
        self.joints: tuple[str, ...]
        if isinstance(where, str):
            self.text, self.joints, self.point = where, (where,), None
            return
        self.joints, self.point = (), torch.as_tensor(where, dtype=torch.float64)
        require(
            self.point.shape[-1:] == (3,) and bool(self.point.isfinite().all()), "event", "point",
            expected="three finite numbers of metres", found=where,
        )  # fmt: skip
        flat = self.point.flatten().tolist()
        self.text = ", ".join(f"{x:.12g}" for x in flat) if len(flat) == 3 else "points"

    def __call__(self, pose: Tensor, skeleton: Skeleton) -> Tensor:
        if self.point is not None:
            return self.point.to(pose)
        return limbs.joint_position(pose, skeleton, self.text)

    def distance_of(self, joint: str, pose: Tensor, skeleton: Skeleton) -> Tensor:
        return limbs.distance_to_point(pose, skeleton, joint, self(pose, skeleton))

    def height_of(self, joint: str, down: Vector, pose: Tensor, skeleton: Skeleton) -> Tensor:
        return limbs.height_above_plane(pose, skeleton, joint, self(pose, skeleton), down)


def _joints(*names: str) -> Needs:
    def needs(skeleton: Skeleton, source: str) -> frozenset[str]:
        what = f"{source}: joint of {skeleton.name}"
        return frozenset(known(what, name, skeleton.joints) for name in names)

    return needs

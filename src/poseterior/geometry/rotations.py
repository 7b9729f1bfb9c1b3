"""Rotations by name, thin over roma; any leading batch dimensions.

A rotation matrix (..., 3, 3) acts on column vectors: y = R x. An axis-angle vector (..., 3)
is the unit axis times the angle in radians. The 6D representation (..., 6) is the first
column of the matrix, then the second (Zhou et al., CVPR 2019). Euler angles are in degrees,
as motion-capture files have them.
"""

from __future__ import annotations

import roma
import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["angle_deg", "from_6d", "from_axis_angle", "from_euler", "to_6d", "to_axis_angle"]


def from_axis_angle(vector: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3), radians."""
    return roma.rotvec_to_rotmat(vector)


def to_axis_angle(rotation: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3), of length at most pi, of rotation matrices (..., 3, 3)."""
    return roma.rotmat_to_rotvec(rotation)


def from_6d(columns: Tensor) -> Tensor:
    """Rotation matrices from any two vectors (..., 6) that are not parallel, by Gram-Schmidt."""
    return roma.special_gramschmidt(columns.unflatten(-1, (2, 3)).mT)


def to_6d(rotation: Tensor) -> Tensor:
    """First two columns (..., 6) of rotation matrices."""
    return rotation[..., :2].mT.flatten(-2)


def from_euler(order: str, angles_deg: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) from angles (..., len(order)) in degrees, as `order` names.

    Upper case turns about the moving axes, one after the other: `"ZXY"` is Rz Rx Ry, which is
    what a BVH file with channels Zrotation Xrotation Yrotation means. Lower case turns about
    the fixed axes: `"xyz"` is Rz Ry Rx, which is ASF/AMC's order XYZ (x first).

    >>> from_euler("ZY", torch.tensor([90.0, 0.0])).round().tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    one_case = order in (order.upper(), order.lower())
    require(
        one_case and 0 < len(order) <= 3 and not set(order.lower()) - set("xyz"),
        "from_euler", "order", expected="one to three of xyz, or of XYZ", found=repr(order),
    )  # fmt: skip
    require(
        angles_deg.shape[-1:] == (len(order),),
        "from_euler", "angles_deg",
        expected=f"(..., {len(order)}) for {order}", found=tuple(angles_deg.shape),
    )  # fmt: skip
    return roma.euler_to_rotmat(order, angles_deg, degrees=True)


def angle_deg(prediction: Tensor, target: Tensor) -> Tensor:
    """Geodesic distance (...) in degrees, 0 to 180, of rotation matrices (..., 3, 3)."""
    return torch.rad2deg(roma.rotmat_geodesic_distance(prediction, target))

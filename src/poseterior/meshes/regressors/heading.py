"""A pose apart from where it faces: the heading, and coordinates that do not change with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseterior.errors import require
from poseterior.geometry.kinematics import bone_vectors
from poseterior.geometry.skeleton import Skeleton

__all__ = ["HeadingFrame"]

# Hips whose horizontal distance, metres, is less have no heading.
_LEAST = 1e-4


class HeadingFrame(nn.Module):
    """An exact change of coordinates of the 3(J-1) numbers of a root-relative pose.

    The vector from the right hip to the left, (r cos h, a, -r sin h), tells the heading h: 0 for
    one who faces the camera, whose left is on the right of the image. The other n = 3(J-1) - 1
    coordinates are log r, a, and, turned by -h about the y axis, the mean of the hips' bones and
    all other bones. From joints to these the determinant is that of polar coordinates,

        dx dz = r² d(log r) dh

    Raises:
        InputError: a skeleton without hips that have the same parent.
    """

    matrix: Tensor
    inverse: Tensor

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        hips = [f"{side}_hip" for side in ("left", "right")]
        there = set(hips) <= set(skeleton.joints)
        parents = {skeleton.parents[skeleton.index(hip)] for hip in hips} if there else set()
        require(
            len(parents) == 1, skeleton.name, "joints",
            expected="left_hip and right_hip with the same parent", found=skeleton.joints,
        )  # fmt: skip
        self.features = 3 * (len(skeleton) - 1) - 1
        matrix = _matrix(skeleton, hips)
        inverse = torch.zeros_like(matrix.T)
        # Its entries are 0, 1, -1, 1/2 and -1/2.
        inverse[list(skeleton.free)] = matrix[:, list(skeleton.free)].inverse().mul(2).round() / 2
        self.register_buffer("matrix", matrix, persistent=False)
        self.register_buffer("inverse", inverse, persistent=False)

    def split(self, pose: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of poses (..., J, 3): coordinates (..., n), headings (...) in (-pi, pi], log |det|.

        The last (...) is of the map from the free joints to coordinates and heading.
        """
        vectors = self.matrix @ pose
        x, up, z = vectors[..., 0, :].unbind(-1)
        r = (x.square() + z.square()).clamp_min(_LEAST**2).sqrt()
        log_r = r.log()
        rest = _turn(vectors[..., 1:, :], x / r, z / r)
        features = torch.cat([log_r[..., None], up[..., None], rest.flatten(-2)], -1)
        return features, torch.atan2(-z, x), -2 * log_r

    def join(self, features: Tensor, heading: Tensor) -> Tensor:
        """Poses (..., J, 3) of coordinates (..., n) and headings (...): the inverse of `split`."""
        r, up = features[..., 0].exp(), features[..., 1]
        cos, sin = heading.cos(), heading.sin()
        rest = _turn(features[..., 2:].unflatten(-1, (-1, 3)), cos, sin)
        across = torch.stack([r * cos, up, -r * sin], -1)
        return self.inverse @ torch.cat([across[..., None, :], rest], -2)


def _matrix(skeleton: Skeleton, hips: list[str]) -> Tensor:
    """(J-1, J): left less right hip, the mean of their bones, all other bones."""
    bones = bone_vectors(torch.eye(len(skeleton))[..., None].expand(-1, -1, 3), skeleton)
    bones = bones[..., 0].T  # (J-1, J)
    left, right = (list(skeleton.free).index(skeleton.index(hip)) for hip in hips)
    others = [b for b in range(len(bones)) if b not in (left, right)]
    first = torch.stack([bones[left] - bones[right], (bones[left] + bones[right]) / 2])
    return torch.cat([first, bones[others]])


def _turn(points: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Points (..., N, 3) turned about the y axis by an angle of cosines and sines (...)."""
    cos, sin = cos[..., None], sin[..., None]
    x, y, z = points.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], -1)

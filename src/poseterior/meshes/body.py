"""The one protocol of a body model: parameters in; vertices, joints and landmarks out."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.parameters import BodyParameters

__all__ = ["Body"]


class Body(Protocol):
    """A parametric body, at rest in SMPL's axes: x to the body's left, y up, z forward.

    Rotations turn about world axes through the rest joint, as SMPL's do, so zero pose is the
    body at rest. All results are metres in the axes that `global_orient` takes it to, with
    the leading dimensions of the parameters; gradients reach all of them.

    Attributes:
        name: of the body model.
        tree: the K joints that are rotated, and their parents; the root is joint 0.
        betas: S, numbers of shape.
        faces: (F, 3) int64, corners of the triangles, counter-clockwise seen from outside.
        landmarks: the skeletons that `landmarks_of` knows, by name.
    """

    name: str
    tree: Skeleton
    betas: int
    faces: Tensor
    landmarks: dict[str, Skeleton]

    def vertices(self, parameters: BodyParameters) -> Tensor:
        """(..., V, 3) metres; `InputError` if the parameters are of another body or not finite."""
        ...

    def joints(self, parameters: BodyParameters) -> Tensor:
        """(..., K, 3) metres, the joints of the tree, by kinematics alone."""
        ...

    def landmarks_of(self, parameters: BodyParameters, skeleton: Skeleton) -> Tensor:
        """(..., J, 3) metres, joints of `skeleton` as its annotators place them.

        Fixed weighted sums of vertices (the linear regressor of paper 004, Section 3), had
        without making the mesh. `InputError` if the body has no regressor for it.
        """
        ...

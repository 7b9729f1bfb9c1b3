"""A body made of arrays: blend shapes, linear blend skinning and sparse landmarks.

Every body model of this package is one of these; a file such as `anny_body.py` or `smpl.py`
only says where the arrays come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor, nn

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton, get_skeleton
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinning import bone_transforms, joints_of, skin

__all__ = ["BodyArrays", "LandmarkParts", "SkinnedBody"]


@dataclass(frozen=True, eq=False)
class BodyArrays:
    """What a skinned body is made of. C numbers weigh its shapes, K joints turn it.

    Points are the V vertices of the mesh and, after them, any others that move with it and
    that landmarks need, such as the joints of bones that are not turned: P >= V in all.

    Attributes:
        template: (P, 3) metres, the points of the mean body at rest.
        shapes: (C, P, 3) metres that a unit of each coefficient moves them.
        heads: (K, 3) metres, the joints of the mean body at rest.
        head_shapes: (C, K, 3) metres, as `shapes`.
        weights: (P, K) skinning weights, rows sum to 1.
        tree: the joints, the root first.
        faces: (F, 3) int64 vertices of each triangle.
        betas: S, numbers of shape; C unless `coefficients` is given.
        regressors: by skeleton name, (J, P) weights of each joint, rows sum to 1.
        corrections: (9 (K-1), P, 3) metres that the posed joints' rotations, less the identity
            and row by row, move the points (SMPL's pose blend shapes), or None.
        coefficients: betas (B, S) -> (B, C), where they are not the same.
        extra: how many of the points are no vertices.
    """

    template: Tensor
    shapes: Tensor
    heads: Tensor
    head_shapes: Tensor
    weights: Tensor
    tree: Skeleton
    faces: Tensor
    betas: int
    regressors: Mapping[str, Tensor] = field(default_factory=dict)
    corrections: Tensor | None = None
    coefficients: Callable[[Tensor], Tensor] | None = None
    extra: int = 0


class _Landmarks(nn.Module):
    """Joints of one skeleton, collapsed: sum_p r_jp v'_p = sum_k G_k a_jk + m_jk t_k.

    a_jk = sum_p r_jp w_pk v_p is linear in the shape and in the pose corrections, so no
    vertex is ever computed.
    """

    base: Tensor
    shapes: Tensor
    corrections: Tensor | None
    mass: Tensor

    def __init__(self, arrays: BodyArrays, regressor: Tensor) -> None:
        super().__init__()
        used = regressor.any(0)
        share = regressor[:, used, None] * arrays.weights[used]  # (J, P', K)

        def collapse(points: Tensor) -> Tensor:  # (..., P, 3) -> (..., J K 3)
            return torch.einsum("jpk,...pc->...jkc", share, points[..., used, :]).flatten(-3)

        self.register_buffer("mass", share.sum(1), persistent=False)  # (J, K)
        self.register_buffer("base", collapse(arrays.template), persistent=False)
        self.register_buffer("shapes", collapse(arrays.shapes), persistent=False)
        more = arrays.corrections
        self.register_buffer(
            "corrections", None if more is None else collapse(more), persistent=False
        )

    def forward(
        self, coefficients: Tensor, pose: Tensor | None, linear: Tensor, translation: Tensor
    ) -> Tensor:
        points = self._points(coefficients, pose)
        turned = torch.einsum("bkxy,bjky->bjx", linear, points)
        return turned + self.mass @ translation

    def parts(
        self, coefficients: Tensor, pose: Tensor | None, linear: Tensor, translation: Tensor
    ) -> Tensor:
        """(B, J, K, 3): the summands of `forward`."""
        points = self._points(coefficients, pose)
        turned = torch.einsum("bkxy,bjky->bjkx", linear, points)
        return turned + self.mass[..., None] * translation[:, None]

    def _points(self, coefficients: Tensor, pose: Tensor | None) -> Tensor:
        points = torch.addmm(self.base, coefficients, self.shapes)
        if pose is not None and self.corrections is not None:
            points = torch.addmm(points, pose, self.corrections)
        return points.unflatten(1, (*self.mass.shape, 3))  # (B, J, K, 3)


class LandmarkParts(NamedTuple):
    """Landmarks of bodies (B,) by the joints that carry them, for derivatives in closed form.

    Attributes:
        parts: (B, J, K, 3) metres; `landmarks_of` is their sum over K, plus `transl`.
        mass: (J, K) the share of each joint in each landmark, rows sum to 1.
        joints: (B, K, 3) metres, without `transl`.
        orientations: (B, K, 3, 3) of the joints in the axes of the landmarks.
    """

    parts: Tensor
    mass: Tensor
    joints: Tensor
    orientations: Tensor


class SkinnedBody(nn.Module):
    """A `Body` of given arrays.

    Args:
        name: of the body model, for messages and files.
        arrays: see `BodyArrays`; they become buffers and keep their dtype.

    Raises:
        InputError: arrays whose shapes do not fit one another.
    """

    template: Tensor
    blend: Tensor
    heads: Tensor
    head_shapes: Tensor
    weights: Tensor
    faces: Tensor

    def __init__(self, name: str, arrays: BodyArrays) -> None:
        super().__init__()
        _check(name, arrays)
        self.name, self.tree, self.betas = name, arrays.tree, arrays.betas
        self.coefficients = arrays.coefficients
        count = len(arrays.template) - arrays.extra
        self.corrected = arrays.corrections is not None
        blend = [each for each in (arrays.shapes, arrays.corrections) if each is not None]
        buffers = {
            "template": _by_coordinate(arrays.template[:count]),
            "blend": torch.cat([_by_coordinate(each[:, :count]) for each in blend]),
            "heads": arrays.heads.flatten(),
            "head_shapes": arrays.head_shapes.flatten(1),
            "weights": arrays.weights[:count].T.contiguous(),
            "faces": arrays.faces,
        }
        for key, value in buffers.items():
            self.register_buffer(key, value, persistent=False)
        self.landmarks = {name: get_skeleton(name) for name in arrays.regressors}
        self._regress = nn.ModuleDict(
            {name: _Landmarks(arrays, weights) for name, weights in arrays.regressors.items()}
        )

    def vertices(self, parameters: BodyParameters) -> Tensor:
        """(..., V, 3) metres."""
        batch, flat, shape = self._of(parameters)
        _, linear, translation = self._bones(flat, shape)
        pose = self._pose(flat)
        known = shape if pose is None else torch.cat([shape, pose], 1)
        points = torch.addmm(self.template, known, self.blend).unflatten(1, (3, -1))
        out = None if torch.is_grad_enabled() else points
        posed = skin(points, self.weights, linear, translation, flat.transl, out)
        return posed.mT.reshape(*batch, posed.shape[2], 3)

    def joints(self, parameters: BodyParameters) -> Tensor:
        """(..., K, 3) metres."""
        batch, flat, shape = self._of(parameters)
        joints = joints_of(*self._bones(flat, shape))
        return (joints + flat.transl[:, None]).reshape(*batch, *joints.shape[1:])

    def landmarks_of(self, parameters: BodyParameters, skeleton: Skeleton) -> Tensor:
        """(..., J, 3) metres."""
        batch, flat, shape = self._of(parameters)
        found = self.landmarks_shaped(flat, shape, skeleton)
        return (found + flat.transl[:, None]).reshape(*batch, *found.shape[1:])

    def landmark_parts(self, parameters: BodyParameters, skeleton: Skeleton) -> LandmarkParts:
        """Of parameters with batch shape (B,): what `landmarks_of` is the sum of."""
        regress = self._regressor(skeleton)
        _, flat, shape = self._of(parameters)
        heads, linear, translation = self._bones(flat, shape)
        joints = joints_of(heads, linear, translation)
        parts = regress.parts(shape, self._pose(flat), linear, translation)
        return LandmarkParts(parts, regress.mass, joints, linear)

    def landmarks_shaped(self, bodies: BodyParameters, shape: Tensor, to: Skeleton) -> Tensor:
        """(B, J, 3) metres but for `transl`, of shape coefficients (B, C) in place of betas."""
        _, linear, translation = self._bones(bodies, shape)
        found: Tensor = self._regressor(to)(shape, self._pose(bodies), linear, translation)
        return found

    def _regressor(self, skeleton: Skeleton) -> _Landmarks:
        known = ", ".join(self.landmarks)
        require(
            skeleton.name in self.landmarks,
            self.name, "skeleton", expected=f"one of {known}", found=skeleton.name,
        )  # fmt: skip
        regress = self._regress[skeleton.name]
        assert isinstance(regress, _Landmarks)  # what __init__ puts there
        return regress

    @property
    def vertex_count(self) -> int:
        """V, vertices of the mesh."""
        return self.weights.shape[1]

    def root_at_rest(self, betas: Tensor) -> Tensor:
        """(..., 3) metres, the root joint at rest, which `transl` moves, of betas (..., S)."""
        shape = betas.reshape(-1, self.betas)
        shape = shape if self.coefficients is None else self.coefficients(shape)
        root = torch.addmm(self.heads[:3], shape, self.head_shapes[:, :3])
        return root.reshape(*betas.shape[:-1], 3)

    def _of(self, parameters: BodyParameters) -> tuple[torch.Size, BodyParameters, Tensor]:
        """The batch shape, parameters of one batch dimension, and shape coefficients (B, C)."""
        joints, betas = parameters.body_pose.shape[-3] + 1, parameters.betas.shape[-1]
        for name, expected, found in (
            ("rotations", len(self.tree), joints), ("betas", self.betas, betas)
        ):  # fmt: skip
            require(expected == found, self.name, name, expected=f"{expected}", found=found)
        batch = parameters.batch_shape
        flat = BodyParameters(
            parameters.global_orient.reshape(-1, 3, 3),
            parameters.body_pose.reshape(-1, joints - 1, 3, 3),
            parameters.betas.reshape(-1, betas),
            parameters.transl.reshape(-1, 3),
        )
        self._require_finite(flat)
        shape = flat.betas if self.coefficients is None else self.coefficients(flat.betas)
        return batch, flat, shape

    def _require_finite(self, flat: BodyParameters) -> None:
        values = {f.name: getattr(flat, f.name).detach() for f in fields(flat)}
        if isfinite(torch.stack([value.sum() for value in values.values()]).sum().item()):
            return  # as nearly always; else it may still be that the sum is too large
        for name, value in values.items():
            require(
                bool(value.isfinite().all()),
                self.name, name, expected="finite numbers", found="NaN or infinity",
            )  # fmt: skip

    def _bones(self, flat: BodyParameters, shape: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Joints at rest, linear parts and translations, as of `bone_transforms`."""
        heads = torch.addmm(self.heads, shape, self.head_shapes).unflatten(1, (-1, 3))
        return heads, *bone_transforms(flat.rotations, heads, self.tree)

    def _pose(self, flat: BodyParameters) -> Tensor | None:
        """(B, 9 (K-1)): what the pose blend shapes are weighed by."""
        if not self.corrected:
            return None
        return (flat.body_pose - torch.eye(3).to(flat.body_pose)).flatten(1)


def _by_coordinate(points: Tensor) -> Tensor:
    """(..., V, 3) -> (..., 3 V): all x, then all y, then all z."""
    return points.mT.flatten(-2).contiguous()


def _check(name: str, a: BodyArrays) -> None:
    """`InputError` unless all shapes fit one another and the weights sum to 1."""
    (points, _), joints, shapes = a.template.shape, len(a.tree), len(a.shapes)
    wanted: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "shapes": (a.shapes, (shapes, points, 3)),
        "heads": (a.heads, (joints, 3)),
        "head_shapes": (a.head_shapes, (shapes, joints, 3)),
        "weights": (a.weights, (points, joints)),
        "faces": (a.faces, (len(a.faces), 3)),
    }
    if a.corrections is not None:
        wanted["corrections"] = (a.corrections, (9 * (joints - 1), points, 3))
    for skeleton, regressor in a.regressors.items():
        wanted[f"regressors[{skeleton}]"] = (
            regressor, (len(get_skeleton(skeleton, name)), points)
        )  # fmt: skip
    for field_name, (value, shape) in wanted.items():
        found = tuple(value.shape)
        require(found == shape, name, field_name, expected=f"shape {shape}", found=found)
    require(a.tree.root == 0, name, "tree", expected="the root first", found=a.tree.joints)
    last = points - a.extra - 1
    inside = int(a.faces.min()) >= 0 and int(a.faces.max()) <= last
    require(inside, name, "faces", expected=f"vertices 0 to {last}", found=int(a.faces.max()))
    for field_name, value in (("weights", a.weights), *a.regressors.items()):
        off = float((value.sum(-1) - 1).abs().max())
        require(off < 1e-3, name, field_name, expected="rows that sum to 1", found=f"off by {off}")

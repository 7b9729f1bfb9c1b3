"""Poses of a body as least squares, solved by Levenberg's and Marquardt's method, many at a time.

The variables are small turns of the joints about world axes, and a translation. A turn w of joint
k moves landmark j by w x a_jk, where a_jk is what of the landmark hangs from k, seen from k.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.motion.joint_prior import JointPrior, landmark_std
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.meshes.skinning import below

__all__ = ["PoseProblem", "PoseState", "minimised", "moved"]


@dataclass(frozen=True, eq=False)
class PoseState:
    """Rotations and translations (N,) with the sum, its gradient and its (Gauss-Newton) Hessian.

    The variables are turns of the joints about world axes, then the translation.
    """

    rotations: Tensor
    transl: Tensor
    world: Tensor
    cost: Tensor
    gradient: Tensor
    hessian: Tensor

    def where(self, better: Tensor, other: PoseState) -> PoseState:
        """`other` where it is better."""
        rows = better.nonzero()[:, 0]
        return other if len(rows) == len(better) else self.with_rows(rows, other.rows(rows))

    def rows(self, rows: Tensor) -> PoseState:
        """Some of the poses."""
        return PoseState(**{name: value[rows] for name, value in vars(self).items()})

    def with_rows(self, rows: Tensor, other: PoseState) -> PoseState:
        """These poses replaced."""
        pairs = {name: (value, getattr(other, name)) for name, value in vars(self).items()}
        return PoseState(**{n: value.index_copy(0, rows, new) for n, (value, new) in pairs.items()})


class PoseProblem:
    """Poses (N, J, 3), shapes (N, S) and a prior: what is minimised."""

    def __init__(
        self, body: SkinnedBody, pose: Tensor, skeleton: Skeleton, betas: Tensor, prior: JointPrior
    ) -> None:
        self.body, self.pose, self.skeleton, self.betas = body, pose, skeleton, betas
        self.prior = prior
        self.weight = 1 / landmark_std(skeleton).to(pose)
        self.below = below(body.tree).to(pose)

    def shaped(self, betas: Tensor) -> PoseProblem:
        """The same for other shapes."""
        return PoseProblem(self.body, self.pose, self.skeleton, betas, self.prior)

    def rows(self, rows: Tensor) -> PoseProblem:
        """Some of the poses."""
        prior = self.prior.rows(rows)
        return PoseProblem(self.body, self.pose[rows], self.skeleton, self.betas[rows], prior)

    def residual(self, rotations: Tensor, transl: Tensor, betas: Tensor | None = None) -> Tensor:
        """(N, J, 3): landmarks less joints, over their standard deviations."""
        betas = self.betas if betas is None else betas
        parameters = BodyParameters.of(rotations, betas, transl)
        return self._weighed(self.body.landmarks_of(parameters, self.skeleton) - self.pose)

    def at(self, rotations: Tensor, transl: Tensor) -> PoseState:
        """The sum and its derivatives."""
        residual, jacobian, world = self.linear(rotations, transl)
        flat = residual.flatten(1)
        gradient = (jacobian.mT @ flat[..., None])[..., 0]
        hessian = jacobian.mT @ jacobian
        cost = flat.square().sum(-1)
        more = self.prior(rotations, world)
        count = 3 * len(self.body.tree)
        blocks = hessian[:, :count, :count].unflatten(1, (-1, 3)).unflatten(3, (-1, 3))
        blocks.diagonal(dim1=1, dim2=3).add_(more.hessian.permute(0, 2, 3, 1))
        gradient[:, :count] += more.gradient.flatten(1)
        return PoseState(rotations, transl, world, cost + more.cost, gradient, hessian)

    def linear(self, rotations: Tensor, transl: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weighed residual (N, J, 3), its derivatives (N, 3 J, 3 K + 3), orientations."""
        parameters = BodyParameters.of(rotations, self.betas, transl)
        parts, mass, joints, world = self.body.landmark_parts(parameters, self.skeleton)
        residual = self._weighed(parts.sum(2) + transl[:, None] - self.pose)
        arm = torch.einsum("njlx,lk->njkx", parts, self.below)
        arm = arm - (mass @ self.below)[..., None] * joints[:, None]
        x, y, z = self._weighed(arm.flatten(2)).unflatten(2, (-1, 3)).unbind(-1)  # (N, J, K)
        o = torch.zeros_like(x)
        rows = [torch.stack(row, -1) for row in ((o, z, -y), (-z, o, x), (y, -x, o))]
        turns = torch.stack(rows, 2).flatten(3)  # (N, J, 3, 3 K): w x a
        moves = torch.eye(3).to(turns) * self.weight[:, None, None]
        moves = moves.expand(len(turns), *moves.shape)
        return residual, torch.cat([turns, moves], -1).flatten(1, 2), world

    def _weighed(self, values: Tensor) -> Tensor:
        return values * self.weight[:, None]


def minimised(
    problem: PoseProblem, state: PoseState, iterations: int, tolerance: float
) -> PoseState:
    """The state after the last step; poses that are done are left alone, half of them at a time."""
    damping = torch.full_like(state.cost, 1e-2)
    left = torch.arange(len(damping), device=damping.device)
    part, now = problem, state
    for _ in range(iterations):
        new = part.at(*moved(now, _step(now, damping)))
        better = new.cost < now.cost
        gain = torch.where(better, now.cost - new.cost, 0.0)
        done = (gain < tolerance * now.cost) & (better | (damping > 1))
        now = now.where(better, new)
        damping = torch.where(better, damping / 5, damping * 5).clamp(1e-5, 1e3)
        if bool(done.sum() * 2 > len(done)):
            state = state.with_rows(left, now)
            left, damping, now, part = (
                left[~done],
                damping[~done],
                now.rows(~done),
                part.rows(~done),
            )
        if len(left) == 0:
            break
    return state.with_rows(left, now)


def _step(state: PoseState, damping: Tensor) -> Tensor:
    """(N, 3 K + 3): minus the damped Hessian's inverse times the gradient."""
    hessian = state.hessian.clone()
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    diagonal.add_(damping[:, None] * diagonal + 1e-6)
    factor = torch.linalg.cholesky_ex(hessian)[0]
    return -torch.cholesky_solve(state.gradient[..., None], factor)[..., 0]


def moved(state: PoseState, step: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations and translations after a step (N, 3 K + 3) of the variables."""
    turns = step[:, :-3].unflatten(-1, (-1, 3))
    own = (state.world.mT @ turns[..., None])[..., 0]  # in the joints' own axes
    return state.rotations @ from_axis_angle(own), state.transl + step[:, -3:]

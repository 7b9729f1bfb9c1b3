"""Inverse kinematics: the body whose landmarks lie where the joints of a pose are.

For each pose the rotations R and the translation t minimise

    sum_j |x_j(R, t, beta) - y_j|^2 / s_j^2 + sum_k |L_k log(C_k' R_k)|^2

by Levenberg's and Marquardt's method, x_j the body's landmarks and L_k (`joint_prior.py`) what
keeps a joint near C_k, rest or given rotations, where landmarks do not tell: twists of bones and
how a bend is shared along the spine. Derivatives are in closed form: a small turn w of joint k,
about world axes, moves landmark j by w x a_jk, a_jk the landmark's share below k seen from k.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.joint_prior import JointPrior, landmark_std
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.pose_start import start_rotations
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["FitOptions", "JointFit", "fit_to_joints", "landmarks_at_rest"]


@dataclass(frozen=True)
class FitOptions:
    """How poses are fitted.

    Attributes:
        iterations: at most so many steps a pose.
        tolerance: a pose is done when a step lowers its sum by less than this share.
        chunk: poses solved at a time, which bounds the memory.
        shape_poses: a person's shape is fitted to so many of their poses, evenly spaced.
        shape_rounds: alternations of pose and shape.
    """

    iterations: int = 20
    tolerance: float = 1e-3
    chunk: int = 512
    shape_poses: int = 32
    shape_rounds: int = 6


@dataclass(frozen=True, eq=False)
class JointFit:
    """Bodies fitted to poses.

    Attributes:
        parameters: batch shape (N,), in the axes of the poses.
        residual: (N, J) metres from each landmark to the joint it was fitted to.
    """

    parameters: BodyParameters
    residual: Tensor


def fit_to_joints(
    body: SkinnedBody,
    pose: Tensor,
    skeleton: Skeleton,
    *,
    betas: Tensor | None = None,
    person: Tensor | None = None,
    toward: Tensor | None = None,
    options: FitOptions | None = None,
) -> JointFit:
    """Bodies whose landmarks lie where the joints are.

    Args:
        body: with landmarks of `skeleton`.
        pose: (N, J, 3) metres, any right-handed axes.
        skeleton: of the poses; with hips, knees, ankles, shoulders, elbows and wrists.
        betas: (N, S) or (S,) shapes that are known; fitted if None. What differs between the
            person's proportions and the body's otherwise bends limbs (`body_proportions.py`).
        person: (N,) whole numbers; poses of the same number share betas. None: one person.
        toward: (N, K, 3, 3) rotations to start from and to stay near, as a motion's; None to
            start from the directions of limbs and to stay near rest.
        options: see `FitOptions`.

    Raises:
        InputError: poses of another shape or not finite, a skeleton that the body has no
            landmarks of, betas, persons or rotations that do not fit.
    """
    options = options or FitOptions()
    pose = pose.to(landmarks_at_rest(body, skeleton))
    _check(body, pose, skeleton, person, toward)
    if betas is None:
        betas = _fitted_betas(body, pose, skeleton, person, toward, options)
    betas = betas.to(pose).expand(len(pose), body.betas)
    fits = [
        _fit(body, part, skeleton, shape, near, options)
        for part, shape, near in zip(
            pose.split(options.chunk),
            betas.split(options.chunk),
            _split(toward, pose, options.chunk),
            strict=True,
        )
    ]
    return JointFit(
        _joined([fit.parameters for fit in fits]), torch.cat([f.residual for f in fits])
    )


def landmarks_at_rest(body: SkinnedBody, skeleton: Skeleton, betas: Tensor | None = None) -> Tensor:
    """(..., J, 3) metres, landmarks of bodies of shape (..., S) at rest; of the mean one if None."""
    betas = body.heads.new_zeros(body.betas) if betas is None else betas
    still = torch.eye(3).to(betas).expand(*betas.shape[:-1], len(body.tree), 3, 3)
    with torch.no_grad():
        return body.landmarks_of(BodyParameters.of(still, betas), skeleton)


def _check(
    body: SkinnedBody,
    pose: Tensor,
    skeleton: Skeleton,
    person: Tensor | None,
    toward: Tensor | None,
) -> None:
    shape, found = (len(pose), len(skeleton), 3), tuple(pose.shape)
    require(found == shape, "fit_to_joints", "pose", expected=f"shape {shape}", found=found)
    finite = bool(pose.isfinite().all())
    require(finite, "fit_to_joints", "pose", expected="finite numbers", found="NaN or infinity")
    turns = (len(pose), len(body.tree), 3, 3)
    for name, value, expected in (("person", person, turns[:1]), ("toward", toward, turns)):
        if value is not None:
            same = tuple(value.shape) == expected
            require(
                same, "fit_to_joints", name, expected=f"shape {expected}", found=tuple(value.shape)
            )


def _split(toward: Tensor | None, pose: Tensor, chunk: int) -> list[Tensor | None]:
    if toward is None:
        return [None] * len(pose.split(chunk))
    return list(toward.to(pose).split(chunk))


def _joined(parts: list[BodyParameters]) -> BodyParameters:
    return BodyParameters.of(
        torch.cat([part.rotations for part in parts]),
        torch.cat([part.betas for part in parts]),
        torch.cat([part.transl for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class _State:
    """Rotations and translations (N,) with the sum, its gradient and its (Gauss-Newton) Hessian.

    The variables are turns of the joints about world axes, then the translation.
    """

    rotations: Tensor
    transl: Tensor
    world: Tensor
    cost: Tensor
    gradient: Tensor
    hessian: Tensor

    def where(self, better: Tensor, other: _State) -> _State:
        """`other` where it is better."""
        rows = better.nonzero()[:, 0]
        return other if len(rows) == len(better) else self.with_rows(rows, other.rows(rows))

    def rows(self, rows: Tensor) -> _State:
        """Some of the poses."""
        return _State(**{name: value[rows] for name, value in vars(self).items()})

    def with_rows(self, rows: Tensor, other: _State) -> _State:
        """These poses replaced."""
        pairs = {name: (value, getattr(other, name)) for name, value in vars(self).items()}
        return _State(**{n: value.index_copy(0, rows, new) for n, (value, new) in pairs.items()})


class _Problem:
    """Poses (N, J, 3), shapes (N, S) and a prior: what is minimised."""

    def __init__(
        self, body: SkinnedBody, pose: Tensor, skeleton: Skeleton, betas: Tensor, prior: JointPrior
    ) -> None:
        self.body, self.pose, self.skeleton, self.betas = body, pose, skeleton, betas
        self.prior = prior
        self.weight = 1 / landmark_std(skeleton).to(pose)
        self.below = _below(body.tree).to(pose)

    def shaped(self, betas: Tensor) -> _Problem:
        """The same for other shapes."""
        return _Problem(self.body, self.pose, self.skeleton, betas, self.prior)

    def rows(self, rows: Tensor) -> _Problem:
        """Some of the poses."""
        prior = self.prior.rows(rows)
        return _Problem(self.body, self.pose[rows], self.skeleton, self.betas[rows], prior)

    def residual(self, rotations: Tensor, transl: Tensor, betas: Tensor | None = None) -> Tensor:
        """(N, J, 3): landmarks less joints, over their standard deviations."""
        betas = self.betas if betas is None else betas
        parameters = BodyParameters.of(rotations, betas, transl)
        return self._weighed(self.body.landmarks_of(parameters, self.skeleton) - self.pose)

    def at(self, rotations: Tensor, transl: Tensor) -> _State:
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
        return _State(rotations, transl, world, cost + more.cost, gradient, hessian)

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


def _below(tree: Skeleton) -> Tensor:
    """(K, K): 1 where joint l hangs from joint k or is it, at [l, k]."""
    below = torch.eye(len(tree))
    for joint in tree.order[1:]:
        below[joint] += below[tree.parents[joint]]
    return below


@torch.no_grad()
def _fit(
    body: SkinnedBody,
    pose: Tensor,
    skeleton: Skeleton,
    betas: Tensor,
    toward: Tensor | None,
    options: FitOptions,
) -> JointFit:
    problem, state = _begin(body, pose, skeleton, betas, toward)
    state = _minimised(problem, state, options)
    parameters = BodyParameters.of(state.rotations, betas, state.transl)
    return JointFit(
        parameters, (body.landmarks_of(parameters, skeleton) - problem.pose).norm(dim=-1)
    )


def _begin(
    body: SkinnedBody,
    pose: Tensor,
    skeleton: Skeleton,
    betas: Tensor,
    toward: Tensor | None,
) -> tuple[_Problem, _State]:
    rest = landmarks_at_rest(body, skeleton)
    start = start_rotations(body.tree, pose, rest, skeleton) if toward is None else toward
    prior = JointPrior.of(body.tree, rest, skeleton, toward)
    problem = _Problem(body, pose, skeleton, betas, prior)
    still = torch.zeros_like(pose[:, 0])
    off = problem.residual(start, still) / problem.weight[:, None]
    return problem, problem.at(start, -off.mean(1))


def _minimised(problem: _Problem, state: _State, options: FitOptions) -> _State:
    """The state after the last step; poses that are done are left alone, half of them at a time."""
    damping = torch.full_like(state.cost, 1e-2)
    left = torch.arange(len(damping), device=damping.device)
    part, now = problem, state
    for _ in range(options.iterations):
        new = part.at(*_moved(now, _step(now, damping)))
        better = new.cost < now.cost
        gain = torch.where(better, now.cost - new.cost, 0.0)
        done = (gain < options.tolerance * now.cost) & (better | (damping > 1))
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


def _step(state: _State, damping: Tensor) -> Tensor:
    """(N, 3 K + 3): minus the damped Hessian's inverse times the gradient."""
    hessian = state.hessian.clone()
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    diagonal.add_(damping[:, None] * diagonal + 1e-6)
    factor = torch.linalg.cholesky_ex(hessian)[0]
    return -torch.cholesky_solve(state.gradient[..., None], factor)[..., 0]


def _moved(state: _State, step: Tensor) -> tuple[Tensor, Tensor]:
    turns = step[:, :-3].unflatten(-1, (-1, 3))
    own = (state.world.mT @ turns[..., None])[..., 0]  # in the joints' own axes
    return state.rotations @ from_axis_angle(own), state.transl + step[:, -3:]


def _fitted_betas(
    body: SkinnedBody,
    pose: Tensor,
    skeleton: Skeleton,
    person: Tensor | None,
    toward: Tensor | None,
    options: FitOptions,
) -> Tensor:
    """(N, S): one shape a person."""
    numbers = torch.zeros(len(pose), dtype=torch.long) if person is None else person.cpu()
    betas = pose.new_zeros(len(pose), body.betas)
    for number in numbers.unique():
        rows = (numbers == number).nonzero()[:, 0]
        some = rows[torch.linspace(0, len(rows) - 1, options.shape_poses).round().long().unique()]
        near = None if toward is None else toward[some].to(pose)
        betas[rows] = _shape_of(body, pose[some], skeleton, near, options)
    return betas


@torch.no_grad()
def _shape_of(
    body: SkinnedBody, pose: Tensor, skeleton: Skeleton, toward: Tensor | None, options: FitOptions
) -> Tensor:
    """(S,) of one person, with a standard-normal prior against the mean over their poses.

    Poses agree on bones' lengths however many they are, so they count as one.
    """
    beta = pose.new_zeros(body.betas)
    problem, state = _begin(body, pose, skeleton, beta.expand(len(pose), -1), toward)
    for _ in range(options.shape_rounds):
        state = _minimised(problem, state, options)
        beta = beta + _shape_step(problem, state, beta)
        problem = problem.shaped(beta.expand(len(pose), -1))
        state = problem.at(state.rotations, state.transl)
    return beta


def _shape_step(problem: _Problem, state: _State, beta: Tensor) -> Tensor:
    """(S,): Newton's step of the shape, the poses following it (their Schur complement)."""
    _, jacobian, _ = problem.linear(state.rotations, state.transl)

    def residual(shape: Tensor) -> Tensor:
        shapes = shape.expand(len(state.transl), -1)
        return problem.residual(state.rotations, state.transl, shapes).flatten(1)

    each = [torch.func.jvp(residual, (beta,), (unit,)) for unit in torch.eye(len(beta)).to(beta)]
    value, slopes = each[0][0], torch.stack([slope for _, slope in each], -1)  # (N, 3 J, S)
    factor = torch.linalg.cholesky_ex(state.hessian)[0]
    followed = jacobian @ torch.cholesky_solve(jacobian.mT @ slopes, factor)
    hessian = (slopes.mT @ (slopes - followed)).mean(0) + torch.eye(len(beta)).to(beta)
    gradient = (slopes.mT @ value[..., None]).mean(0)[..., 0] + beta
    return -torch.linalg.solve(hessian, gradient)

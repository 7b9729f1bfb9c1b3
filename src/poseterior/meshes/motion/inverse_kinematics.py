"""Inverse kinematics: the body whose landmarks lie where the joints of a pose are.

For each pose the rotations R and the translation t minimise

    sum_j |x_j(R, t, beta) - y_j|^2 / s_j^2 + sum_k |L_k log(C_k' R_k)|^2

by Levenberg's and Marquardt's method, x_j the body's landmarks and L_k (`joint_prior.py`) what
keeps a joint near C_k, rest or given rotations, where landmarks do not tell: twists of bones and
how a bend is shared along the spine. `pose_problem.py` has the derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.meshes.motion.joint_prior import JointPrior
from poseterior.meshes.motion.pose_problem import PoseProblem, PoseState, minimised
from poseterior.meshes.motion.pose_start import start_rotations
from poseterior.meshes.parameters import BodyParameters
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
    """(..., J, 3) metres, landmarks at rest of bodies of shape (..., S), the mean one if None."""
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
    shape, found = f"(N, {len(skeleton)}, 3) with N at least 1", tuple(pose.shape)
    fits = pose.ndim == 3 and found[1:] == (len(skeleton), 3) and len(pose) > 0
    require(fits, "fit_to_joints", "pose", expected=f"shape {shape}", found=found)
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
    state = minimised(problem, state, options.iterations, options.tolerance)
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
) -> tuple[PoseProblem, PoseState]:
    rest = landmarks_at_rest(body, skeleton)
    start = start_rotations(body.tree, pose, rest, skeleton) if toward is None else toward
    prior = JointPrior.of(body.tree, rest, skeleton, toward)
    problem = PoseProblem(body, pose, skeleton, betas, prior)
    still = torch.zeros_like(pose[:, 0])
    off = problem.residual(start, still) / problem.weight[:, None]
    return problem, problem.at(start, -off.mean(1))


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
        state = minimised(problem, state, options.iterations, options.tolerance)
        beta = beta + _shape_step(problem, state, beta)
        problem = problem.shaped(beta.expand(len(pose), -1))
        state = problem.at(state.rotations, state.transl)
    return beta


def _shape_step(problem: PoseProblem, state: PoseState, beta: Tensor) -> Tensor:
    """(S,): Newton's step of the shape, the poses following it (their Schur complement)."""
    _, jacobian, _ = problem.linear(state.rotations, state.transl)

    def residual(shape: Tensor) -> Tensor:
        shapes = shape.expand(len(state.transl), -1)
        return problem.residual(state.rotations, state.transl, shapes).flatten(1)

    each = [torch.func.jvp(residual, (beta,), (unit,)) for unit in torch.eye(len(beta)).to(beta)]
    value, slopes = each[0][0], torch.stack([pair[1] for pair in each], -1)  # (N, 3 J, S)
    factor = torch.linalg.cholesky_ex(state.hessian)[0]
    followed = jacobian @ torch.cholesky_solve(jacobian.mT @ slopes, factor)
    hessian = (slopes.mT @ (slopes - followed)).mean(0) + torch.eye(len(beta)).to(beta)
    gradient = (slopes.mT @ value[..., None]).mean(0)[..., 0] + beta
    return -torch.linalg.solve(hessian, gradient)

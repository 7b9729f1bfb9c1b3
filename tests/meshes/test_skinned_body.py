"""Skinned bodies against the formula written out point by point."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from meshes.made_bodies import random_arrays, random_parameters
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.meshes import BodyArrays, BodyParameters, SkinnedBody


def homogeneous(linear: Tensor, translation: Tensor) -> Tensor:
    """(4, 4) of a rigid motion."""
    out = torch.eye(4, dtype=linear.dtype)
    out[:3, :3], out[:3, 3] = linear, translation
    return out


def by_hand(arrays: BodyArrays, p: BodyParameters) -> tuple[Tensor, Tensor]:
    """All points (P, 3) and joints (K, 3) of one body, by chains of 4 x 4 matrices."""
    joints = len(arrays.tree)
    points = arrays.template + (p.betas[:, None, None] * arrays.shapes).sum(0)
    heads = arrays.heads + (p.betas[:, None, None] * arrays.head_shapes).sum(0)
    if arrays.corrections is not None:
        turned = (p.body_pose - torch.eye(3, dtype=points.dtype)).flatten()
        points = points + (turned[:, None, None] * arrays.corrections).sum(0)
    world: list[Tensor] = []
    for joint in range(joints):
        about = homogeneous(p.rotations[joint], heads[joint] - p.rotations[joint] @ heads[joint])
        parent = arrays.tree.parents[joint]
        world.append(about if parent < 0 else world[parent] @ about)
    one = torch.ones(len(points), 1, dtype=points.dtype)
    moved = torch.stack([torch.cat([points, one], 1) @ w.T for w in world], 1)[..., :3]
    ends = [(w @ torch.cat([h, one[0]]))[:3] for w, h in zip(world, heads, strict=True)]
    return (arrays.weights[..., None] * moved).sum(1) + p.transl, torch.stack(ends) + p.transl


@pytest.mark.parametrize("corrections", [True, False])
def test_vertices_joints_and_landmarks_are_those_of_the_formula(corrections: bool) -> None:
    arrays = random_arrays(corrections=corrections)
    body = SkinnedBody("made", arrays)
    parameters = random_parameters(body, 7)
    vertices, joints = body.vertices(parameters), body.joints(parameters)
    landmarks = body.landmarks_of(parameters, H36M_17)
    for i in range(7):
        points, ends = by_hand(arrays, parameters[i])
        torch.testing.assert_close(vertices[i], points[:-10])
        torch.testing.assert_close(joints[i], ends)
        torch.testing.assert_close(landmarks[i], arrays.regressors["h36m_17"] @ points)


def test_zero_pose_is_the_body_at_rest() -> None:
    arrays = random_arrays()
    body = SkinnedBody("made", arrays)
    at_rest = BodyParameters.of(torch.eye(3).double().expand(24, 3, 3), torch.zeros(5).double())
    torch.testing.assert_close(body.vertices(at_rest), arrays.template[:-10])
    torch.testing.assert_close(body.joints(at_rest), arrays.heads)


def test_the_root_joint_is_moved_by_transl_alone() -> None:
    body = SkinnedBody("made", random_arrays())
    p = random_parameters(body, 2, 3)
    root = body.root_at_rest(p.betas) + p.transl
    torch.testing.assert_close(body.joints(p)[..., 0, :], root)


def test_global_orient_turns_all_about_the_root_joint() -> None:
    body = SkinnedBody("made", random_arrays())
    still = random_parameters(body, 3)
    turn = random_parameters(body, 3, seed=2).global_orient
    turned = replace(still, global_orient=turn @ still.global_orient)
    root = body.joints(still)[:, :1]
    expected = (body.vertices(still) - root) @ turn.mT + root
    torch.testing.assert_close(body.vertices(turned), expected)


def test_any_batch_shape_and_none() -> None:
    body = SkinnedBody("made", random_arrays())
    several = random_parameters(body, 2, 3)
    assert body.vertices(several).shape == (2, 3, 50, 3)
    torch.testing.assert_close(body.joints(several)[1, 2], body.joints(several[1])[2])
    assert body.landmarks_of(random_parameters(body, 0), H36M_17).shape == (0, 17, 3)
    assert body.vertices(random_parameters(body)).shape == (50, 3)


def test_gradients_are_right() -> None:
    body = SkinnedBody("made", random_arrays(points=14, shapes=2))
    p = random_parameters(body, 2)
    inputs = [x.requires_grad_() for x in (p.global_orient, p.body_pose, p.betas, p.transl)]
    for of in (body.vertices, lambda q: body.landmarks_of(q, H36M_17)):
        assert torch.autograd.gradcheck(
            lambda *x, of=of: of(BodyParameters(*x)), inputs, fast_mode=True
        )


def test_what_is_of_another_body_is_refused() -> None:
    body = SkinnedBody("made", random_arrays())
    p = random_parameters(body, 2)
    with pytest.raises(InputError, match="made: betas: expected 5, found 3"):
        body.vertices(replace(p, betas=p.betas[:, :3]))
    with pytest.raises(InputError, match="made: rotations: expected 24, found 20"):
        body.joints(replace(p, body_pose=p.body_pose[:, :19]))
    with pytest.raises(InputError, match="made: transl: expected finite numbers"):
        body.vertices(replace(p, transl=p.transl * torch.nan))
    with pytest.raises(InputError, match="made: skeleton: expected one of h36m_17, found coco_17"):
        body.landmarks_of(p, COCO_17)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("shapes", lambda a: a.shapes[:, :-1]),
        ("heads", lambda a: a.heads[:-1]),
        ("weights", lambda a: a.weights.T),
        ("faces", lambda a: a.faces + 100),
        ("corrections", lambda a: a.corrections[:-1]),
        ("regressors", lambda a: {"h36m_17": 2 * a.regressors["h36m_17"]}),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, change: object) -> None:
    arrays = random_arrays()
    wrong = replace(arrays, **{name: change(arrays)})  # type: ignore[operator]
    with pytest.raises(InputError, match="made: (h36m_17|regressors|" + name + ")"):
        SkinnedBody("made", wrong)

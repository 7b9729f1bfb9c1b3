"""Kinematics against chains of 4x4 matrices, and the properties that lengths must have."""

from __future__ import annotations

import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.kinematics import (
    bone_lengths,
    bone_vectors,
    forward_kinematics,
    kinematic_chain_space,
    positions_from_bones,
    rescale_bones,
)
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, SKELETONS

EVERY = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@EVERY
def test_forward_kinematics_is_the_product_of_transforms_up_the_tree(skeleton):
    joints = len(skeleton)
    rotations, offsets = from_axis_angle(normal(2, joints, 3)), normal(joints, 3, seed=1)
    positions, orientations = forward_kinematics(rotations, offsets, skeleton)
    for joint in range(joints):
        whole = torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
        at = joint
        while at >= 0:
            step = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
            step[:, :3, :3], step[:, :3, 3] = rotations[:, at], offsets[at]
            whole, at = step @ whole, skeleton.parents[at]
        torch.testing.assert_close(positions[:, joint], whole[:, :3, 3])
        torch.testing.assert_close(orientations[:, joint], whole[:, :3, :3])


def test_forward_kinematics_keeps_lengths_and_follows_the_root():
    rotations, offsets = from_axis_angle(normal(4, 5, 17, 3)), normal(17, 3, seed=1)
    positions, _ = forward_kinematics(rotations, offsets, H36M_17)
    lengths = offsets[list(H36M_17.free)].norm(dim=-1)
    torch.testing.assert_close(bone_lengths(positions, H36M_17), lengths.expand(4, 5, 16))
    still = torch.eye(3, dtype=torch.float64).expand(17, 3, 3)
    moving = normal(6, 17, 3)  # one set of offsets a frame
    rest, _ = forward_kinematics(still, moving, H36M_17)
    torch.testing.assert_close(rest[:, 3], moving[:, [0, 1, 2, 3]].sum(1))


@EVERY
def test_bones_and_positions_are_inverses(skeleton):
    positions = normal(3, len(skeleton), 3)
    bones = bone_vectors(positions, skeleton)
    root = positions[:, skeleton.root]
    torch.testing.assert_close(positions_from_bones(bones, skeleton, root), positions)
    at_origin = positions_from_bones(bones, skeleton)
    assert (at_origin[:, skeleton.root] == 0).all()
    torch.testing.assert_close(at_origin, positions - root[:, None])


def test_bones_point_from_parent_to_child():
    positions = normal(17, 3)
    wrist, elbow = H36M_17.index("left_wrist"), H36M_17.index("left_elbow")
    bone = bone_vectors(positions, H36M_17)[H36M_17.free.index(wrist)]
    torch.testing.assert_close(bone, positions[wrist] - positions[elbow])


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17, LSP_14], ids=lambda s: s.name)
def test_rescaled_bones_have_the_new_lengths_and_old_directions(skeleton):
    positions = normal(3, len(skeleton), 3)
    factors = torch.linspace(0.5, 2, len(skeleton) - 1, dtype=torch.float64)
    scaled = rescale_bones(positions, factors, skeleton)
    before, after = (bone_vectors(p, skeleton) for p in (positions, scaled))
    torch.testing.assert_close(after, before * factors[:, None])
    root = skeleton.root
    torch.testing.assert_close(scaled[:, root], positions[:, root])


def test_kinematic_chain_space_holds_lengths_and_angles_and_ignores_the_view():
    positions = normal(5, 17, 3)
    psi = kinematic_chain_space(positions, H36M_17)
    lengths = bone_lengths(positions, H36M_17)
    torch.testing.assert_close(psi.diagonal(dim1=-2, dim2=-1), lengths.square())
    bones = bone_vectors(positions, H36M_17)
    cosine = torch.nn.functional.cosine_similarity(bones[:, 2], bones[:, 7], dim=-1)
    torch.testing.assert_close(psi[:, 2, 7] / lengths[:, 2] / lengths[:, 7], cosine)
    turned = positions @ from_axis_angle(normal(3, seed=2)).mT + 4.0
    torch.testing.assert_close(kinematic_chain_space(turned, H36M_17), psi)


def test_kinematic_chain_space_is_the_chain_matrix_form_of_its_paper():
    positions = normal(17, 3)
    chain = torch.zeros(17, 16, dtype=torch.float64)  # B = X C, entries 1 and -1
    for bone, (parent, child) in enumerate(H36M_17.edges):
        chain[child, bone], chain[parent, bone] = 1.0, -1.0
    along = positions.mT @ chain
    torch.testing.assert_close(kinematic_chain_space(positions, H36M_17), along.mT @ along)


def test_gradients_flow_through_the_tree():
    offsets = normal(14, 3, seed=1)
    vectors = normal(14, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v: forward_kinematics(from_axis_angle(v), offsets, LSP_14)[0], vectors
    )


def test_wrong_joint_counts_are_refused():
    rotations = torch.eye(3).expand(17, 3, 3)
    with pytest.raises(InputError, match="offsets"):
        forward_kinematics(rotations, torch.zeros(16, 3), H36M_17)
    with pytest.raises(InputError, match="rotations"):
        forward_kinematics(rotations[:3], torch.zeros(17, 3), H36M_17)
    for function in (bone_vectors, bone_lengths, kinematic_chain_space):
        with pytest.raises(InputError, match="positions"):
            function(torch.zeros(2, 16, 3), H36M_17)
    with pytest.raises(InputError, match="bones"):
        positions_from_bones(torch.zeros(17, 3), H36M_17)

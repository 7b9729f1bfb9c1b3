"""Kinematics by depth against the usual walk down the tree; the fast way against the other."""

from __future__ import annotations

import pytest
import torch

from meshes.made_bodies import random_arrays, random_parameters
from poseterior.errors import InputError
from poseterior.geometry.kinematics import forward_kinematics
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17, SMPL_24, Skeleton, skeleton_from_tree
from poseterior.meshes import SkinnedBody
from poseterior.meshes.skinning import bone_transforms, joints_of

CHAIN = skeleton_from_tree("chain", [("a", None), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")])
# Children before their parents, and the root not first.
MIXED = skeleton_from_tree("mixed", [("c", "b"), ("d", "a"), ("b", "a"), ("a", None)])
ONE = skeleton_from_tree("one", [("a", None)])


@pytest.mark.parametrize("tree", [SMPL_24, H36M_17, CHAIN, MIXED, ONE], ids=lambda t: t.name)
def test_joints_and_turns_are_those_of_forward_kinematics(tree: Skeleton) -> None:
    draw = torch.Generator().manual_seed(0)
    turns, heads = (torch.randn(5, len(tree), 3, generator=draw).double() for _ in range(2))
    rotations = from_axis_angle(turns)
    offsets = heads - heads[:, [max(parent, 0) for parent in tree.parents]]
    offsets[:, tree.root] = heads[:, tree.root]
    joints, orientations = forward_kinematics(rotations, offsets, tree)
    linear, translation = bone_transforms(rotations, heads, tree)
    torch.testing.assert_close(linear, orientations)
    torch.testing.assert_close(joints_of(heads, linear, translation), joints)


@pytest.mark.parametrize("corrections", [True, False])
@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_vertices_without_gradient_are_the_same(corrections: bool, count: int) -> None:
    body = SkinnedBody("made", random_arrays(corrections=corrections))
    parameters = random_parameters(body, count)
    with torch.no_grad():
        found = body.vertices(parameters)
        again = body.vertices(parameters)
    torch.testing.assert_close(found, body.vertices(parameters))
    torch.testing.assert_close(found, again, rtol=0, atol=0)


def test_numbers_too_large_to_sum_are_finite_and_infinity_is_not() -> None:
    body = SkinnedBody("made", random_arrays())
    parameters = random_parameters(body, 2)
    parameters.transl[:] = 1e308
    assert body.joints(parameters).isfinite().all()
    parameters.transl[0, 0], parameters.transl[1, 0] = torch.inf, -torch.inf
    with pytest.raises(InputError, match="made: transl: expected finite numbers"):
        body.joints(parameters)

"""The light body of Anny as it is shipped: sides, axes, symmetry, shape."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from meshes.made_bodies import random_parameters
from poseterior.errors import InputError
from poseterior.geometry.conversion import conversion
from poseterior.geometry.conversion_rules import RULES
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, SMPL_24, Skeleton
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.models.anny_body import anny_body

SKELETONS = [COCO_17, H36M_17, LSP_14]
# Anny's own bones are not quite those of a mirror: an elbow is off by 0.7 mm.
SYMMETRY = 1e-3  # metres
MIRROR = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)


@pytest.fixture(scope="module")
def body() -> SkinnedBody:
    return anny_body("light", torch.float64)


def people(body: SkinnedBody, count: int) -> BodyParameters:
    """Of any pose and shape, where the root joint of the mean body is."""
    p = random_parameters(body, count)
    return BodyParameters(p.global_orient, p.body_pose, p.betas, 0 * p.transl)


def at_rest(body: SkinnedBody, betas: Tensor) -> BodyParameters:
    turns = torch.eye(3).to(betas).expand(*betas.shape[:-1], len(body.tree), 3, 3)
    return BodyParameters.of(turns, betas)


def mirrored(body: SkinnedBody, p: BodyParameters) -> BodyParameters:
    """The same people in a mirror across the plane x = 0."""
    turns = p.rotations[:, list(body.tree.partners)]
    return BodyParameters.of(MIRROR[:, None] * turns * MIRROR, p.betas)


def signed_volume(vertices: Tensor, faces: Tensor) -> Tensor:
    """(B,) positive where faces turn counter-clockwise, seen from outside."""
    a, b, c = vertices[:, faces].unbind(2)
    return (torch.linalg.cross(a, b) * c).sum((1, 2)) / 6


def test_what_it_is(body: SkinnedBody) -> None:
    assert body.name == "anny_light"
    assert body.betas == 6
    assert len(body.tree) == 16
    rest = at_rest(body, torch.zeros(6).double())
    assert body.vertices(rest).shape == (1229, 3)
    assert body.faces.shape == (2454, 3)
    assert set(body.landmarks) == {s.name for s in SKELETONS}


def test_joints_hang_together_as_smpls_of_the_same_name(body: SkinnedBody) -> None:
    tree = body.tree
    for joint, parent in zip(tree.joints, tree.parents, strict=True):
        theirs = SMPL_24.parents[SMPL_24.index(joint)]
        assert (parent < 0) == (theirs < 0)
        if parent >= 0:
            assert tree.joints[parent] == SMPL_24.joints[theirs]


def test_the_mean_body_is_an_average_adult_near_the_origin(body: SkinnedBody) -> None:
    rest = at_rest(body, torch.zeros(1, 6).double())
    vertices = body.vertices(rest)
    height = (vertices[..., 1].amax() - vertices[..., 1].amin()).item()
    mass = 985 * signed_volume(vertices, body.faces).item()  # kg; a body's density, kg/m^3
    assert 1.65 < height < 1.75
    assert 19 < mass / height**2 < 26
    assert body.joints(rest)[0, 0].norm() < 0.2


def test_left_is_x_up_is_y_forward_is_z(body: SkinnedBody) -> None:
    rest = at_rest(body, torch.zeros(6).double())
    for skeleton, points in [
        *((s, body.landmarks_of(rest, s)) for s in SKELETONS), (body.tree, body.joints(rest))
    ]:  # fmt: skip
        sides = torch.tensor([
            1.0 if j.startswith("left_") else -1.0 if j.startswith("right_") else 0.0
            for j in skeleton.joints
        ])  # fmt: skip
        assert (points[:, 0] * sides >= 0.02 * sides.abs()).all()
        assert (points[sides == 0, 0].abs() < 1e-4).all()
    coco = dict(zip(COCO_17.joints, body.landmarks_of(rest, COCO_17), strict=True))
    assert coco["nose"][1] > coco["left_hip"][1] > coco["left_ankle"][1]
    assert coco["nose"][2] > coco["left_ear"][2] + 0.05
    vertices = body.vertices(rest)
    foot = vertices[vertices[:, 1] < coco["left_ankle"][1] - 0.03]
    assert foot[:, 2].max() - coco["left_ankle"][2] > 0.12  # toes are farther out than heels
    assert coco["left_ankle"][2] - foot[:, 2].min() < 0.09


def test_joints_bend_as_a_person_does(body: SkinnedBody) -> None:
    turns = torch.eye(3).double().repeat(16, 1, 1)
    turns[body.tree.index("left_knee")] = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    rest = at_rest(body, torch.zeros(6).double())
    bent = BodyParameters.of(turns, rest.betas)
    moved = body.landmarks_of(bent, COCO_17) - body.landmarks_of(rest, COCO_17)
    ankle = COCO_17.index("left_ankle")
    assert moved[ankle, 2] < -0.2  # about +x, the shin goes back
    moved[[ankle, COCO_17.index("left_knee")]] = 0
    assert moved.abs().max() < 1e-9


def test_joints_of_human36m_mean_what_the_rules_of_conversion_say(body: SkinnedBody) -> None:
    """The body at rest as other skeletons have it, converted, is its own `h36m_17`."""
    rest = at_rest(body, torch.zeros(3, 6).double())
    found, lsp = body.landmarks_of(rest, H36M_17), body.landmarks_of(rest, LSP_14)
    change = conversion(LSP_14, H36M_17)
    expected = change.apply(lsp)
    exact = [j for j in H36M_17.joints if j not in ("thorax", "spine", "nose")]
    at = [H36M_17.index(j) for j in exact]
    torch.testing.assert_close(found[:, at], expected[:, at], atol=1e-4, rtol=0)
    place = dict(zip(H36M_17.joints, found[0], strict=True))
    shoulders = (place["left_shoulder"] + place["right_shoulder"]) / 2
    share = dict(RULES["neck_base"][0].parts)
    base = share["shoulder_centre"] * shoulders + share["hip_centre"] * place["pelvis"]
    torch.testing.assert_close(place["thorax"], base, atol=1e-4, rtol=0)
    middle = (base + place["pelvis"]) / 2
    torch.testing.assert_close(place["spine"], middle, atol=1e-4, rtol=0)


def test_the_thorax_is_rigid_with_the_chest(body: SkinnedBody) -> None:
    turns = torch.eye(3).double().repeat(16, 1, 1)
    rest = at_rest(body, torch.zeros(6).double())
    for joint in ("left_collar", "right_collar", "neck", "left_hip"):
        turns[body.tree.index(joint)] = from_axis_angle(torch.tensor([0.2, 0.3, 0.4]).double())
    p = BodyParameters.of(turns, rest.betas)
    moved = body.landmarks_of(p, H36M_17) - body.landmarks_of(rest, H36M_17)
    still = [H36M_17.index(joint) for joint in ("pelvis", "spine", "thorax")]
    assert moved[still].abs().max() < 1e-9
    assert moved[H36M_17.index("left_shoulder")].norm() > 0.03
    assert moved[H36M_17.index("head_top")].norm() > 0.03


def test_the_top_of_the_head_is_the_crown(body: SkinnedBody) -> None:
    rest = at_rest(body, random_parameters(body, 20).betas)
    crown = body.landmarks_of(rest, LSP_14)[:, LSP_14.index("head_top"), 1]
    assert (crown - body.vertices(rest)[..., 1].amax(1)).abs().max() < 0.01


def test_arms_rest_alike_whatever_the_shape(body: SkinnedBody) -> None:
    betas = random_parameters(body, 1000).betas
    joints = body.joints(at_rest(body, torch.cat([0 * betas[:1], betas])))
    arms = joints[:, body.tree.index("left_elbow")] - joints[:, body.tree.index("left_shoulder")]
    cosine = torch.cosine_similarity(arms[1:], arms[:1], dim=-1)
    assert torch.rad2deg(cosine.acos().max()) < 3


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_mirrored_people_have_mirrored_landmarks(body: SkinnedBody, skeleton: Skeleton) -> None:
    p = people(body, 20)
    expected = body.landmarks_of(p, skeleton)[:, list(skeleton.partners)] * MIRROR
    found = body.landmarks_of(mirrored(body, p), skeleton)
    torch.testing.assert_close(found, expected, atol=SYMMETRY, rtol=0)


def test_mirrored_people_have_mirrored_joints_and_meshes(body: SkinnedBody) -> None:
    p = people(body, 5)
    other = mirrored(body, p)
    joints = body.joints(p)[:, list(body.tree.partners)] * MIRROR
    torch.testing.assert_close(body.joints(other), joints, atol=SYMMETRY, rtol=0)
    nearest = torch.cdist(body.vertices(other), body.vertices(p) * MIRROR).amin(2)
    assert nearest.max() < SYMMETRY


def test_faces_look_outward_for_everyone(body: SkinnedBody) -> None:
    draw = torch.Generator().manual_seed(0)
    betas = 3 * torch.randn((100, 6), generator=draw, dtype=torch.float64)
    assert (signed_volume(body.vertices(at_rest(body, betas)), body.faces) > 0.03).all()
    edges = torch.stack([body.faces, body.faces.roll(-1, 1)], -1).flatten(0, 1)
    assert len(edges.unique(dim=0)) == len(edges)  # each edge once in each direction: one side


def test_scores_do_what_their_names_say(body: SkinnedBody) -> None:
    betas = torch.zeros(6, 2, 6).double()
    betas[range(6), 1, range(6)] = 1.5
    vertices = body.vertices(at_rest(body, betas))
    height = vertices[..., 1].amax(-1) - vertices[..., 1].amin(-1)
    volume = signed_volume(vertices.flatten(0, 1), body.faces).unflatten(0, (6, 2))
    more, taller = volume[:, 1] / volume[:, 0] - 1, height[:, 1] - height[:, 0]
    assert taller[4] > 0.1  # height
    assert taller[0] < -0.02  # from men to women
    assert more[3] > 0.03  # weight
    assert taller[3].abs() < 0.01


def test_landmarks_stay_with_the_body(body: SkinnedBody) -> None:
    """Every landmark lies in or near the mesh, whatever the pose and shape."""
    p = people(body, 10)
    vertices = body.vertices(p)
    for skeleton in SKELETONS:
        nearest = torch.cdist(body.landmarks_of(p, skeleton), vertices).amin(2)
        assert nearest.max() < 0.16  # the spine's lie deepest


def test_moves_and_casts_with_its_shape(body: SkinnedBody) -> None:
    p = people(body, 3)
    single = copy.deepcopy(body).to(torch.float32)
    found = single.vertices(p.to(torch.float32))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), body.vertices(p), atol=1e-5, rtol=0)
    assert anny_body().template.dtype == torch.float32
    assert not list(body.parameters())
    assert not body.state_dict()


def test_gradients_reach_the_scores(body: SkinnedBody) -> None:
    p = people(body, 2)
    betas = torch.zeros(2, 6, dtype=torch.float64, requires_grad=True)
    q = BodyParameters(p.global_orient, p.body_pose, betas, p.transl)
    (gradient,) = torch.autograd.grad(body.landmarks_of(q, COCO_17).square().sum(), betas)
    assert gradient.isfinite().all()
    assert (gradient.abs() > 0).all()


@pytest.mark.parametrize("name", ["smpl", "smplx", "anny"])
def test_other_topologies_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="anny topology: expected one of light, default"):
        anny_body(name)

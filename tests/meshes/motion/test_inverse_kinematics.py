"""Bodies fitted to joints: derivatives against autograd, known bodies found again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from meshes.made_bodies import random_arrays
from meshes.made_humans import human_body
from poseterior.data.asf import read_asf
from poseterior.data.asfamc import load_asfamc
from poseterior.errors import InputError
from poseterior.geometry.rotations import angle_deg, from_axis_angle, to_axis_angle
from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, MPII_16, Skeleton
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.motion.body_proportions import with_lengths_of
from poseterior.meshes.motion.inverse_kinematics import FitOptions, fit_to_joints, landmarks_at_rest
from poseterior.meshes.motion.joint_prior import JointPrior, landmark_std
from poseterior.meshes.motion.motion_parameters import motion_rotations
from poseterior.meshes.motion.pose_problem import PoseProblem, moved
from poseterior.meshes.motion.pose_start import start_rotations

LIMBS = [
    H36M_17.index(f"{side}_{joint}")
    for side in ("left", "right")
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
]
BODY = human_body()


def human_poses(body: SkinnedBody, count: int, seed: int = 0) -> BodyParameters:
    """People who stand, reach and crouch: trunk nearly upright, hinges bent as anatomy has it."""
    draw = torch.Generator().manual_seed(seed)
    turns = 0.05 * torch.randn(count, len(body.tree), 3, generator=draw, dtype=torch.float64)
    bend = 0.2 + 1.3 * torch.rand(count, 4, generator=draw, dtype=torch.float64)
    wide = 0.6 * torch.randn(count, 5, 3, generator=draw, dtype=torch.float64)
    at = body.tree.index
    turns[:, at("left_knee"), 0], turns[:, at("right_knee"), 0] = bend[:, 0], bend[:, 1]
    turns[:, at("left_elbow"), 1], turns[:, at("right_elbow"), 1] = -bend[:, 2], bend[:, 3]
    for i, joint in enumerate(("left_hip", "right_hip", "left_shoulder", "right_shoulder")):
        turns[:, at(joint)] = wide[:, i]
    turns[:, 0] = 3 * wide[:, 4]
    betas = torch.zeros(count, body.betas, dtype=torch.float64)
    transl = torch.randn(count, 3, generator=draw, dtype=torch.float64)
    return BodyParameters.of(from_axis_angle(turns), betas, transl)


def axis_angles(parameters: BodyParameters) -> Tensor:
    """(N, K, 3) of all joints."""
    return to_axis_angle(parameters.rotations)


@pytest.mark.parametrize("near", [False, True])
def test_the_gradient_is_that_of_autograd(near: bool) -> None:
    arrays = random_arrays(corrections=False)
    body = SkinnedBody("made", arrays)
    draw = torch.Generator().manual_seed(3)
    count, joints = 4, len(body.tree)

    def turns(scale: float) -> Tensor:
        vectors = torch.randn(count, joints, 3, generator=draw, dtype=torch.float64)
        return from_axis_angle(scale * vectors)

    pose = torch.randn(count, 17, 3, generator=draw, dtype=torch.float64)
    betas = torch.randn(count, 5, generator=draw, dtype=torch.float64)
    centre = turns(0.5) if near else None
    prior = JointPrior.of(body.tree, landmarks_at_rest(body, H36M_17), H36M_17, centre)
    problem = PoseProblem(body, pose, H36M_17, betas, prior)
    state = problem.at(turns(0.5), torch.randn(count, 3, generator=draw, dtype=torch.float64))
    step = torch.zeros(count, 3 * joints + 3, dtype=torch.float64, requires_grad=True)
    rotations, transl = moved(state, step)
    off = body.landmarks_of(BodyParameters.of(rotations, betas, transl), H36M_17) - pose
    off = off / landmark_std(H36M_17)[:, None]
    kept = rotations if centre is None else centre.mT @ rotations
    vector = torch.einsum("kxy,nky->nkx", prior.scale[1:], to_axis_angle(kept[:, 1:]))
    cost = off.square().sum((1, 2)) + vector.square().sum((1, 2))
    torch.testing.assert_close(cost, state.cost)
    (gradient,) = torch.autograd.grad(cost.sum() / 2, step)
    torch.testing.assert_close(
        state.gradient, gradient, rtol=1e-6, atol=1e-6 * gradient.abs().max()
    )


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17, LSP_14])
def test_a_posed_body_is_found_again(skeleton: Skeleton) -> None:
    truth = human_poses(BODY, 40)
    pose = BODY.landmarks_of(truth, skeleton)
    fit = fit_to_joints(BODY, pose, skeleton, betas=truth.betas)
    limbs = [j for j, std in enumerate(landmark_std(skeleton).tolist()) if std < 0.02]
    assert fit.residual[:, limbs].mean() < 1e-3
    assert fit.residual[:, limbs].max() < 6e-3
    landmarks = BODY.landmarks_of(fit.parameters, skeleton)
    torch.testing.assert_close((landmarks - pose).norm(dim=-1), fit.residual)
    found, own = (p.rotations[:, BODY.tree.index("left_knee")] for p in (fit.parameters, truth))
    assert angle_deg(found, own).mean() < 5
    assert angle_deg(fit.parameters.global_orient, truth.global_orient).mean() < 6


def test_hinges_bend_the_way_that_anatomy_has_them() -> None:
    truth = human_poses(BODY, 60, seed=1)
    fit = fit_to_joints(BODY, BODY.landmarks_of(truth, H36M_17), H36M_17, betas=truth.betas)
    found, own = axis_angles(fit.parameters), axis_angles(truth)
    for joint, axis, sign in (
        ("left_knee", 0, 1), ("right_knee", 0, 1), ("left_elbow", 1, -1), ("right_elbow", 1, 1)
    ):  # fmt: skip
        at = BODY.tree.index(joint)
        assert (sign * found[:, at, axis] > 0).all()
        assert (found[:, at, axis] - own[:, at, axis]).abs().mean() < 0.06


def test_rest_stays_at_rest() -> None:
    rest = landmarks_at_rest(BODY, H36M_17)
    fit = fit_to_joints(BODY, rest[None], H36M_17, betas=torch.zeros(4))
    assert fit.residual.max() < 1e-6
    assert axis_angles(fit.parameters).abs().max() < 1e-5
    assert fit.parameters.transl.abs().max() < 1e-6


def test_a_turned_pose_turns_the_root_alone() -> None:
    pose = BODY.landmarks_of(human_poses(BODY, 8), H36M_17)
    turn = from_axis_angle(torch.tensor([0.3, -2.0, 1.0], dtype=torch.float64))
    to_the_end = FitOptions(tolerance=1e-8, iterations=60)
    still, turned = (
        fit_to_joints(BODY, p, H36M_17, betas=torch.zeros(4), options=to_the_end).parameters
        for p in (pose, pose @ turn.mT + 2.0)
    )
    assert angle_deg(turned.global_orient, turn @ still.global_orient).max() < 0.01
    assert angle_deg(turned.body_pose, still.body_pose).max() < 0.01


def test_chunks_change_nothing() -> None:
    pose = BODY.landmarks_of(human_poses(BODY, 11), H36M_17)
    whole, parts = (
        fit_to_joints(BODY, pose, H36M_17, options=FitOptions(chunk=chunk, tolerance=1e-7))
        for chunk in (64, 3)
    )
    torch.testing.assert_close(whole.residual, parts.residual, atol=1e-5, rtol=0)


def test_each_person_gets_a_shape_of_their_own() -> None:
    truth = human_poses(BODY, 30)
    person = torch.arange(30) % 2
    shapes = torch.tensor([[1.5, -1.0, 0.5, 0.3], [-1.0, 1.0, -1.5, 0.2]], dtype=torch.float64)
    truth = BodyParameters.of(truth.rotations, shapes[person], truth.transl)
    pose = BODY.landmarks_of(truth, H36M_17)
    fit = fit_to_joints(BODY, pose, H36M_17, person=person)
    assert fit.parameters.betas[person == 1].unique(dim=0).shape[0] == 1
    mean = fit_to_joints(BODY, pose, H36M_17, betas=torch.zeros(4))
    assert fit.residual[:, LIMBS].mean() < 0.25 * mean.residual[:, LIMBS].mean()
    # Legs and arms of a person of that height, as metres that the numbers make of them.
    rest, wanted = (
        landmarks_at_rest(BODY, H36M_17, b) for b in (fit.parameters.betas, truth.betas)
    )
    assert ((rest - rest[:, :1]) - (wanted - wanted[:, :1]))[:, LIMBS].norm(dim=-1).max() < 0.012


def test_given_rotations_keep_the_twists_that_joints_do_not_tell() -> None:
    truth = human_poses(BODY, 10)
    wrist = BODY.tree.index("left_wrist")
    rotations = truth.rotations.clone()
    rotations[:, wrist] = from_axis_angle(torch.tensor([1.2, 0.0, 0.0], dtype=torch.float64))
    pose = BODY.landmarks_of(truth, H36M_17)
    fit = fit_to_joints(BODY, pose, H36M_17, betas=truth.betas, toward=rotations)
    assert angle_deg(fit.parameters.rotations[:, wrist], rotations[:, wrist]).max() < 0.5
    free = fit_to_joints(BODY, pose, H36M_17, betas=truth.betas)
    assert angle_deg(free.parameters.rotations[:, wrist], rotations[:, wrist]).min() > 50


def test_the_start_points_limbs_as_the_pose_points_them() -> None:
    pose = BODY.landmarks_of(human_poses(BODY, 20), H36M_17)
    rest = landmarks_at_rest(BODY, H36M_17)
    rotations = start_rotations(BODY.tree, pose, rest, H36M_17)
    made = BODY.landmarks_of(BodyParameters.of(rotations, torch.zeros(20, 4).double()), H36M_17)
    for start, end in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
    ):
        for side in ("left", "right"):
            a, b = H36M_17.index(f"{side}_{start}"), H36M_17.index(f"{side}_{end}")
            own, wanted = made[:, b] - made[:, a], pose[:, b] - pose[:, a]
            assert torch.cosine_similarity(own, wanted, dim=-1).min() > 1 - 1e-9


def test_a_body_with_fewer_joints_in_single_precision() -> None:
    body = human_body(("spine2", "left_foot", "right_foot", "left_hand", "right_hand")).float()
    pose = BODY.landmarks_of(human_poses(BODY, 20), H36M_17)
    fit = fit_to_joints(body, pose, H36M_17, betas=torch.zeros(4))
    assert fit.residual.dtype == torch.float32
    assert fit.residual[:, LIMBS].mean() < 2e-3


def test_proportions_become_the_body_s_and_directions_stay() -> None:
    truth = human_poses(BODY, 30)
    tall = torch.tensor([2.0, 1.0, -1.0, 0.5], dtype=torch.float64).expand(30, 4)
    pose = BODY.landmarks_of(BodyParameters.of(truth.rotations, tall, truth.transl), H36M_17)
    rest = landmarks_at_rest(BODY, H36M_17)
    made = with_lengths_of(rest, pose, H36M_17)
    for start, end in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
    ):
        a, b = H36M_17.index(f"left_{start}"), H36M_17.index(f"left_{end}")
        own, before = made[:, b] - made[:, a], pose[:, b] - pose[:, a]
        torch.testing.assert_close(own.norm(dim=-1), (rest[b] - rest[a]).norm().expand(30))
        assert torch.cosine_similarity(own, before, dim=-1).min() > 1 - 1e-9
    placed, directed = (fit_to_joints(BODY, p, H36M_17, betas=torch.zeros(4)) for p in (pose, made))
    knee = BODY.tree.index("left_knee")
    off = [
        angle_deg(fit.parameters.rotations[:, knee], truth.rotations[:, knee]).mean()
        for fit in (placed, directed)
    ]
    assert directed.residual[:, LIMBS].mean() < 0.2 * placed.residual[:, LIMBS].mean()
    assert off[1] < 0.5 * off[0], off


def test_what_cannot_be_fitted_is_refused() -> None:
    pose = torch.zeros(3, 17, 3)
    for change, said in (
        ({"pose": pose[:, :16]}, "pose: expected shape"),
        ({"pose": pose[:0]}, "pose: expected shape"),
        ({"pose": pose * torch.nan}, "pose: expected finite numbers"),
        ({"person": torch.zeros(2)}, r"person: expected shape \(3,\)"),
        ({"toward": torch.zeros(3, 2, 3, 3)}, r"toward: expected shape \(3, 24, 3, 3\)"),
        ({"skeleton": MPII_16}, "human: skeleton: expected one of"),
    ):
        given = {"pose": pose, "skeleton": H36M_17} | change
        with pytest.raises(InputError, match=said):
            fit_to_joints(BODY, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("subject", "clip"), [("02", "02_03"), ("03", "03_02"), ("01", "01_14")])
def test_rotations_of_a_motion_point_limbs_as_its_joints_do(
    cmu_root: Path, subject: str, clip: str
) -> None:
    folder = cmu_root / "raw_asfamc" / subject
    if not folder.is_dir():
        pytest.skip("needs the raw ASF/AMC beside the arrays")
    asf, amc = folder / f"{subject}.asf", folder / f"{clip}.amc"
    rotations = motion_rotations(BODY, asf, amc, every=24)
    made = BODY.landmarks_of(
        BodyParameters.of(rotations, torch.zeros(len(rotations), 4).double()), H36M_17
    )
    pose = load_asfamc(asf, amc, every=24)
    assert len(read_asf(asf).bones) == 31
    for start, end in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
    ):
        for side in ("left", "right"):
            a, b = H36M_17.index(f"{side}_{start}"), H36M_17.index(f"{side}_{end}")
            own, wanted = made[:, b] - made[:, a], pose[:, b] - pose[:, a]
            assert torch.cosine_similarity(own, wanted, dim=-1).min() > 1 - 1e-6
    across, wanted = (p[:, LIMBS[3]] - p[:, LIMBS[9]] for p in (made, pose))
    assert torch.cosine_similarity(across, wanted, dim=-1).mean() > 0.97

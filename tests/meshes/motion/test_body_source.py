"""Batches of bodies: what the detector sees of them is where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from meshes.made_humans import human_arrays, human_body
from meshes.motion.test_inverse_kinematics import human_poses
from poseterior.data.observations import open_observations
from poseterior.data.simulated_detector import DetectorNoise
from poseterior.errors import InputError
from poseterior.geometry.camera import project
from poseterior.geometry.rotations import angle_deg, from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.motion.body_augmentation import (
    BodyAugmentation,
    jitter,
    limbs_of,
    mirror,
    swap_limbs,
)
from poseterior.meshes.motion.body_motion import BodyMotion
from poseterior.meshes.motion.body_source import BodySource
from poseterior.meshes.motion.fixed_bodies import (
    FixedBodies,
    fixed_observations,
    read_fixed,
    write_fixed,
)

BODY = human_body().float()
_UP = from_axis_angle(torch.tensor([torch.pi / 2, 0, 0]))
_PLAIN: dict[str, Any] = {"ambiguous": 0.0, "masked": 0.0, "far": 0.0, "misjudged": 0.0}
_STILL = BodyAugmentation(mirror=0, swapped=0, jittered=0, tilted=0)


def motion_of(count: int) -> Tensor:
    """(count, 24, 3, 3) people who stand upright in a world with z up."""
    rotations = human_poses(human_body(), count).rotations.float()
    rotations[:, 0] = _UP
    return rotations


MOTION = motion_of(50)


def equal(one: Keypoints, other: Keypoints) -> bool:
    names = ("pixels", "covariance", "valid", "image_size", "intrinsics")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_batch_is_a_function_of_seed_and_index() -> None:
    source = BodySource(BODY, MOTION, 16, seed=3)
    keypoints, bodies = source.batch(5)
    source.batch(1)
    again, same = BodySource(BODY, MOTION, 16, seed=3).batch(5)
    assert equal(keypoints, again)
    assert torch.equal(bodies.rotations, same.rotations)
    assert torch.equal(bodies.betas, same.betas)
    for other in (source.batch(6), replace(source, seed=4).batch(5)):
        assert not torch.equal(other[1].betas, bodies.betas)
        assert not torch.equal(other[0].pixels, keypoints.pixels)


@pytest.mark.parametrize("ambiguous", [0.0, 1.0])
def test_the_body_projects_to_its_keypoints_within_their_covariance(ambiguous: float) -> None:
    source = BodySource(BODY, MOTION, 400, **(_PLAIN | {"ambiguous": ambiguous}))
    keypoints, bodies = source.batch(0)
    assert keypoints.intrinsics is not None
    seen = project(BODY.landmarks_of(bodies, H36M_17), keypoints.intrinsics)
    off = (keypoints.pixels - seen)[keypoints.valid]
    squared = torch.einsum(
        "ni,nij,nj->n", off, torch.linalg.inv(keypoints.covariance[keypoints.valid]), off
    )
    # Chi squared of two degrees: mean 2, variance 4.
    assert abs(float(squared.mean()) - 2) < 4 * 2 / len(squared) ** 0.5
    hidden = float((~keypoints.valid).any(1).float().mean())
    assert abs(hidden - 0.9 * ambiguous) < 0.06


def test_bodies_stand_upright_before_the_camera() -> None:
    source = BodySource(BODY, MOTION, 200, augmentation=_STILL, **_PLAIN)
    _, bodies = source.batch(0)
    landmarks = BODY.landmarks_of(bodies, H36M_17)
    root = landmarks[:, H36M_17.root]
    assert ((root[:, 2] > 2.1) & (root[:, 2] < 7.1)).all()
    head, foot = (H36M_17.index(joint) for joint in ("head_top", "left_ankle"))
    assert (landmarks[:, head, 1] < landmarks[:, foot, 1]).float().mean() > 0.97
    assert abs(float(bodies.betas.mean())) < 0.15
    assert abs(float(bodies.betas.std()) - 1) < 0.1


def test_a_far_body_is_far() -> None:
    near = BodySource(BODY, MOTION, 100, **_PLAIN)
    far = replace(near, far=1.0, farther=(3.0, 3.0))
    one, other = (
        BODY.landmarks_of(source.batch(0)[1], H36M_17)[:, H36M_17.root] for source in (near, far)
    )
    torch.testing.assert_close(other, 3 * one, atol=1e-4, rtol=0)


def test_mirrored_bodies_are_mirror_images() -> None:
    rest = torch.zeros(50, 4)
    own, other = (
        BODY.landmarks_of(BodyParameters.of(r, rest), H36M_17)
        for r in (MOTION, mirror(MOTION, BODY.tree))
    )
    flip = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(other, own[:, list(H36M_17.partners)] * flip, atol=1e-5, rtol=0)


def test_limbs_are_those_of_other_bodies() -> None:
    draw = torch.Generator().manual_seed(0)
    swapped = swap_limbs(MOTION, BODY.tree, draw)
    legs, left, right = limbs_of(BODY.tree)
    assert sorted(legs + left + right) == [
        j for j, name in enumerate(BODY.tree.joints) if name.startswith(("left", "right"))
    ]
    trunk = [j for j in range(24) if j not in legs + left + right]
    assert torch.equal(swapped[:, trunk], MOTION[:, trunk])
    for limb in (legs, left, right):
        own = (swapped[:, None, limb] == MOTION[None, :, limb]).flatten(2).all(-1)
        assert own.any(1).all()  # each limb is somebody's, whole
        assert 0.3 < own.diagonal().float().mean() < 0.75


def test_jitter_turns_by_as_much_as_it_says() -> None:
    many = MOTION[:1].expand(3000, -1, -1, -1)
    turned = jitter(many, 4.0, torch.Generator().manual_seed(0))
    assert torch.equal(turned[:, 0], many[:, 0])
    angle = angle_deg(turned[:, 5].double(), many[:, 5].double())
    assert abs(float(angle.square().mean().sqrt()) - 4 * 3**0.5) < 0.3


def test_a_share_of_poses_comes_from_the_prior() -> None:
    pose = from_axis_angle(torch.full((23, 3), 0.1))
    asked: list[int] = []

    def prior(count: int, generator: torch.Generator) -> Tensor:
        asked.append(count)
        return pose.expand(count, 23, 3, 3)

    source = BodySource(
        BODY, MOTION, 500, augmentation=_STILL, prior=prior, from_prior=0.3, **_PLAIN
    )
    bodies = source.batch(0)[1]
    of_prior = (bodies.body_pose == pose).flatten(1).all(1)
    assert int(of_prior.sum()) == asked[0]
    assert 100 < asked[0] < 200
    with pytest.raises(InputError, match="prior: expected one, to take a share from"):
        BodySource(BODY, MOTION, 5, from_prior=0.3)
    with pytest.raises(InputError, match=r"prior: expected shape"):
        replace(source, prior=lambda n, g: pose[:3].expand(n, 3, 3, 3)).batch(0)


def test_rotations_of_another_body_are_refused() -> None:
    with pytest.raises(InputError, match=r"rotations: expected shape \(F, 24, 3, 3\)"):
        BodySource(BODY, MOTION[:, :20], 8)
    with pytest.raises(InputError, match="rotations"):
        BodySource(BODY, MOTION[:0], 8)


def held_out() -> BodyMotion:
    return BodyMotion(
        MOTION, torch.zeros(50, 17), torch.zeros(50, dtype=torch.bool),
        torch.arange(50) // 25, ("first", "second"),
    )  # fmt: skip


@pytest.fixture(params=[False, True], ids=["plain", "hidden"])
def fixed(request: pytest.FixtureRequest) -> FixedBodies:
    return fixed_observations(BODY, held_out(), poses=20, seed=2, hidden=request.param)


def test_fixed_observations_are_written_and_read(tmp_path: Path, fixed: FixedBodies) -> None:
    path = tmp_path / "fixed.npz"
    write_fixed(path, BODY, fixed)
    found = read_fixed(path, BODY)
    kept = fixed.keypoints.valid
    assert torch.equal(found.keypoints.valid, kept)
    for name in ("pixels", "image_size", "intrinsics"):
        assert torch.equal(getattr(found.keypoints, name), getattr(fixed.keypoints, name))
    covariance = (k.covariance[kept] for k in (found.keypoints, fixed.keypoints))
    torch.testing.assert_close(*covariance, rtol=1e-5, atol=1e-4)
    own, wanted = (bodies.parameters.rotations.double() for bodies in (found, fixed))
    assert angle_deg(own, wanted).max() < 0.05
    assert torch.equal(found.parameters.betas, fixed.parameters.betas)
    assert torch.equal(found.target, fixed.target)
    assert found.clip.tolist() == fixed.clip.tolist() == ["first"] * 10 + ["second"] * 10
    landmarks = BODY.landmarks_of(found.parameters, H36M_17)
    torch.testing.assert_close(landmarks - landmarks[:, :1], found.target, atol=1e-4, rtol=0)
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["body_pose"].shape == (20, 23, 3)
    with open_observations(path) as source:
        assert source.rows == 20


def test_plain_and_hidden_are_of_the_same_bodies() -> None:
    plain, hidden = (
        fixed_observations(BODY, held_out(), poses=20, hidden=h) for h in (False, True)
    )
    assert torch.equal(plain.parameters.betas, hidden.parameters.betas)
    assert torch.equal(plain.target, hidden.target)
    assert torch.equal(plain.keypoints.covariance, hidden.keypoints.covariance)
    assert plain.keypoints.valid.all()
    assert not hidden.keypoints.valid.all()
    other = fixed_observations(BODY, held_out(), poses=20, seed=1)
    assert not torch.equal(other.target, plain.target)


def test_fixed_observations_of_another_body_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fixed.npz"
    write_fixed(path, BODY, fixed_observations(BODY, held_out(), poses=20))
    arrays = human_arrays()
    taller = SkinnedBody("human", replace(arrays, template=arrays.template * 1.1)).float()
    with pytest.raises(InputError, match=r"fixed.npz: body_fingerprint: expected \w+, of human"):
        read_fixed(path, taller)
    with pytest.raises(InputError, match=r"fixed.npz: body_pose: expected shape"):
        read_fixed(path, human_body(("spine2",)).float())
    with np.load(path) as stored:
        some = {name: stored[name] for name in stored.files if name != "betas"}
    np.savez(path, **some)
    with pytest.raises(InputError, match=r"fixed.npz: betas: expected these arrays"):
        read_fixed(path, BODY)


def test_noise_can_be_switched_off() -> None:
    silent = DetectorNoise(uncertain=0.0, certain_px=(1e-4, 1e-4))
    keypoints, bodies = BodySource(BODY, MOTION, 20, noise=silent, **_PLAIN).batch(0)
    assert keypoints.intrinsics is not None
    seen = project(BODY.landmarks_of(bodies, H36M_17), keypoints.intrinsics)
    torch.testing.assert_close(keypoints.pixels, seen, atol=0.05, rtol=0)

"""Poses drawn for training: distributed as a motion's, within its limits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from meshes.made_humans import human_body
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle, to_axis_angle
from poseterior.meshes.motion.body_augmentation import BodyAugmentation
from poseterior.meshes.motion.body_source import BodySource
from poseterior.meshes.motion.drawn_poses import DrawnPoses

BODY = human_body().float()
KNEES = [BODY.tree.index(f"{side}_knee") for side in ("left", "right")]


def motion(count: int = 4000) -> Tensor:
    """(count, 24, 3, 3): all joints move a little, and one knee bends as the other stretches."""
    draw = torch.Generator().manual_seed(0)
    vectors = 0.1 * torch.randn((count, 24, 3), generator=draw)
    bend = 0.5 * torch.rand(count, generator=draw)
    vectors[:, KNEES[0]], vectors[:, KNEES[1]] = 0.0, 0.0
    vectors[:, KNEES[0], 0], vectors[:, KNEES[1], 0] = 0.7 + bend, 0.7 - bend
    return from_axis_angle(vectors)


MOTION = motion()
DRAWN = DrawnPoses.fitted(BODY, MOTION)


def angles(pose: Tensor) -> Tensor:
    """(n, 23, 3) radians of rotations without the root's, about rest."""
    return to_axis_angle(pose)


def test_poses_are_spread_as_the_motions() -> None:
    pose = DRAWN(4000, torch.Generator().manual_seed(1))
    assert pose.shape == (4000, 23, 3, 3)
    assert torch.linalg.det(pose).sub(1).abs().max() < 1e-4
    own, drawn = angles(MOTION[:, 1:]), angles(pose)
    assert torch.allclose(drawn.mean(0), own.mean(0), atol=0.02)
    assert torch.allclose(drawn.std(0), own.std(0), atol=0.03)
    left, right = (drawn[:, knee - 1, 0] for knee in KNEES)
    assert torch.corrcoef(torch.stack([left, right]))[0, 1] < -0.8


def test_no_angle_is_beyond_the_motions() -> None:
    pose = DRAWN(4000, torch.Generator().manual_seed(2))
    vectors = angles(DRAWN.prior.centre.mT @ pose).flatten(1)
    assert ((vectors >= DRAWN.low - 1e-4) & (vectors <= DRAWN.high + 1e-4)).all()
    own = angles(DRAWN.prior.centre.mT @ MOTION[:, 1:]).flatten(1)
    beyond = ((own < DRAWN.low) | (own > DRAWN.high)).float().mean(0)
    assert float(beyond.max()) <= 0.0021  # and hardly any of the motion's own is
    knee = angles(pose)[:, KNEES[0] - 1, 0]
    assert 0.65 < float(knee.min()) < float(knee.max()) < 1.25  # the Gaussian's would be wider


def test_draws_are_the_generators() -> None:
    first, same, other = (DRAWN(5, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_source_takes_a_share_of_its_poses_from_it() -> None:
    still = BodyAugmentation(mirror=0, swapped=0, jittered=0, tilted=0)
    source = BodySource(BODY, MOTION, 400, augmentation=still, prior=DRAWN, from_prior=0.25)
    pose = source.batch(0)[1].body_pose
    of_motion = torch.cdist(pose.flatten(1), MOTION[:, 1:].flatten(1)).amin(1) < 1e-2
    assert 0.65 < float(of_motion.float().mean()) < 0.85


def test_rotations_of_another_body_are_refused() -> None:
    with pytest.raises(InputError, match="rotations"):
        DrawnPoses.fitted(BODY, MOTION[:, :20])
    with pytest.raises(InputError, match="rotations"):
        DrawnPoses.fitted(BODY, MOTION[:1])

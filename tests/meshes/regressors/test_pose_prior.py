"""The pose prior: its density, its frame, its contract as a lifter, and what it learns."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from meshes.made_bodies import random_arrays, random_parameters
from poseterior.data.demo_clip import demo_observations
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, SMPL_24, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.regressors.heading import HeadingFrame
from poseterior.meshes.regressors.pose_prior import ControlSource, PosePrior, PosePriorConfig
from poseterior.posterior import drop_root, insert_root
from poseterior.training.checkpoint import load_lifter, save_model
from poseterior.training.fit import FitConfig, fit

TINY = PosePriorConfig(blocks=2, hidden=16)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _demo(count: int = 64) -> tuple[Keypoints, Tensor]:
    rows = next(demo_observations().chunks(count))
    assert rows.target is not None
    return rows.keypoints, rows.target


def _prior(config: PosePriorConfig = TINY, skeleton: Skeleton = H36M_17) -> PosePrior:
    """A prior of weights at random."""
    prior = PosePrior(config, skeleton)
    for k, parameter in enumerate(prior.parameters()):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=_generator(k))
    return prior.eval()


def _turned(pose: Tensor, axis: list[float], degrees: float) -> Tensor:
    return pose @ from_axis_angle(math.radians(degrees) * torch.tensor(axis)).mT


@pytest.mark.parametrize("skeleton", [H36M_17, SMPL_24, LSP_14])
def test_frame_and_its_determinant(skeleton: Skeleton):
    frame, draw = HeadingFrame(skeleton).double(), _generator()
    free = torch.randn(3, 3 * (len(skeleton) - 1), generator=draw, dtype=torch.float64)
    features, heading, log_det = frame.split(insert_root(free, skeleton))
    back = frame.join(features, heading)
    assert torch.allclose(drop_root(back, skeleton), free)
    assert (back[:, skeleton.root] == 0).all()

    def coordinates(x: Tensor) -> Tensor:
        features, heading, _ = frame.split(insert_root(x, skeleton))
        return torch.cat([features, heading[None]])

    for x, expected in zip(free, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(coordinates, x)
        assert torch.allclose(jacobian.slogdet()[1], expected)


def test_heading_turns_with_the_person_and_nothing_else_does():
    frame, (_, pose) = HeadingFrame(H36M_17), _demo()
    features, heading, _ = frame.split(pose)
    turned, other, _ = frame.split(_turned(pose, [0.0, 1.0, 0.0], 70.0))
    assert torch.allclose(turned, features, atol=1e-4)
    gone = torch.remainder(other - heading, 2 * math.pi)
    assert torch.allclose(gone, torch.full_like(gone, math.radians(70.0)), atol=1e-3)
    tipped, _, _ = frame.split(_turned(pose, [1.0, 0.0, 0.0], 70.0))
    assert (tipped - features).abs().amax(-1).min() > 0.1


def test_density_does_not_know_heading_and_knows_up():
    prior, (_, pose) = _prior(), _demo()
    turned = prior.log_prob(_turned(pose, [0.0, 1.0, 0.0], -130.0))
    assert torch.allclose(turned, prior.log_prob(pose), atol=1e-2)
    tipped = prior.log_prob(_turned(pose, [1.0, 0.0, 0.0], 90.0))
    assert (tipped - prior.log_prob(pose)).abs().mean() > 1.0
    moved = prior.log_prob(pose + torch.tensor([0.1, 2.0, 5.0]))
    assert torch.allclose(moved, prior.log_prob(pose), atol=1e-2)


def test_samples_and_density_agree():
    """E_p[q / p] = 1 for any density q that lies within p: samples of p, densities of both."""
    prior = _prior()
    narrow = PosePrior(TINY).eval()
    narrow.load_state_dict(prior.state_dict())
    # q: as p but that the first latent scale of every coordinate is a little less.
    bias = narrow.flow.affine.linear.bias
    bias.data[narrow.flow.features :] -= 0.05
    poses = prior.sample((20_000,), _generator())
    with torch.no_grad():
        ratio = (narrow.log_prob(poses) - prior.log_prob(poses)).exp()
    error = float(ratio.std() / math.sqrt(len(ratio)))
    assert error < 0.02
    assert float(ratio.mean()) == pytest.approx(1.0, abs=4 * error)


def test_samples_face_everywhere_and_have_their_root_at_the_origin():
    prior = _prior()
    poses = prior.sample((4000,), _generator(1))
    assert poses.shape == (4000, 17, 3)
    assert (poses[:, 0] == 0).all()
    assert torch.equal(poses, prior.sample((4000,), _generator(1)))
    _, heading, _ = prior.frame.split(poses)
    assert torch.stack([heading.cos(), heading.sin()]).mean(1).abs().max() < 0.05


def test_hips_above_one_another_give_no_nan():
    pose = _demo(4)[1].clone()
    pose[:, [1, 4]] = torch.tensor([[0.0, 0.1, 0.0], [0.0, -0.1, 0.0]])
    pose.requires_grad_()
    density = _prior().log_prob(pose)
    density.sum().backward()
    assert density.isfinite().all()
    assert pose.grad is not None
    assert pose.grad.isfinite().all()


def test_a_skeleton_without_hips_of_one_parent_is_refused():
    with pytest.raises(InputError, match="same parent"):
        PosePrior(TINY, COCO_17)


def test_it_is_a_lifter_that_does_not_look():
    prior, (keypoints, pose) = _prior(), _demo()
    posterior = prior(keypoints)
    assert posterior.batch_shape == (64,)
    assert posterior.sample((5,), _generator()).shape == (5, 64, 17, 3)
    assert torch.equal(posterior.log_prob(pose), prior.log_prob(pose))
    other = prior(keypoints.without(torch.ones_like(keypoints.valid)))
    assert torch.equal(other.log_prob(pose), posterior.log_prob(pose))


def test_saved_and_loaded(tmp_path: Path):
    prior, (_, pose) = _prior(), _demo()
    save_model(prior, tmp_path)
    loaded = load_lifter(tmp_path, {"pose_prior": PosePrior})
    assert isinstance(loaded, PosePrior)
    assert loaded.config == TINY
    assert torch.equal(loaded.log_prob(pose), prior.log_prob(pose))


class _Fixed:
    """Always the same batch."""

    def __init__(self, keypoints: Keypoints, target: Tensor) -> None:
        self.keypoints, self.target = keypoints, target

    def batch(self, index: int) -> tuple[Keypoints, Tensor]:
        return self.keypoints, self.target


def test_trained_by_the_one_loop_it_prefers_real_knees(tmp_path: Path):
    keypoints, pose = _demo(200)
    prior = PosePrior(PosePriorConfig(hidden=32))
    config = FitConfig(steps=150, learning_rate=3e-3, validate_every=0, clip_norm=50.0)
    fit(prior, _Fixed(keypoints, pose), tmp_path, config)
    mirrored = pose.clone()
    for hip, knee, ankle in ((1, 2, 3), (4, 5, 6)):
        # The ankle's reflection about the line from hip to knee.
        thigh = torch.nn.functional.normalize(pose[:, knee] - pose[:, hip], dim=-1)
        shank = pose[:, ankle] - pose[:, knee]
        along = (shank * thigh).sum(-1, keepdim=True) * thigh
        mirrored[:, ankle] = pose[:, knee] + 2 * along - shank
    bent = (mirrored - pose).norm(dim=-1).amax(-1) > 0.2
    assert bent.sum() > 50
    with torch.no_grad():
        better = prior.log_prob(pose) > prior.log_prob(mirrored)
    assert better[bent].float().mean() > 0.95


class _Bodies:
    def __init__(self, body: SkinnedBody, keypoints: Keypoints) -> None:
        self.body, self.keypoints = body, keypoints

    def batch(self, index: int) -> tuple[Keypoints, BodyParameters]:
        return self.keypoints, random_parameters(self.body, len(self.keypoints.pixels), seed=index)


def test_control_joints_of_bodies_are_a_source_of_poses():
    body, (keypoints, _) = SkinnedBody("made", random_arrays()), _demo(8)
    source = ControlSource(_Bodies(body, keypoints), body)
    seen, pose = source.batch(3)
    assert seen is keypoints
    expected = body.landmarks_of(random_parameters(body, 8, seed=3), H36M_17)
    assert torch.allclose(pose, expected - expected[:, :1])
    assert (pose[:, 0] == 0).all()

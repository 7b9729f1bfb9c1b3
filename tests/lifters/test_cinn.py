"""`cinn`: its dimensions, its bijection, and that each loss does what the paper says it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import COCO_17, H36M_17, MPII_16, Skeleton, skeleton_from_tree
from poseterior.keypoints import Keypoints
from poseterior.lifters.cinn import Cinn, CinnConfig
from poseterior.lifters.cinn_observation import Observation, conditioned_joints, observe
from poseterior.lifters.heatmap_covariance import fitted_covariance, heatmap_pixels

SMALL = CinnConfig(
    blocks=3, hidden=32, condition_hidden=16, context=8, hypotheses=12, best=3,
    critic_pose_width=8, critic_chain_width=8,
)  # fmt: skip
ALL = {"l1_2d", "mmd", "generator", "deterministic", "best_of_m", "heatmap"}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(config: CinnConfig = SMALL, skeleton: Skeleton = H36M_17) -> Cinn:
    """With weights off their initial values, where the couplings are the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lifter = Cinn(config, skeleton)
    with torch.no_grad():
        for parameter in lifter.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=rng())
    return lifter


def batch(skeleton: Skeleton = H36M_17, size: int = 6) -> tuple[Keypoints, Tensor]:
    positions = 0.3 * torch.randn((20, len(skeleton), 3), generator=rng())
    return PoseSource(positions, skeleton, size, masked=0.5).batch(0)


@pytest.fixture
def seen() -> Observation:
    return observe(batch()[0], H36M_17)


def test_dimensions_are_the_papers_for_16_joints() -> None:
    lifter = Cinn(CinnConfig(), MPII_16)
    assert lifter.encoder is not None
    sizes = [(layer.in_features, layer.out_features) for layer in lifter.encoder[::2]]
    assert sizes == [(78, 256), (256, 56)]
    assert len(lifter.bijection.couplings) == 16
    assert lifter.bijection.permutations.shape == (8, 48)
    for coupling in lifter.bijection.couplings:
        assert coupling.inner.weight.shape == (1024, 24)
        assert coupling.context.weight.shape == (1024, 56)
        assert [tuple(p.shape) for p in coupling.outer.parameters()] == [(48, 1024), (48,)]
        assert coupling.alpha == 2.0


def test_the_condition_leaves_out_root_and_hips_by_name() -> None:
    names = {"pelvis", "left_hip", "right_hip"}
    assert {H36M_17.joints[j] for j in set(range(17)) - set(conditioned_joints(H36M_17))} == names
    dropped = set(range(17)) - set(conditioned_joints(COCO_17))
    assert {COCO_17.joints[j] for j in dropped} == {"nose", "left_hip", "right_hip"}
    tiny = skeleton_from_tree("tiny", [("tip", "root"), ("root", None)])
    assert conditioned_joints(tiny) == [0]


@pytest.mark.parametrize("skeleton", [MPII_16, H36M_17], ids=lambda s: s.name)
def test_pose_to_2d_and_latent_and_back(skeleton: Skeleton) -> None:
    lifter = build(replace(SMALL, blocks=8), skeleton)
    pose = torch.randn((4, 5, 3 * len(skeleton)), generator=rng(1))
    chain = lifter.bijection(torch.randn((5, 8), generator=rng(2)))
    with torch.no_grad():
        found = chain(pose)
        assert not torch.allclose(found, pose, atol=0.1)
        assert (chain.inv(found) - pose).norm(dim=-1).max() < 1e-4 * pose.norm(dim=-1).max()


def test_the_2d_pose_is_standardised_over_the_joints_that_were_detected(seen: Observation) -> None:
    valid = seen.conditions.valid
    assert not valid.all()
    for points, raw, here in zip(seen.points, seen.conditions.points, valid, strict=True):
        assert not points[~here].any()
        own = raw[here] - raw[here].mean(0)
        torch.testing.assert_close(points[here], own / own.std(correction=0))


def test_gaussians_hold_amplitude_mean_and_covariance_in_the_same_units(seen: Observation) -> None:
    valid = seen.conditions.valid
    assert torch.equal(seen.gaussians[..., 0], valid.float())
    assert not seen.gaussians[~valid].any()
    assert torch.equal(seen.gaussians[..., 1:3], seen.points)
    raw = [
        p[v].sub(p[v].mean(0)).std(correction=0)
        for p, v in zip(seen.conditions.points, valid, strict=True)
    ]
    pixels_per_unit = torch.stack(raw) / heatmap_pixels(seen.conditions)
    fitted = fitted_covariance(seen.conditions) / pixels_per_unit[:, None, None, None] ** 2
    torch.testing.assert_close(seen.gaussians[..., 3][valid], fitted[..., 0, 0][valid])
    torch.testing.assert_close(seen.gaussians[..., 4][valid], fitted[..., 0, 1][valid])
    torch.testing.assert_close(seen.gaussians[..., 5][valid], fitted[..., 1, 1][valid])


@pytest.mark.parametrize("detected", [0, 1, 2])
def test_what_it_sees_stays_bounded_when_hardly_a_joint_is_detected(detected: int) -> None:
    keypoints = batch()[0]
    keypoints = replace(keypoints, valid=torch.ones_like(keypoints.valid))
    seen = observe(keypoints.without(torch.arange(17) >= detected), H36M_17)
    assert seen.points.abs().max() <= (2 * 17) ** 0.5
    assert seen.gaussians.abs().max() < 20


def test_hypotheses_project_forward_to_the_observed_2d_pose() -> None:
    lifter, (keypoints, _) = build(), batch()
    seen = observe(keypoints, H36M_17)
    points = seen.points.flatten(1)
    with torch.no_grad():
        context = lifter._context(seen)
        latents = lifter._latents(40, points, rng())
        poses = lifter._invert(latents, points, context)
        found = lifter.bijection(context)(poses.flatten(-2))
    torch.testing.assert_close(found[..., :34], points.expand(40, -1, -1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[..., 34:], latents, atol=1e-4, rtol=1e-4)


def test_the_latent_centre_is_the_plain_inverse_of_zero() -> None:
    lifter, (keypoints, _) = build(), batch()
    seen = observe(keypoints, H36M_17)
    with torch.no_grad():
        posterior = lifter(keypoints)
        samples = posterior.sample((30,), rng())
        centre = posterior.latent_centre
        points, context = seen.points.flatten(1), lifter._context(seen)
        none = torch.zeros(1, 6, 17)
        plain = lifter._root_relative(lifter._invert(none, points, context))[0]
        torch.testing.assert_close(centre, seen.conditions.to_camera(plain), atol=1e-5, rtol=1e-4)
    assert (samples.std(0)[:, list(H36M_17.free)] > 0).all()


def test_many_samples_have_the_mean_of_plain_inversions() -> None:
    lifter, (keypoints, _) = build(), batch()
    seen = observe(keypoints, H36M_17)
    with torch.no_grad():
        samples = lifter(keypoints).sample((4000,), rng(1))
        points, context = seen.points.flatten(1), lifter._context(seen)
        plain = lifter._invert(lifter._latents(4000, points, rng(2)), points, context)
        plain = seen.conditions.to_camera(lifter._root_relative(plain))
    error = ((samples.var(0) + plain.var(0)) / 4000).sqrt() + 1e-6
    assert ((samples.mean(0) - plain.mean(0)).abs() / error).max() < 5


def terms_of(config: CinnConfig) -> tuple[Cinn, dict[str, Tensor]]:
    lifter = build(config)
    return lifter, lifter.losses(*batch(), rng())


def test_all_losses_are_there_by_default() -> None:
    assert set(terms_of(SMALL)[1]) == ALL


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_weight_scales_its_loss_and_zero_leaves_it_out(name: str) -> None:
    change: Any = {name: 2 * getattr(SMALL, name)}
    twice = terms_of(replace(SMALL, **change))[1]
    once = terms_of(SMALL)[1]
    torch.testing.assert_close(twice[name], 2 * once[name])
    change = {name: 0.0}
    assert set(terms_of(replace(SMALL, **change))[1]) == ALL - {name}


def test_without_its_weight_there_is_no_critic() -> None:
    lifter = build(replace(SMALL, generator=0.0))
    assert lifter.critic_parameters() == []
    assert not [name for name, _ in lifter.named_parameters() if "critic" in name]


def test_without_a_condition_covariances_do_not_matter() -> None:
    lifter, (keypoints, _) = build(replace(SMALL, condition=False)), batch()
    assert lifter.encoder is None
    keypoints = replace(keypoints, valid=torch.ones_like(keypoints.valid))
    # Without a turn of the virtual camera, which follows the surest joints.
    same = replace(keypoints, covariance=25.0 * torch.eye(2).expand(6, 17, 2, 2))
    vague = replace(keypoints, covariance=50.0 * torch.eye(2).expand(6, 17, 2, 2))
    with torch.no_grad():
        first, second = (lifter(k).sample((3,), rng()) for k in (same, vague))
        informed = [build()(k).sample((3,), rng()) for k in (same, vague)]
    apart = (first - second).abs().max()
    assert (informed[0] - informed[1]).abs().max() > 5 * apart


def test_no_hypotheses_are_drawn_where_nothing_asks_for_them(monkeypatch: Any) -> None:
    drawn: list[int] = []
    original = Cinn._latents

    def counting(self: Cinn, count: int, like: Tensor, generator: torch.Generator) -> Tensor:
        drawn.append(count)
        return original(self, count, like, generator)

    monkeypatch.setattr(Cinn, "_latents", counting)
    terms_of(replace(SMALL, best_of_m=0.0, heatmap=0.0))
    assert 12 not in drawn
    terms_of(replace(SMALL, best_of_m=0.0))
    assert 12 in drawn


def test_the_discrepancy_does_not_reach_the_2d_pose() -> None:
    lifter = build()
    points = torch.randn((8, 34), generator=rng(1))
    found = torch.randn((8, 51), generator=rng(2)).requires_grad_()
    lifter._forward_terms(found, points, rng())["mmd"].backward()
    assert found.grad is not None
    assert not found.grad[:, :34].any()
    assert found.grad[:, 34:].any()
    found.grad = None
    lifter._forward_terms(found, points, rng())["l1_2d"].backward()
    assert found.grad is not None
    assert not found.grad[:, 34:].any()


def test_a_perfect_forward_path_makes_the_deterministic_pose_exact() -> None:
    lifter, (keypoints, pose) = build(), batch()
    seen = observe(keypoints, H36M_17)
    target = lifter._centred(seen, pose)
    with torch.no_grad():
        context = lifter._context(seen)
        found = lifter.bijection(context)(target.flatten(1))
        # If the 2D pose found were the one observed, the inverse would be the pose itself.
        terms = lifter._single_terms(found, found[:, :34], context, target, rng())
    assert terms["deterministic"] < 1e-4


def test_poses_are_centred_on_their_mean_inside_and_on_the_root_outside() -> None:
    lifter, (keypoints, pose) = build(), batch()
    seen = observe(keypoints, H36M_17)
    inside = lifter._centred(seen, pose)
    torch.testing.assert_close(inside.mean(1), torch.zeros(6, 3), atol=1e-6, rtol=0)
    back = seen.conditions.to_camera(lifter._root_relative(inside))
    torch.testing.assert_close(back, pose, atol=1e-5, rtol=1e-5)


def test_losses_of_a_part_of_the_batch_need_no_more_hypotheses() -> None:
    lifter, (keypoints, pose) = build(replace(SMALL, hypothesised=2)), batch()
    terms = lifter.losses(keypoints, pose, rng())
    assert set(terms) == ALL
    # The others of the batch, as the last two rows, matter to the other losses alone.
    order = torch.tensor([0, 1, 2, 3, 5, 4])
    moved = lifter.losses(keypoints[order], pose[order], rng())
    torch.testing.assert_close(moved["heatmap"], terms["heatmap"])
    torch.testing.assert_close(moved["best_of_m"], terms["best_of_m"])
    assert moved["mmd"] != terms["mmd"]


def test_a_few_steps_lower_the_losses_of_the_inverse_path() -> None:
    # Without the critic, which is not trained here and would be fooled.
    lifter, (keypoints, pose) = build(replace(SMALL, generator=0.0)), batch(size=32)
    optimiser = torch.optim.Adam(lifter.parameters(), lr=2e-3)
    first = lifter.losses(keypoints, pose, rng())
    for _ in range(40):
        optimiser.zero_grad()
        terms = lifter.losses(keypoints, pose, rng())
        sum(terms.values()).backward()
        optimiser.step()
    for name in ("deterministic", "best_of_m", "heatmap"):
        assert terms[name] < 0.7 * first[name], name

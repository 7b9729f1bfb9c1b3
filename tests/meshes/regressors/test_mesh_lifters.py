"""Every mesh regressor: the contract of posteriors, frames, losses and learning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from meshes.stick_body import stick_body
from poseterior.data.simulated_detector import CameraRanges, DetectorNoise, observe
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.meshes import BodyParameters
from poseterior.meshes.regressors import hmr, mesh_lifter
from poseterior.meshes.regressors.hmr import RegressorSizes
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.meshes.regressors.mesh_mdn import virtual_prediction

TINY = RegressorSizes(width=64, blocks=1, hidden=64, head_dropout=0.0)
SIZES: dict[str, dict[str, Any]] = {
    "hmr": {},
    "multi_bodies": {"heads": 6},
    "mesh_mdn": {"components": 6},
    "mesh_cvae": {"latent": 4, "encoder": 32},
    "prohmr": {"hidden": 32, "critic": 16},
}
BODY = stick_body()
REGRESSORS = [name for name in MESH_LIFTERS if name != "pose_prior"]


@pytest.fixture(autouse=True)
def a_light_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """`open_body` gives the stick body."""
    monkeypatch.setattr(mesh_lifter, "open_body", lambda name: stick_body())


def made(name: str) -> Any:
    """An untrained lifter of the smallest size."""
    cls: Any = MESH_LIFTERS[name]
    return cls(cls.Config(sizes=TINY, **SIZES[name]))


def people(count: int, seed: int = 0, bend: float = 0.3) -> tuple[Keypoints, BodyParameters]:
    """Bodies of random pose in front of a camera, and how a detector sees them."""
    draw = torch.Generator().manual_seed(seed)
    turns = bend * torch.randn((count, 24, 3), generator=draw)
    rotations = from_axis_angle(turns)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ rotations[:, 0]
    place = torch.randn((count, 3), generator=draw) * 0.3 + torch.tensor([0.0, 0.0, 4.0])
    bodies = BodyParameters.of(rotations, torch.randn((count, 3), generator=draw), place)
    joints = BODY.landmarks_of(bodies, H36M_17)
    intrinsics = torch.tensor([[1150.0, 0, 500], [0, 1150, 500], [0, 0, 1]]).expand(count, 3, 3)
    root = joints[:, 0]
    keypoints = observe(
        joints - joints[:, :1], root, intrinsics, H36M_17, DetectorNoise(), draw,
        CameraRanges().image_size,
    )  # fmt: skip
    return keypoints, bodies


@pytest.mark.parametrize("name", REGRESSORS)
def test_posteriors_keep_the_contract(name: str) -> None:
    lifter = made(name).eval()
    keypoints, _ = people(5)
    posterior = lifter(keypoints)
    draw = torch.Generator().manual_seed(0)
    poses = posterior.sample((7,), draw)
    assert poses.shape == (7, 5, 17, 3)
    assert not poses.requires_grad
    assert (poses[..., 0, :] == 0).all()
    assert poses.isfinite().all()
    again = posterior.sample((7,), torch.Generator().manual_seed(0))
    torch.testing.assert_close(poses, again, rtol=0, atol=0)
    bodies = posterior.sample_parameters((7,), torch.Generator().manual_seed(0))
    torch.testing.assert_close(posterior.poses(bodies), poses)
    assert posterior.body.vertices(bodies).shape == (7, 5, 96, 3)
    assert posterior.sample((2, 3), draw).shape == (2, 3, 5, 17, 3)
    assert posterior.sample((0,), draw).shape == (0, 5, 17, 3)
    assert lifter(keypoints[:0]).sample((2,), draw).shape == (2, 0, 17, 3)
    with pytest.raises(NotImplementedError):
        posterior.log_prob(poses)


@pytest.mark.parametrize("name", REGRESSORS)
def test_an_observation_does_not_depend_on_its_batch(name: str) -> None:
    lifter = made(name).eval()
    keypoints, _ = people(4)

    def centre(k: Keypoints) -> Tensor:
        posterior = lifter(k)
        if posterior.has_latent_centre:
            return posterior.latent_centre
        return posterior.poses(posterior.parameters).mean(0)

    torch.testing.assert_close(centre(keypoints)[1:3], centre(keypoints[1:3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_turned_camera_turns_the_bodies(name: str) -> None:
    """The same rays seen by a camera that is rotated: bodies are the same in the world."""
    lifter = made(name).eval()
    keypoints, _ = people(3)
    turn = from_axis_angle(torch.tensor([0.05, -0.1, 0.0]))
    k = keypoints.intrinsics
    assert k is not None
    homography = k @ turn @ torch.linalg.inv(k)
    pixels = torch.cat([keypoints.pixels, torch.ones(3, 17, 1)], -1) @ homography.mT
    depth = pixels[..., 2:]
    jacobian = (homography[:, None, :2, :2] - (pixels[..., :2] / depth)[..., None]
                * homography[:, None, 2:, :2]) / depth[..., None]  # fmt: skip
    seen = replace(
        keypoints, pixels=pixels[..., :2] / depth,
        covariance=jacobian @ keypoints.covariance @ jacobian.mT,
    )  # fmt: skip
    one = lifter(keypoints).sample_parameters((4,), torch.Generator().manual_seed(1))
    other = lifter(seen).sample_parameters((4,), torch.Generator().manual_seed(1))
    expected = BODY.vertices(one) @ turn.mT
    # The virtual camera may roll about its axis: compare up to that, by distances.
    torch.testing.assert_close(
        torch.cdist(BODY.vertices(other), BODY.joints(other)),
        torch.cdist(BODY.vertices(one), BODY.joints(one)), atol=5e-3, rtol=1e-2,
    )  # fmt: skip
    assert (BODY.vertices(other) - expected).norm(dim=-1).mean() < 0.05


@pytest.mark.parametrize("name", REGRESSORS)
def test_losses_fall_and_joints_come_nearer(name: str) -> None:
    lifter = made(name).train()
    keypoints, bodies = people(32, bend=0.2)
    own = list(lifter.parameters())
    if hasattr(lifter, "critic_parameters"):
        critic = {id(p) for p in lifter.critic_parameters()}
        own = [p for p in own if id(p) not in critic]
    optimiser = torch.optim.Adam(own, lr=2e-3)
    before = error_of(lifter, keypoints, bodies)
    for step in range(40):
        terms = lifter.losses(keypoints, bodies, torch.Generator().manual_seed(step))
        assert all(term.shape == () and term.isfinite() for term in terms.values()), terms
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
    assert error_of(lifter, keypoints, bodies) < 0.85 * before


def error_of(lifter: Any, keypoints: Keypoints, bodies: BodyParameters) -> float:
    """Mean error of the mean of 20 hypotheses, metres."""
    lifter.eval()
    joints = BODY.landmarks_of(bodies, H36M_17)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        poses = lifter(keypoints).sample((20,), draw)
    lifter.train()
    return float((poses.mean(0) - (joints - joints[:, :1])).norm(dim=-1).mean())


def test_numbers_keep_their_precision_and_bfloat16_is_not_enough() -> None:
    lifter = made("hmr").eval()
    keypoints, _ = people(3)
    conditions = lifter.conditions(keypoints)
    vector = lifter.vector.start().expand(3, -1)
    for given, kept in ((torch.bfloat16, torch.float32), (torch.float32, torch.float32)):
        assert lifter.vector.decode(vector.to(given), conditions).transl.dtype == kept
    exact = lifter.double()
    conditions = exact.conditions(keypoints.to(torch.float64))
    assert exact.vector.decode(vector.double(), conditions).rotations.dtype == torch.float64


def test_a_right_body_has_no_loss() -> None:
    keypoints, bodies = people(8)
    lifter = made("hmr")
    clear = replace(keypoints, pixels=projected(keypoints, bodies))
    conditions = lifter.conditions(clear)
    target = lifter.vector.to_person(bodies, conditions)
    one = target.map(lambda value: value[None])
    terms = lifter.total_loss(one, target, conditions, lifter.config.weights)
    assert max(float(term) for term in terms.values()) < 1e-4
    back = lifter.vector.to_camera(target, conditions)
    torch.testing.assert_close(BODY.vertices(back), BODY.vertices(bodies))


def projected(keypoints: Keypoints, bodies: BodyParameters) -> Tensor:
    """(B, J, 2) px of the bodies' joints."""
    joints = BODY.landmarks_of(bodies, H36M_17)
    assert keypoints.intrinsics is not None
    pixels = joints @ keypoints.intrinsics.mT
    return pixels[..., :2] / pixels[..., 2:]


def test_hidden_keypoints_do_not_count_in_the_reprojection_of_all() -> None:
    keypoints, bodies = people(6)
    lifter = made("multi_bodies")
    hidden = torch.zeros(6, 17, dtype=torch.bool)
    hidden[:, 14:] = True
    seen = keypoints.without(hidden)
    conditions = lifter.conditions(seen)
    target = lifter.vector.to_person(bodies, conditions)
    several = target.map(lambda value: value[None].expand(6, *value.shape))
    bent = several.body_pose.clone()
    elbow = BODY.tree.index("right_elbow") - 1
    bent[:, :, elbow] = from_axis_angle(torch.tensor([0.0, 1.0, 0.0])) @ bent[:, :, elbow]
    of = lambda b: lifter.total_loss(b, target, conditions, lifter.config.weights)  # noqa: E731
    still, moved = of(several), of(replace(several, body_pose=bent))
    torch.testing.assert_close(still["reprojection"], moved["reprojection"])
    assert moved["best"] > still["best"] + 0.1
    assert moved["best_reprojection"] > still["best_reprojection"]


def test_only_the_best_of_many_bears_the_losses_of_the_truth() -> None:
    keypoints, bodies = people(5)
    lifter = made("multi_bodies")
    conditions = lifter.conditions(keypoints)
    target = lifter.vector.to_person(bodies, conditions)
    _, others = people(5, seed=3, bend=0.6)
    other = lifter.vector.to_person(others, conditions)
    stacked = {
        f: torch.stack([getattr(other, f), getattr(target, f), getattr(other, f)])
        for f in ("global_orient", "body_pose", "betas", "transl")
    }
    terms = lifter.total_loss(BodyParameters(**stacked), target, conditions, lifter.config.weights)
    for name in ("best", "theta", "beta", "vertices"):
        assert terms[name] < 1e-4, name
    assert terms["reprojection"] > 0.1


@pytest.mark.parametrize("name", ["multi_bodies", "mesh_mdn"])
def test_sets_begin_as_the_hmr_that_they_are_given(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, lifter = made("hmr"), made(name)
    assert lifter.base_config == base.config
    torch.nn.init.normal_(base.head.last.weight, std=0.02)
    keypoints, _ = people(4)
    one = base.eval()(keypoints).sample((1,))
    lifter.eval().use_base(base)
    several = lifter(keypoints)
    spread = (several.poses(several.parameters) - one).norm(dim=-1)
    assert 0.01 < spread.mean() < 0.3
    assert several.parameters.body_pose.std(0).mean() > 1e-3
    monkeypatch.setattr(hmr, "_JITTER", 0.0)
    lifter.use_base(base)
    same = lifter(keypoints)
    torch.testing.assert_close(same.poses(same.parameters), one.expand(6, -1, -1, -1))


def test_virtual_prediction_is_paper_004s_equation_9() -> None:
    draw = torch.Generator().manual_seed(0)
    means = 0.05 * torch.randn((4, 3, 6), generator=draw, dtype=torch.float64)
    target = 0.05 * torch.randn((3, 6), generator=draw, dtype=torch.float64)
    found, nll = virtual_prediction(means, target, 0.001)
    normal = torch.distributions.Normal(means, 0.001**0.5)
    each = normal.log_prob(target).sum(-1).exp() / 4
    torch.testing.assert_close(nll, -each.sum(0).log())
    share = each / each.sum(0)
    torch.testing.assert_close(found, (share[..., None] * means).sum(0))


def test_prohmrs_density_is_that_of_its_jacobian() -> None:
    lifter = made("prohmr").double().eval()
    lifter.flow.requires_grad_(False)
    for p in lifter.flow.parameters():
        p += 0.05 * torch.randn(p.shape, dtype=p.dtype)
    keypoints, bodies = people(1)
    keypoints, bodies = keypoints.to(torch.float64), bodies.to(torch.float64)
    posterior = lifter(keypoints)
    columns = bodies.to_6d().flatten(-2)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: posterior.flow.call_and_ladj(x[None])[0][0], columns[0] - lifter.start
    )
    latent = posterior.flow.call_and_ladj(columns - lifter.start)[0]
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(latent).sum(-1)
    expected = normal + torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(posterior.rotation_log_prob(columns), expected)


def test_prohmrs_mode_is_the_densest() -> None:
    lifter = made("prohmr").eval()
    keypoints, _ = people(3)
    posterior = lifter(keypoints)
    with torch.no_grad():
        mode = posterior.columns(torch.zeros(1, 3, lifter.vector.rotations))[0]
        near = mode + 0.1 * torch.randn(50, *mode.shape)
        best = posterior.rotation_log_prob(mode)
        assert (posterior.rotation_log_prob(near) < best).all()


def test_critics_tell_real_from_made() -> None:
    lifter = made("prohmr").train()
    keypoints, bodies = people(32, bend=0.1)
    optimiser = torch.optim.Adam(lifter.critic_parameters(), lr=3e-3)
    torch.nn.init.normal_(lifter.flow.couplings[0].last.weight, std=0.3)
    first = last = torch.tensor(0.0)
    for step in range(60):
        terms = lifter.critic_losses(keypoints, bodies, torch.Generator().manual_seed(step))
        last = torch.stack(list(terms.values())).sum()
        first = first if step else last.detach()
        optimiser.zero_grad()
        last.backward()
        optimiser.step()
    assert last < 0.5 * first

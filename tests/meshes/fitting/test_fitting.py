"""Fitting: what is recovered, what is left to know, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from meshes.stick_body import stick_body
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17, LSP_14
from poseterior.keypoints import Keypoints
from poseterior.meshes import BodyParameters
from poseterior.meshes.fitting.fitting import FitSettings, FittedBodies, fit_body
from poseterior.meshes.fitting.fitting_energy import FitEnergy
from poseterior.meshes.fitting.fitting_evidence import evidence_of
from poseterior.meshes.fitting.fitting_views import fit_views
from poseterior.meshes.fitting.flow_prior import FlowPrior
from poseterior.meshes.fitting.generic_prior import GenericPrior
from poseterior.meshes.fitting.landmark_slopes import landmark_slopes
from poseterior.meshes.regressors import mesh_lifter
from poseterior.meshes.regressors.hmr import RegressorSizes
from poseterior.meshes.regressors.prohmr import ProHMR

BODY = stick_body()
PRIOR = GenericPrior.about_rest(BODY)
FACING = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
MATRIX = torch.tensor([[1150.0, 0, 500], [0, 1150, 500], [0, 0, 1]])
WRIST = H36M_17.index("left_wrist")


def people(count: int, seed: int = 0, bend: float = 0.2) -> BodyParameters:
    draw = torch.Generator().manual_seed(seed)
    rotations = from_axis_angle(bend * torch.randn((count, 24, 3), generator=draw))
    rotations[:, 0] = FACING @ rotations[:, 0]
    place = 0.2 * torch.randn((count, 3), generator=draw) + torch.tensor([0.0, 0.0, 4.0])
    return BodyParameters.of(rotations, torch.randn((count, 3), generator=draw), place)


def camera(angle: float) -> tuple[Tensor, Tensor]:
    """One that looks at the point 4 m before the first from aside."""
    rotation, middle = from_axis_angle(torch.tensor([0.0, angle, 0.0])), torch.tensor([0, 0, 4.0])
    return rotation, middle - rotation @ middle


def seen(joints: Tensor, at: tuple[Tensor, Tensor] | None = None, px: float = 1.0) -> Keypoints:
    rotation, translation = at or camera(0.0)
    points = joints @ rotation.mT + translation
    pixels = points[..., :2] / points[..., 2:] * 1150 + 500
    shape = pixels.shape[:2]
    return Keypoints(
        pixels, px**2 * torch.eye(2).expand(*shape, 2, 2), torch.ones(shape, dtype=torch.bool),
        H36M_17, intrinsics=MATRIX.expand(shape[0], 3, 3), confidence=torch.ones(shape),
    )  # fmt: skip


def error_mm(fit: FittedBodies, joints: Tensor) -> Tensor:
    return 1000 * (BODY.landmarks_of(fit.parameters, H36M_17) - joints).norm(dim=-1)


TRUTH = people(2)
JOINTS = BODY.landmarks_of(TRUTH, H36M_17)
ANGLES = (0.0, 1.2, 2.5)
CENTRE = torch.zeros(1, 2, 78)  # facing the camera, in latents of PRIOR
CAMERAS = [camera(angle) for angle in ANGLES]
VIEWS = [seen(JOINTS, at) for at in CAMERAS]


def flow_prior(monkeypatch: pytest.MonkeyPatch) -> FlowPrior:
    """An untrained flow that is not the identity."""
    monkeypatch.setattr(mesh_lifter, "open_body", lambda name: stick_body())
    torch.manual_seed(0)
    sizes = RegressorSizes(width=32, blocks=1, hidden=32, head_dropout=0.0)
    lifter = ProHMR(ProHMR.Config(sizes=sizes, hidden=32, critic=16))
    with torch.no_grad():
        for coupling in lifter.flow.couplings:
            coupling.last.weight.normal_(0, 0.1)  # type: ignore[union-attr]
        for linear in lifter.flow.linears:
            linear.factors.add_(0.03 * torch.randn_like(linear.factors))  # type: ignore
    return FlowPrior(lifter)


def test_several_views_recover_joints_to_millimetres_and_one_only_its_image() -> None:
    several = fit_views(BODY, VIEWS, CAMERAS, PRIOR)
    assert error_mm(several, JOINTS).mean() < 2
    assert several.residual_px.shape == (3, 2, 17)
    assert several.evidence.shape == (3, 2)
    assert several.residual_px.mean() < 0.5
    one = fit_body(BODY, VIEWS[0], PRIOR, start=CENTRE)
    assert one.residual_px.mean() < 1
    two = fit_views(BODY, VIEWS[:2], CAMERAS[:2], PRIOR, start=CENTRE)
    assert error_mm(two, JOINTS).mean() < 3
    depth = [(error_mm(fit, JOINTS).mean()) for fit in (one, two)]
    assert depth[1] < depth[0] / 10

    def spread(fit: FittedBodies) -> Tensor:
        bodies = fit.posterior.sample_parameters((100,), torch.Generator().manual_seed(0))
        return bodies.transl[..., 2].std(0)

    # A camera knows the person's distance as well as the prior knows sizes.
    assert (spread(one) > 0.05).all()
    assert (spread(two) < 0.02).all()


def test_the_posterior_of_several_views_is_in_the_world() -> None:
    moved = [(r, t + r @ torch.tensor([1.0, 2.0, 3.0])) for r, t in CAMERAS]
    fit = fit_views(BODY, VIEWS, moved, PRIOR, start=CENTRE)
    landmarks = BODY.landmarks_of(fit.parameters, H36M_17) + torch.tensor([1.0, 2.0, 3.0])
    assert (landmarks - JOINTS).norm(dim=-1).mean() < 0.002
    sample = fit.posterior.sample((5,), torch.Generator().manual_seed(0))
    assert sample.shape == (5, 2, 17, 3)
    assert (sample[:, :, 0] == 0).all()
    assert torch.allclose(fit.posterior.latent_centre, landmarks - landmarks[:, :1], atol=1e-4)


def test_covariances_beat_uniform_weights_where_one_joint_is_badly_seen() -> None:
    keypoints = seen(JOINTS)
    keypoints.pixels[:, WRIST] += torch.tensor([40.0, -30.0])
    covariance = keypoints.covariance.clone()
    covariance[:, WRIST] = 50.0**2 * torch.eye(2)
    confidence = torch.ones(2, 17)
    confidence[:, WRIST] = 0.01
    bad = replace(keypoints, covariance=covariance, confidence=confidence)
    off = {}
    for weights in ("covariance", "confidence", "uniform"):
        fit = fit_body(BODY, bad, PRIOR, weights, CENTRE)
        landmarks = BODY.landmarks_of(fit.parameters, H36M_17)
        image = (landmarks[..., :2] / landmarks[..., 2:] - JOINTS[..., :2] / JOINTS[..., 2:]) * 1150
        off[weights] = float(image.norm(dim=-1).mean())
    assert off["covariance"] < off["uniform"] / 2
    assert off["confidence"] < off["uniform"]


def test_a_wrong_keypoint_with_high_confidence_is_left_alone_by_the_robust_error() -> None:
    keypoints = seen(JOINTS)
    keypoints.pixels[:, WRIST] += torch.tensor([150.0, 100.0])
    others = [joint for joint in range(17) if joint != WRIST]
    robust = fit_body(BODY, keypoints, PRIOR, start=CENTRE)
    squares = fit_body(BODY, keypoints, PRIOR, start=CENTRE, settings=FitSettings(scale=None))
    assert robust.residual_px[0][:, others].mean() < 3
    assert robust.residual_px[0][:, others].mean() < squares.residual_px[0][:, others].mean()
    wild = seen(JOINTS)
    wild.pixels[:] += 300 * torch.randn(
        wild.pixels.shape, generator=torch.Generator().manual_seed(1)
    )
    assert fit_body(BODY, wild, PRIOR, start=CENTRE).energy.isfinite().all()


def test_few_keypoints_leave_the_prior_and_say_so() -> None:
    keypoints = seen(JOINTS)
    hidden = torch.zeros(2, 17, dtype=torch.bool)
    hidden[1, 2:] = True
    fit = fit_body(BODY, keypoints.without(hidden), PRIOR, start=CENTRE)
    assert fit.few.tolist() == [False, True]
    assert len(fit.notes) == 1
    assert "person 1: 2 keypoints" in fit.notes[0]
    nothing = keypoints.without(torch.ones(2, 17, dtype=torch.bool))
    blind = fit_body(BODY, nothing, PRIOR, start=CENTRE)
    assert torch.equal(blind.posterior.covariance, torch.eye(78).double().expand(2, -1, -1))
    widths = [f.posterior.sample((200,), torch.Generator().manual_seed(0)).std(0).mean((-1, -2))
              for f in (fit_body(BODY, keypoints, PRIOR, start=CENTRE), fit, blind)]  # fmt: skip
    assert widths[0][1] < 0.5 * widths[1][1]
    assert widths[1][1] < 1.2 * widths[2][1]


class _Place:
    """A prior over the place alone: landmarks are linear in x and y."""

    def __init__(self, scale: float) -> None:
        self.like, self.scale = torch.empty(2, 2), scale

    body = BODY

    def given(self, keypoints: Keypoints) -> _Place:
        return self

    def decode(self, latents: Tensor) -> BodyParameters:
        flat = torch.cat([self.scale * latents, torch.full_like(latents[..., :1], 4.0)], -1)
        turns = torch.eye(3).repeat(24, 1, 1)
        turns[0] = FACING
        batch = latents.shape[:2]
        still = turns.expand(*batch, 24, 3, 3)
        return BodyParameters.of(still, latents.new_zeros(*batch, 3), flat)

    def more(self, bodies: BodyParameters) -> Tensor:
        return bodies.betas[..., :0]

    def encode(self, bodies: BodyParameters) -> Tensor:
        return bodies.transl[..., :2] / self.scale

    def starts(self) -> Tensor:
        return torch.zeros(1, 2, 2)


def linear_case() -> tuple[FittedBodies, Tensor, Tensor]:
    """A fit, and mean and covariance by the normal equations, float64."""
    prior: Any = _Place(0.1)
    hidden = torch.zeros(2, 17, dtype=torch.bool)
    hidden[:, 3:] = True
    still = BODY.landmarks_of(prior.decode(torch.zeros(1, 2, 2)), H36M_17)[0]
    keypoints = seen(still, px=40.0)
    keypoints.pixels[:] += 30 * torch.randn((2, 17, 2), generator=torch.Generator().manual_seed(3))
    start = seen(still).pixels.double()
    keypoints = keypoints.without(hidden)
    depth = still[..., 2].double()
    slopes = 0.1 * 1150 / depth[:, :3]  # px by each latent
    variance = 40.0**2 + 0.25
    precision = 1 + (slopes.square() / variance).sum(-1)
    moved = (keypoints.pixels.double() - start)[:, :3]
    mean = (slopes[..., None] * moved).sum(1) / variance / precision[:, None]
    fit = fit_body(BODY, keypoints, prior, settings=FitSettings(scale=None, tolerance=1e-9))
    return fit, mean, 1 / precision


def test_laplace_is_the_closed_form_where_all_is_linear() -> None:
    fit, mean, variance = linear_case()
    assert torch.allclose(fit.posterior.best.double(), mean, atol=1e-4)
    expected = variance[:, None, None] * torch.eye(2).double()
    assert torch.allclose(fit.posterior.covariance, expected, rtol=1e-4)


@pytest.mark.parametrize("proposal", ["laplace", "prior"])
def test_importance_weights_converge_to_the_closed_form(proposal: str) -> None:
    fit, mean, variance = linear_case()
    found = fit.reweighted(4000, torch.Generator().manual_seed(0), proposal)
    weights, latents = found.posterior.weights.double()[..., None], found.latents.double()
    centre = (weights * latents).sum(0)
    spread = (weights * (latents - centre).square()).sum(0)
    assert torch.allclose(centre, mean, atol=0.05)
    assert torch.allclose(spread, variance[:, None].expand_as(spread), rtol=0.15)
    worth = found.effective_number
    assert (worth > 3900).all() if proposal == "laplace" else (worth < 3600).all()


def test_truths_lie_in_the_posterior_as_often_as_it_says() -> None:
    draw = torch.Generator().manual_seed(5)
    prior: Any = _Place(0.1)
    prior.like = torch.empty(400, 2)
    prior.starts = lambda: torch.zeros(1, 400, 2)
    truth = torch.randn((400, 2), generator=draw)
    keypoints = seen(BODY.landmarks_of(prior.decode(truth[None]), H36M_17)[0], px=60.0)
    keypoints.pixels[:] += 60 * torch.randn(keypoints.pixels.shape, generator=draw)
    fit = fit_body(BODY, keypoints, prior, settings=FitSettings(scale=None))
    off = (fit.posterior.factor.mT @ (truth - fit.posterior.best).double()[..., None])[..., 0]
    share = (off.square().sum(-1) < 1.3863).double().mean()  # the median of chi² of two
    assert abs(share - 0.5) < 0.08


def test_nobody_depends_on_who_is_fitted_beside_them() -> None:
    both, one = (
        fit_body(BODY, k, PRIOR, start=CENTRE[:, : len(k.pixels)]) for k in (VIEWS[0], VIEWS[0][1:])
    )
    apart = both.parameters[1:].rotations - one.parameters.rotations
    assert apart.abs().max() < 1e-2
    assert torch.allclose(both.energy[1:], one.energy, rtol=1e-2)


def test_joints_that_are_not_valid_play_no_part() -> None:
    hidden = torch.zeros(2, 17, dtype=torch.bool)
    hidden[:, WRIST] = True
    plain = VIEWS[0].without(hidden)
    pixels, covariance = plain.pixels.clone(), plain.covariance.clone()
    pixels[:, WRIST], covariance[:, WRIST] = torch.nan, torch.inf
    odd = replace(plain, pixels=pixels, covariance=covariance)
    a, b = (fit_body(BODY, k, PRIOR, start=CENTRE) for k in (plain, odd))
    assert torch.equal(a.parameters.rotations, b.parameters.rotations)
    assert a.residual_px[:, :, WRIST].isnan().all()


@pytest.mark.parametrize("views", [1, 2])
def test_derivatives_are_those_of_the_energy(views: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for prior in (PRIOR, flow_prior(monkeypatch)):
        given = prior.given(VIEWS[0])
        evidence = [
            evidence_of(view, "uniform").seen_from(
                at[0].expand(2, 3, 3), at[1].expand(2, 3))
            for view, at in zip(VIEWS[:views], CAMERAS, strict=False)
        ]  # fmt: skip
        energy = FitEnergy(BODY, H36M_17, given, evidence, 10.0)
        latents = 0.5 * torch.randn(
            (3, *given.like.shape), generator=torch.Generator().manual_seed(0)
        )
        latents.requires_grad_()
        (expected,) = torch.autograd.grad(energy(latents).sum(), latents)
        found = energy.linear(latents)
        assert found.gradient.isfinite().all()
        assert torch.allclose(
            found.gradient.float(), expected, rtol=1e-2, atol=1e-2 * float(expected.abs().mean())
        )
        zero = torch.zeros_like(latents)
        assert energy.linear(zero).gradient.isfinite().all()


def test_slopes_of_landmarks_are_those_of_differentiation() -> None:
    unit = torch.eye(3).expand(2, 17, 3, 3)
    slopes = landmark_slopes(BODY, TRUTH, H36M_17, unit)
    vector = torch.zeros(2, 24, 3, requires_grad=True)
    betas = TRUTH.betas.clone().requires_grad_()
    moved = BodyParameters.of(TRUTH.rotations @ from_axis_angle(vector), betas, TRUTH.transl)
    joint = BODY.landmarks_of(moved, H36M_17)[:, WRIST, 1].sum()
    by_turn, by_betas = torch.autograd.grad(joint, (vector, betas))
    assert torch.allclose(slopes.betas[:, WRIST, 1], by_betas, atol=1e-5)
    basis = torch.zeros(3, 3, 3)
    for a, b, c, sign in (
        (0, 2, 1, 1),
        (0, 1, 2, -1),
        (1, 0, 2, 1),
        (1, 2, 0, -1),
        (2, 1, 0, 1),
        (2, 0, 1, -1),
    ):
        basis[a, b, c] = sign
    change = torch.einsum("bkxy,ayz->bkaxz", TRUTH.rotations, basis)
    found = (slopes.rotations[:, WRIST, 1][:, :, None] * change).sum((-1, -2))
    assert torch.allclose(found, by_turn, atol=1e-5)


def test_latents_of_least_energy_are_the_rotations_of_least_energy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For the flow's volume is constant: there the slope by 6D rotations vanishes as well."""
    prior = flow_prior(monkeypatch)
    settings = FitSettings(iterations=40, tolerance=1e-6)
    fit = fit_body(BODY, seen(JOINTS[:1], px=20.0), prior, settings=settings)
    given: Any = fit.posterior.energy.prior
    posterior, best = given.posterior, fit.posterior.best[None]
    own, rest = best.split([6 * 24, best.shape[-1] - 6 * 24], -1)
    columns = posterior.columns(own).detach().requires_grad_()
    latents, _ = posterior.flow.call_and_ladj(columns - prior.lifter.start)
    value = fit.posterior.energy(torch.cat([latents, rest], -1)).sum()
    (slope,) = torch.autograd.grad(value, columns)
    (alone,) = torch.autograd.grad(-posterior.rotation_log_prob(columns).sum(), columns)
    assert slope.norm() < 0.05 * alone.norm()


def test_a_flow_starts_from_its_mode_its_draws_or_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = flow_prior(monkeypatch)
    keypoints, quick = VIEWS[0], FitSettings(iterations=0, softened=())
    fit = fit_body(BODY, keypoints, prior, settings=quick)
    mode = prior.lifter(keypoints).latent_centre
    assert torch.allclose(fit.posterior.latent_centre, mode, atol=1e-4)
    several = fit_body(BODY, keypoints, prior, start=5, generator=torch.Generator().manual_seed(0),
                       settings=FitSettings(iterations=8))  # fmt: skip
    assert several.starts.batch_shape == (5, 2)
    assert several.start_energy.shape == (5, 2)
    assert torch.equal(several.energy, several.start_energy.min(0).values)
    again = fit_body(BODY, keypoints, prior, start=TRUTH.expand(1, 2), settings=quick)
    assert torch.allclose(again.parameters.rotations, TRUTH.rotations, atol=1e-3)
    assert torch.allclose(again.parameters.transl, TRUTH.transl, atol=1e-2)
    back = fit_body(BODY, keypoints, PRIOR, start=TRUTH.expand(1, 2), settings=quick)
    assert torch.allclose(back.parameters.body_pose, TRUTH.body_pose, atol=1e-3)


def test_a_prior_of_motions_has_their_spread_and_limits_of_hinges() -> None:
    rotations = people(400, seed=3, bend=0.3).rotations
    prior = GenericPrior.fitted(BODY, rotations, limits=False)
    drawn = (prior.factor @ prior.factor.T).diagonal().sqrt()
    assert ((drawn - 0.3).abs() < 0.05).all()
    given: Any = PRIOR.given(VIEWS[0])
    knee = BODY.tree.index("left_knee")
    turns = torch.eye(3).repeat(1, 1, 24, 1, 1)
    for angle, cost in ((1.0, False), (-0.5, True), (3.0, True)):
        turns[0, 0, knee] = from_axis_angle(torch.tensor([angle, 0.0, 0.0]))
        bodies = BodyParameters.of(turns, torch.zeros(1, 1, 3))
        assert bool(given.more(bodies).square().sum() > 0.1) == cost


def test_what_cannot_be_used_is_refused_by_name() -> None:
    keypoints = VIEWS[0]
    odd = replace(keypoints, pixels=keypoints.pixels.clone())
    odd.pixels[0, 3, 0] = torch.nan
    with pytest.raises(InputError, match="pixels: expected finite"):
        fit_body(BODY, odd, PRIOR)
    with pytest.raises(InputError, match="weights"):
        fit_body(BODY, keypoints, PRIOR, "precision")
    with pytest.raises(InputError, match="confidence"):
        fit_body(BODY, replace(keypoints, confidence=None), PRIOR, "confidence")
    with pytest.raises(InputError, match="start: expected finite"):
        fit_body(BODY, keypoints, PRIOR, start=torch.full((1, 2, 78), torch.nan))
    with pytest.raises(InputError, match="covariance"):
        fit_body(BODY, replace(keypoints, covariance=-keypoints.covariance), PRIOR)


def test_views_have_to_be_calibrated_and_of_one_instant() -> None:
    for message, change in {
        "view 1: intrinsics": {"views": [VIEWS[0], replace(VIEWS[1], intrinsics=None)]},
        "view 1: camera": {"cameras": [CAMERAS[0], None]},
        "cameras: expected 2": {"cameras": CAMERAS},
        "view 1: batch": {"views": [VIEWS[0], VIEWS[1][:1]]},
        "view 1: skeleton": {
            "views": [VIEWS[0], Keypoints(
                VIEWS[1].pixels[:, :14], VIEWS[1].covariance[:, :14], VIEWS[1].valid[:, :14],
                LSP_14, intrinsics=VIEWS[1].intrinsics)]},
        "view 1: instant of row 1: expected 7": {"instants": [[3, 7], [3, 8]]},
        "view 1: rotation": {"cameras": [CAMERAS[0], (2 * torch.eye(3), torch.zeros(3))]},
    }.items():  # fmt: skip
        given: Any = {"views": VIEWS[:2], "cameras": CAMERAS[:2], **change}
        with pytest.raises(InputError, match=message):
            fit_views(BODY, given.pop("views"), given.pop("cameras"), PRIOR, **given)

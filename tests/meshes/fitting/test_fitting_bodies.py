"""Fitting of whole bodies: real motion, double precision, SMPL, and calibration in the large."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from meshes.fitting.test_fitting import (
    BODY,
    CAMERAS,
    VIEWS,
    flow_prior,
    people,
    seen,
)
from meshes.made_smpl import made_smpl, write_npz
from poseterior.geometry.rotations import from_axis_angle, to_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.meshes import BodyParameters
from poseterior.meshes.fitting.fitting import FitSettings, FittedBodies, fit_body
from poseterior.meshes.fitting.fitting_views import fit_views
from poseterior.meshes.fitting.flow_prior import FlowPrior
from poseterior.meshes.fitting.generic_prior import GenericPrior
from poseterior.meshes.models.smpl import read_smpl
from poseterior.meshes.motion.inverse_kinematics import fit_to_joints
from poseterior.metrics.summary import ScoreAccumulator
from poseterior.studies.scored import verdict


def test_a_prior_is_fitted_to_real_motion(cmu_root: Path) -> None:
    with np.load(cmu_root / "cmu_val.npz") as stored:
        pose = torch.from_numpy(stored["positions"][::60][:80].astype(np.float32))
    rotations = fit_to_joints(BODY, pose, H36M_17).parameters.rotations
    prior = GenericPrior.fitted(BODY, rotations[::2])
    other = rotations[1::2]
    turned = to_axis_angle(prior.centre.mT @ other[:, 1:]).flatten(1)
    latents = torch.linalg.solve_triangular(prior.factor, turned.T, upper=False)
    assert prior.factor.isfinite().all()
    # Poses of the same clips are as likely as the prior's own draws, those of no human are not.
    typical = latents.square().mean(0).median()
    assert 0.2 < typical < 2
    wild = to_axis_angle(people(50, bend=1.0).body_pose).flatten(1)
    odd = torch.linalg.solve_triangular(prior.factor, wild.T, upper=False)
    assert odd.square().mean(0).median() > 20 * typical
    bodies = BodyParameters.of(other[:2], torch.zeros(2, 3), torch.tensor([[0.0, 0, 4]] * 2))
    facing = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(2, 3, 3)
    bodies = replace(bodies, global_orient=facing)
    joints = BODY.landmarks_of(bodies, H36M_17)
    fit = fit_views(BODY, [seen(joints, at) for at in CAMERAS], CAMERAS, prior)
    off = (BODY.landmarks_of(fit.parameters, H36M_17) - joints).norm(dim=-1)
    assert off.mean() < 0.005


def test_a_flow_in_double_precision_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    single = flow_prior(monkeypatch)
    keypoints, settings = VIEWS[0], FitSettings(iterations=30, tolerance=1e-6)
    expected = fit_body(BODY, keypoints, single, settings=settings)
    same = expected.posterior.latent_centre
    lifter = single.lifter.double()
    body = lifter.body
    assert body.heads.dtype == torch.float64
    fit = fit_body(body, keypoints, FlowPrior(lifter), settings=settings)
    sample = fit.posterior.sample((3,), torch.Generator().manual_seed(0))
    for value in (fit.parameters.rotations, fit.energy, fit.residual_px, sample):
        assert value.dtype == torch.float64
    assert torch.allclose(fit.energy.float(), expected.energy, atol=0.05)
    assert torch.allclose(fit.posterior.latent_centre.float(), same, atol=0.01)


def test_smpl_with_its_pose_corrections_is_fitted(tmp_path: Path) -> None:
    body = read_smpl(write_npz(tmp_path / "model.npz", made_smpl()))
    assert body.corrected
    draw = torch.Generator().manual_seed(0)
    turns = from_axis_angle(0.2 * torch.randn((2, 24, 3), generator=draw))
    place = torch.tensor([0.0, 0.0, 4.0]).expand(2, 3)
    truth = BodyParameters.of(turns, torch.randn((2, body.betas), generator=draw), place).to(
        body.heads
    )
    joints = body.landmarks_of(truth, H36M_17)
    prior = GenericPrior.fitted(
        body, from_axis_angle(0.2 * torch.randn((200, 24, 3), generator=draw)), limits=False
    )
    still = replace(truth, body_pose=torch.eye(3).to(turns).expand(2, 23, 3, 3)).expand(1, 2)
    views = [seen(joints.float(), at) for at in CAMERAS]
    fit = fit_views(body, views, CAMERAS, prior, start=still)
    assert float(fit.residual_px.mean()) < 1
    assert float((body.landmarks_of(fit.parameters, H36M_17) - joints).norm(dim=-1).mean()) < 0.003
    one = fit_body(body, views[0], prior, start=still)
    assert float(one.residual_px.mean()) < 1.5
    latents = one.posterior.best[None].clone().requires_grad_()
    (slope,) = torch.autograd.grad(one.posterior.energy(latents).sum(), latents)
    found = one.posterior.energy.linear(latents).gradient
    assert torch.allclose(found.to(slope), slope, atol=0.02 * float(slope.abs().max()) + 1e-3)


COUNT, PX = 60, 4.0
# Narrow enough for landmarks to be nearly linear, as Laplace's approximation takes them to be.
NARROW = GenericPrior.fitted(BODY, people(400, 3, 0.1).rotations, limits=False)


def _drawn() -> tuple[BodyParameters, list[Keypoints]]:
    """Draws of the prior, and what three cameras see of them with known noise."""
    draw = torch.Generator().manual_seed(7)
    given: Any = NARROW.given(seen(BODY.landmarks_of(people(COUNT), H36M_17)))
    latents = torch.randn(given.like.shape, generator=draw)
    latents[:, 0] *= 0.3  # headings of more than half a turn would be told as the rest of it
    bodies = given.decode(latents[None])[0]
    joints = BODY.landmarks_of(bodies, H36M_17)
    views = [seen(joints, at, PX) for at in CAMERAS]
    noise = PX * torch.randn((len(views), *views[0].pixels.shape), generator=draw)
    return bodies, [replace(v, pixels=v.pixels + n) for v, n in zip(views, noise, strict=True)]


def _scores(fit: FittedBodies, truth: BodyParameters) -> dict[str, Any]:
    poses = fit.posterior.sample((100,), torch.Generator().manual_seed(0)).movedim(0, 1)
    scores = ScoreAccumulator(H36M_17)
    scores.update(poses, fit.posterior.poses(truth), clip=range(len(truth)))
    return scores.compute()


@pytest.mark.parametrize(
    ("stated", "said"),
    [(1.0, "covers as it says"), (1 / 3, "overconfident")],
)
def test_regions_of_whole_bodies_are_right_where_the_noise_is_known_and_wrong_where_not(
    stated: float, said: str
) -> None:
    truth, views = _drawn()
    told = [replace(view, covariance=stated * view.covariance) for view in views]
    settings = FitSettings(scale=None)
    start = truth.expand(1, COUNT)
    fit = fit_views(BODY, told, CAMERAS, NARROW, start=start, settings=settings)
    found = _scores(fit, truth)
    assert verdict(found).startswith(said), (found["coverage_90"], found["coverage_90_interval"])
    off = fit.posterior.energy.prior.encode(start)[0] - fit.posterior.best
    whitened = (fit.posterior.factor.mT @ off.double()[..., None])[..., 0]
    surplus = whitened.square().mean(-1).median()  # about 1, by chi²
    if stated == 1:
        assert found["ece_median"] < 0.05
        assert abs(surplus - 1) < 0.2
    else:
        assert found["ece_median"] > 0.1
        assert surplus > 1.5

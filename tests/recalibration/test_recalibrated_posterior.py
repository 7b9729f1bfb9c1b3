"""A recalibrated posterior keeps what a `Posterior` promises, and is calibrated."""

from __future__ import annotations

import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17, skeleton_from_tree
from poseterior.lifters.coupling_flow import CouplingFlow, CouplingFlowConfig
from poseterior.lifters.mean_pose import MeanPose
from poseterior.posterior import Posterior
from poseterior.posteriors import GaussianPosterior, PointPosterior
from poseterior.recalibration import METHODS
from poseterior.recalibration.latent_temperature import LatentTemperature
from poseterior.recalibration.posterior import Recalibrated, RecalibratedLifter
from poseterior.recalibration.recalibration import Recalibration
from recalibration.synthetic import (
    SIGMA_M,
    Exact,
    centres,
    coverage_errors,
    held_out,
    keypoints,
    observed,
    rng,
)

BATCH, FITTED_ON = 3, 40
SIGMA_PX = torch.full((BATCH, 17), 4.0)


@pytest.fixture(scope="module", params=sorted(METHODS.keys() - {"latent_temperature"}))
def recalibration(request: pytest.FixtureRequest) -> Recalibration:
    sigma = (0.5 * torch.randn(800, 17, generator=rng(8))).exp()
    data = held_out(0.5, poses=800, hypotheses=FITTED_ON, **observed(sigma))
    return METHODS[request.param].fit(data)


@pytest.fixture
def posterior(recalibration: Recalibration) -> Posterior:
    return Recalibrated(Exact(centres(BATCH), 0.5), recalibration, keypoints(SIGMA_PX))


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (FITTED_ON,), (FITTED_ON + 7,)])
def test_samples_are_root_relative_float32_poses(
    posterior: Posterior, shape: tuple[int, ...]
) -> None:
    samples = posterior.sample(shape, rng())
    assert posterior.batch_shape == (BATCH,)
    assert posterior.event_shape == (17, 3)
    assert samples.shape == (*shape, BATCH, 17, 3)
    assert samples.dtype == torch.float32
    assert not samples.requires_grad
    assert samples.isfinite().all()
    assert (samples[..., H36M_17.root, :] == 0).all()


def test_the_seed_decides_the_samples(posterior: Posterior) -> None:
    before = torch.get_rng_state()
    first = posterior.sample((50,), rng(1))
    torch.rand(3)
    assert torch.equal(posterior.sample((50,), rng(1)), first)
    assert not torch.equal(posterior.sample((50,), rng(2)), first)
    torch.set_rng_state(before)
    posterior.sample((50,), rng(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_fewer_hypotheses_are_the_first_of_a_set(posterior: Posterior) -> None:
    many = posterior.sample((2 * FITTED_ON,), rng(1))
    assert torch.equal(posterior.sample((7,), rng(1)), many[:7])
    assert len(many.unique(dim=0)) == 2 * FITTED_ON


def test_it_has_no_density_and_the_centre_of_its_base(posterior: Posterior) -> None:
    assert not posterior.has_log_prob
    with pytest.raises(NotImplementedError):
        posterior.log_prob(posterior.sample((), rng()))
    assert posterior.has_latent_centre
    assert torch.equal(posterior.latent_centre, centres(BATCH))
    assert not posterior.has_mode
    with pytest.raises(NotImplementedError):
        _ = posterior.mode


def test_a_row_does_not_depend_on_the_others(recalibration: Recalibration) -> None:
    base = Exact(centres(BATCH), 0.5)
    drawn = base.sample((FITTED_ON,), rng(1))

    class Drawn(Exact):
        def sample(self, sample_shape=(), generator=None) -> torch.Tensor:
            return drawn[:, : len(self.centre)]

    together = Recalibrated(Drawn(centres(BATCH), 0.5), recalibration, keypoints(SIGMA_PX))
    alone = Recalibrated(Drawn(centres(BATCH)[:1], 0.5), recalibration, keypoints(SIGMA_PX)[:1])
    size = (FITTED_ON,)
    assert torch.allclose(together.sample(size)[:, :1], alone.sample(size), atol=1e-6)


def test_it_is_calibrated_and_its_mean_stays(recalibration: Recalibration) -> None:
    poses = 1000
    centre = centres(poses, seed=20)
    base = Exact(centre, 0.5)
    target = Exact(centre, 1.0).sample((), rng(5))
    seen = keypoints(torch.ones(poses, 17))
    fixed = Recalibrated(base, recalibration, seen).sample((FITTED_ON,), rng(6))
    drawn = base.sample((FITTED_ON,), rng(6))
    assert torch.allclose(fixed.mean(0), drawn.mean(0), atol=1e-6)
    before, after = (coverage_errors(x.transpose(0, 1), target) for x in (drawn, fixed))
    assert before.mean() > 0.3
    assert after.mean() < 0.04


def test_map_and_no_mode(recalibration: Recalibration) -> None:
    base = GaussianPosterior(centres(BATCH), torch.full((BATCH,), SIGMA_M), H36M_17)
    posterior = Recalibrated(base, recalibration, keypoints(SIGMA_PX))
    assert base.has_mode
    assert not posterior.has_mode
    doubled = posterior.map(lambda pose: 2 * pose, H36M_17)
    assert torch.equal(doubled.sample((7,), rng()), 2 * posterior.sample((7,), rng()))


def test_a_point_cannot_be_widened(recalibration: Recalibration) -> None:
    point = PointPosterior(centres(BATCH), H36M_17)
    with pytest.raises(InputError, match="all equal at right_hip in row 0"):
        Recalibrated(point, recalibration, keypoints(SIGMA_PX)).sample((5,), rng())


def test_another_skeleton_is_refused(recalibration: Recalibration) -> None:
    tiny = skeleton_from_tree("tiny_3", [("tip", "root"), ("root", None), ("other", "root")])
    point = PointPosterior(torch.zeros(BATCH, 3, 3), tiny)
    with pytest.raises(InputError, match="skeleton: expected h36m_17, found tiny_3"):
        Recalibrated(point, recalibration)


def test_a_lifter_gives_repaired_posteriors(recalibration: Recalibration) -> None:
    lifter = CouplingFlow(CouplingFlowConfig(members=1, width=16, context=8, blocks=1, hidden=8))
    repaired = RecalibratedLifter(lifter.eval(), recalibration).eval()
    seen = keypoints(SIGMA_PX)
    with torch.no_grad():
        base, fixed = lifter(seen), repaired(seen)
        drawn, samples = (p.sample((FITTED_ON,), rng()) for p in (base, fixed))
    assert isinstance(fixed, Recalibrated)
    assert repaired.skeleton is lifter.skeleton
    wanted = Recalibrated(base, recalibration, seen).sample((FITTED_ON,), rng())
    assert torch.equal(samples, wanted)
    assert not torch.allclose(samples, drawn, atol=1e-3)


def test_a_temperature_leaves_the_density() -> None:
    lifter = CouplingFlow(CouplingFlowConfig(members=1, width=16, context=8, blocks=1, hidden=8))
    recalibration = LatentTemperature(H36M_17, 100, 0.8, "coupling_flow", "abc")
    with pytest.raises(InputError, match=r"expected .* weights abc, found .* weights xyz"):
        recalibration.set_on(lifter, "xyz")
    recalibration.set_on(lifter, "abc")
    assert lifter.temperature.item() == pytest.approx(0.8)
    with torch.no_grad():
        assert RecalibratedLifter(lifter.eval(), recalibration)(keypoints(SIGMA_PX)).has_log_prob


def test_a_temperature_needs_a_lifter_and_a_flow() -> None:
    with pytest.raises(InputError, match=r"expected a lifter.*found predictions"):
        LatentTemperature.fit(held_out(poses=30))
    recalibration = LatentTemperature(H36M_17, 50, 0.8, "coupling_flow", "abc")
    with pytest.raises(InputError, match=r"expected a lifter.*found predictions"):
        recalibration.apply(next(held_out(poses=30).chunks()))
    with pytest.raises(InputError, match="a flow with a latent temperature, found mean_pose"):
        recalibration.set_on(MeanPose(), "abc")

"""RLE: its likelihood against distributions of torch, places and spreads in px."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Laplace, Normal
from torch.utils.flop_counter import FlopCounterMode

from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig, base_nll
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Detector

BACKBONE = ResNetSize(4, (4, 4, 4, 8), (1, 1, 1, 1), "basic")
GENERATOR = torch.Generator()
SIDES = torch.tensor([64.0, 96.0])


def tiny(base: str = "laplace", seed: int = 0) -> RLE:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RLE(RLEConfig((64, 96), BACKBONE, base)).eval()  # type: ignore[arg-type]


def joints_of(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(count, 17, 2, generator=generator) * (SIDES - 1)
    return torch.cat([places, torch.ones(count, 17, 1)], -1)


@pytest.mark.parametrize(("base", "kind"), [("laplace", Laplace), ("gaussian", Normal)])
def test_untrained_flow_is_normal_so_the_loss_is_two_known_likelihoods(
    base: str, kind: type[Laplace] | type[Normal]
) -> None:
    detector, joints = tiny(base), joints_of(3)
    joints[1, 3, 2] = 0
    crops = torch.rand(3, 3, 96, 64) * 255
    with torch.no_grad():
        mu, sigma = detector(crops).double().chunk(2, -1)
        found = detector.losses(crops, joints, GENERATOR)
    place = (joints[..., :2].double() + 0.5) / SIDES
    some = joints[..., 2] > 0
    for name, law in (("base", kind(mu, sigma)), ("flow", Normal(mu, sigma))):
        expected = -law.log_prob(place).sum(-1)[some].mean()
        assert float(found[name]) == pytest.approx(float(expected), rel=1e-5)


def test_base_densities_sum_to_one() -> None:
    steps = torch.linspace(-30, 30, 1201, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)
    for base in ("laplace", "gaussian"):
        mass = (-base_nll(grid, base)).exp().sum() * (steps[1] - steps[0]) ** 2
        assert float(mass) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("base", "kind"), [("laplace", Laplace), ("gaussian", Normal)])
def test_covariance_is_the_bases_in_px(base: str, kind: type[Laplace] | type[Normal]) -> None:
    output = torch.rand(2, 17, 4, generator=torch.Generator().manual_seed(1)) * 0.4 + 0.1
    found = tiny(base).located(output)
    expected = kind(0.0, output[..., 2:]).variance * SIDES.square()
    torch.testing.assert_close(found.covariance, torch.diag_embed(expected))
    torch.testing.assert_close(found.pixels, output[..., :2] * SIDES - 0.5)
    torch.testing.assert_close(found.confidence, 1 - (output[..., 2] + output[..., 3]) / 2)
    assert not found.doubtful.any()


def test_the_best_sigma_is_the_mean_absolute_error() -> None:
    # Of the loss as a function of one sigma for all, the flow fixed to what it is with the error
    # in units of sigma: only the base tells the scale.
    error = Laplace(0.0, 0.07).sample((20000, 2)).double()
    sigmas = torch.linspace(0.03, 0.2, 171, dtype=torch.float64)
    losses = [base_nll(error / s, "laplace").mean() + 2 * s.log() for s in sigmas]
    best = sigmas[int(torch.stack(losses).argmin())]
    assert float(best) == pytest.approx(float(error.abs().mean()), abs=1e-3)


def test_joints_that_are_not_labelled_do_not_count_however_far() -> None:
    detector, joints = tiny(), joints_of(2)
    joints[:, 5, 2] = 0
    crops = torch.rand(2, 3, 96, 64) * 255
    before = detector.losses(crops, joints, GENERATOR)
    joints[:, 5, :2] = 1e30
    after = detector.losses(crops, joints, GENERATOR)
    assert all(torch.equal(before[name], after[name]) for name in before)
    sum(after.values()).backward()
    assert all(bool(p.grad.isfinite().all()) for p in detector.parameters() if p.grad is not None)


def test_no_labelled_joint_is_no_loss() -> None:
    detector, joints = tiny(), joints_of(2)
    joints[..., 2] = 0
    assert (
        sum(map(float, detector.losses(torch.rand(2, 3, 96, 64), joints, GENERATOR).values())) == 0
    )


def test_mirrored_outputs_say_the_same_of_the_crop() -> None:
    detector, joints = tiny(), joints_of(3)
    output = torch.cat([(joints[..., :2] + 0.5) / SIDES, torch.rand(3, 17, 2)], -1)
    seen = output[:, list(COCO_17.partners)].clone()
    seen[..., 0] = (63 - joints[:, list(COCO_17.partners), 0] + 0.5) / 64
    torch.testing.assert_close(detector.mirrored(seen), output)


def test_the_flow_learns_what_the_base_does_not_know() -> None:
    detector = tiny()
    errors = torch.tensor([[2.0, 1.0], [-2.0, -1.0]]).repeat(64, 1)
    errors = errors + 0.3 * torch.randn(128, 2, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam(detector.flow.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        loss = -detector.flow.log_prob(errors).mean()
        loss.backward()
        optimiser.step()
    normal = 0.5 * errors.square().sum(-1).mean() + math.log(2 * math.pi)
    assert float(loss) < float(normal) - 1


def test_features_are_pooled_vectors() -> None:
    detector = tiny()
    crops = torch.randint(256, (2, 3, 96, 64), dtype=torch.uint8)
    features = detector.features(crops)
    assert tuple(features.shape) == (2, 8)
    assert torch.equal(detector.head(features), detector(crops))
    assert tuple(detector.lower_features(crops).shape) == (2, 4, 6, 4)


@pytest.mark.parametrize(
    ("preset", "most_gmac", "parameters"), [("small", 0.1, 1.93e6), ("paper", 4.01, 23.6e6)]
)
def test_sizes(preset: str, most_gmac: float, parameters: float) -> None:
    detector = RLE(RLE.PRESETS[preset]).eval()
    width, height = detector.size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        detector(torch.zeros(1, 3, height, width))
    assert 0.3 * most_gmac < counter.get_total_flops() / 2e9 <= most_gmac
    assert sum(p.numel() for p in detector.parameters()) == pytest.approx(parameters, rel=0.01)


def test_it_is_a_detector_and_names_what_cannot_be() -> None:
    assert isinstance(tiny(), Detector)
    with pytest.raises(InputError, match="couplings: expected even"):
        RLEConfig(couplings=5)
    with pytest.raises(InputError, match="multiples of 32"):
        RLEConfig((0, 128))

"""SimpleBaseline: targets against numpy, decoding of drawn peaks, sizes as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.sbl import SBL, SBLConfig, target_heatmaps
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Detector

TINY = SBLConfig((64, 96), ResNetSize(4, (4, 4, 4, 8), (1, 1, 1, 1), "basic"), 4, 1.5)
GENERATOR = torch.Generator()


def tiny(seed: int = 0) -> SBL:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SBL(TINY).eval()


def joints_of(count: int, seed: int = 0) -> Tensor:
    """Joints (count, 17, 3) inside the tiny crops, 12 px from the border, all visible."""
    generator = torch.Generator().manual_seed(seed)
    places = 12 + torch.rand(count, 17, 2, generator=generator) * torch.tensor([39.0, 71.0])
    return torch.cat([places, torch.full((count, 17, 1), 2.0)], -1)


def test_targets_are_gaussians_about_the_joints() -> None:
    points = torch.tensor([[[30.2, 11.7], [-3.0, 95.0]]])
    found = target_heatmaps(points, (16, 24), 1.5).numpy()
    y, x = np.mgrid[:24, :16]
    for joint, (px, py) in enumerate(points[0].numpy()):
        # A heatmap's pixel i covers px 4 i - 1/2 to 4 i + 7/2 of the crop: its centre is 4 i + 3/2.
        away = (4 * x + 1.5 - px) ** 2 + (4 * y + 1.5 - py) ** 2
        expected = np.exp(-away / (2 * 6.0**2))
        np.testing.assert_allclose(found[0, joint], expected, atol=1e-6)


def test_peaks_come_back_within_a_quarter_pixel() -> None:
    joints = joints_of(8)
    heatmaps = 0.7 * target_heatmaps(joints[..., :2], (16, 24), 1.5)
    found = tiny().located(heatmaps)
    assert float((found.pixels - joints[..., :2]).abs().max()) <= 1.0 + 1e-4
    assert float(found.confidence.min()) > 0.7 * np.exp(-0.25 / 1.5**2) - 1e-6
    assert float(found.confidence.max()) <= 0.7
    # Nothing is left of what it was trained to draw: the least, 0.3 heatmap px.
    expected = torch.eye(2).expand(8, 17, 2, 2) * (4 * 0.3) ** 2
    torch.testing.assert_close(found.covariance, expected, atol=1e-4, rtol=0)
    assert not found.doubtful.any()


def test_wider_peaks_have_the_variance_beyond_their_targets() -> None:
    points = torch.full((1, 17, 2), 40.0)
    wide = target_heatmaps(points, (16, 24), 2.5)
    found = tiny().located(wide)
    expected = 16 * (2.5**2 - 1.5**2)
    variances = found.covariance.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(variances, torch.full((1, 17, 2), expected), rtol=1e-3, atol=0)


def test_highest_pixel_is_an_option() -> None:
    joints = joints_of(2)
    heatmaps = target_heatmaps(joints[..., :2], (16, 24), 1.5)
    plain = SBL(SBLConfig(TINY.size, TINY.backbone, 4, 1.5, "highest_pixel"))
    points = plain.decode(heatmaps)[0]
    assert bool(((points - 1.5) % 4 == 0).all())
    assert float((points - joints[..., :2]).abs().max()) <= 2 + 1e-4


def test_mirrored_maps_say_the_same_of_the_crop() -> None:
    joints = joints_of(3)
    mirrored = joints[:, list(COCO_17.partners), :2] * torch.tensor([-1.0, 1.0])
    mirrored = mirrored + torch.tensor([63.0, 0.0])
    seen = target_heatmaps(mirrored, (16, 24), 1.5)
    expected = target_heatmaps(joints[..., :2], (16, 24), 1.5)
    torch.testing.assert_close(tiny().mirrored(seen), expected, atol=1e-5, rtol=0)


def test_averaging_with_the_mirrored_crop_is_symmetric() -> None:
    detector = tiny()
    crops = 255 * torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(3))
    here, there = detector.output(crops, flip=True), detector.output(crops.flip(-1), flip=True)
    torch.testing.assert_close(detector.mirrored(there), here, atol=1e-6, rtol=1e-4)
    assert not torch.equal(here, detector.output(crops, flip=False))


def test_loss_is_equation_two() -> None:
    detector, joints = tiny(), joints_of(3)
    joints[0, 4, 2], joints[2, 7, 2] = 0, 1
    crops = torch.rand(3, 3, 96, 64) * 255
    with torch.no_grad():
        heatmaps = detector(crops).numpy()
        found = float(detector.losses(crops, joints, GENERATOR)["heatmap"])
    target = target_heatmaps(joints[..., :2], (16, 24), 1.5).numpy()
    error = ((heatmaps - target) ** 2).mean((2, 3))
    error[0, 4] = 0
    assert found == pytest.approx(error.sum() / 3, rel=1e-5)


def test_joints_that_are_not_labelled_do_not_count() -> None:
    detector, joints = tiny(), joints_of(2)
    joints[:, 5, 2] = 0
    crops = torch.rand(2, 3, 96, 64) * 255
    before = detector.losses(crops, joints, GENERATOR)["heatmap"]
    joints[:, 5, :2] = -500
    after = detector.losses(crops, joints, GENERATOR)["heatmap"]
    assert torch.equal(before, after)


def test_features_are_what_the_last_layer_sees() -> None:
    detector = tiny()
    crops = torch.randint(256, (2, 3, 96, 64), dtype=torch.uint8)
    features = detector.features(crops)
    assert tuple(features.shape) == (2, 4, 24, 16)
    assert torch.equal(detector.head(features), detector(crops))
    assert tuple(detector.lower_features(crops).shape) == (2, 4, 6, 4)


@pytest.mark.parametrize(
    ("preset", "most_gmac", "parameters"), [("small", 0.1, 1.44e6), ("paper", 5.46, 34.0e6)]
)
def test_sizes(preset: str, most_gmac: float, parameters: float) -> None:
    detector = SBL(SBL.PRESETS[preset]).eval()
    width, height = detector.size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        detector(torch.zeros(1, 3, height, width))
    assert 0.4 * most_gmac < counter.get_total_flops() / 2e9 <= most_gmac
    assert sum(p.numel() for p in detector.parameters()) == pytest.approx(parameters, rel=0.01)


def test_it_is_a_detector_of_its_own_size() -> None:
    detector = tiny()
    assert isinstance(detector, Detector)
    with pytest.raises(InputError, match=r"crops: expected \(B, \*\(3, 96, 64\)\)"):
        detector(torch.zeros(1, 3, 64, 64))
    with pytest.raises(InputError, match="eval"):
        detector.train().output(torch.zeros(1, 3, 96, 64))
    with pytest.raises(InputError, match="multiples of 32"):
        SBLConfig((90, 128))
    with pytest.raises(InputError, match="sigma"):
        SBLConfig(sigma=0)
    with pytest.raises(InputError, match="four"):
        ResNetSize(widths=(3, 4, 5))

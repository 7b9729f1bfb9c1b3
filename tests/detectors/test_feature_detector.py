"""What detectors show of crops: features against a hook, places against spots that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detectors.tiny_models import SeesBrightness, VitPoseImageProcessorPil, save_vitpose, spot
from detectors.tiny_onnx import save_rtmpose
from fake_detectors import BoxDetector
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors import open_detector
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.feature_detector import FeatureDetector, as_feature_detector
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.detectors.topdown import People
from poseterior.detectors.vitpose import VitPose
from poseterior.errors import InputError
from poseterior.geometry.skeleton import MPII_16
from poseterior.training.seen_people import seen_by, shown

SMALL = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
KINDS = ("sbl", "rle", "vitpose")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vitpose(tmp_path_factory.mktemp("vitpose"))


@pytest.fixture(params=KINDS)
def detector(request: pytest.FixtureRequest, folder: Path) -> Any:
    if request.param == "vitpose":
        return VitPose.load(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if request.param == "sbl":
            return SBL(SBLConfig((96, 128), SMALL, 8, 1.5)).eval()
        return RLE(RLEConfig((96, 128), SMALL)).eval()


def pictures(count: int = 3, size: tuple[int, int] = (96, 128)) -> Tensor:
    """Smooth crops (count, 3, h, w) uint8."""
    coarse = torch.rand(count, 3, 16, 12, generator=torch.Generator().manual_seed(1))
    fine = torch.nn.functional.interpolate(coarse, size[::-1], mode="bilinear")
    return (255 * fine).round().byte()


def last_input(detector: Any, run: Any) -> Tensor:
    """What the last layer takes in, first, while something is run."""
    last = {"sbl": lambda d: d.last, "rle": lambda d: d.mu, "vitpose": lambda d: d.model.head.conv}
    seen: list[Tensor] = []
    hook = last[detector.name](detector).register_forward_hook(
        lambda module, given, told: seen.append(given[0].clone())
    )
    with torch.no_grad():
        run()
    hook.remove()
    return seen[0]


def prepared_for_vitpose(crops: Tensor) -> Tensor:
    """Corner to corner on 256 x 192 (UDP), decimals cut off, then ImageNet's normalisation."""
    theta = torch.eye(2, 3).expand(len(crops), 2, 3)
    grid = torch.nn.functional.affine_grid(theta, [len(crops), 3, 256, 192], align_corners=True)
    large = torch.nn.functional.grid_sample(
        crops.float(), grid, padding_mode="border", align_corners=False
    )
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (large.floor() / 255 - mean[:, None, None]) / std[:, None, None]


def test_all_of_them_show_what_the_last_layer_takes_in(detector: Any) -> None:
    assert isinstance(detector, FeatureDetector)
    assert as_feature_detector(detector) is detector
    crops = pictures()
    looked = detector.look(crops)
    if detector.name == "vitpose":
        prepared = prepared_for_vitpose(crops)
        expected = last_input(detector, lambda: detector.model(prepared))
        difference, spread = (looked.features - expected).abs(), expected.std()
        assert difference.max() < 0.1 * spread
        assert difference.mean() < 0.002 * spread
    else:
        expected = last_input(detector, lambda: detector(crops))
        assert torch.equal(looked.features, expected)
    shape = {"sbl": (3, 8, 32, 24), "rle": (3, 16), "vitpose": (3, 32, 64, 48)}
    assert tuple(looked.features.shape) == shape[detector.name]
    assert tuple(looked.pixels.shape) == (3, 17, 2)


def test_what_is_said_may_stand_beside_them(detector: Any) -> None:
    crops = pictures()
    both = detector.look(crops, "with_prediction_and_confidence").features
    alone = detector.look(crops)
    channels = alone.features.shape[1]
    assert torch.equal(both[:, :channels], alone.features)
    told = both[:, channels:]
    if told.ndim == 4:  # the same at each pixel
        assert torch.equal(told.amin((-2, -1)), told.amax((-2, -1)))
        told = told[..., 0, 0]
    places, confidence = told.split([34, 17], 1)
    torch.testing.assert_close(confidence, alone.confidence)
    if detector.name != "vitpose":  # which takes in a larger region than it was given
        size = torch.tensor(crops.shape[:1:-1])
        expected = (alone.pixels + 0.5) / size - 0.5
        torch.testing.assert_close(
            places.unflatten(1, (17, 2)).double(), expected, atol=1e-5, rtol=0
        )
    assert places.isfinite().all()


def test_inputs_that_are_not_there_are_refused(detector: Any) -> None:
    with pytest.raises(InputError, match="inputs: expected one of"):
        detector.look(pictures(), "all")
    if detector.name == "vitpose":
        with pytest.raises(InputError, match="lower_layer"):
            detector.look(pictures(), "lower_layer")
    else:
        assert tuple(detector.look(pictures(), "lower_layer").features.shape) == (3, 16, 8, 6)


def test_photographs_show_what_crops_do(detector: Any) -> None:
    """A crop that lies in a larger picture as it is: same features, same places."""
    crops = pictures(1)
    around = ((100, 172), (60, 144), (0, 0))
    picture = np.pad(crops[0].permute(1, 2, 0).numpy(), around, "edge")
    centre, half = np.array([60 + 47.5, 100 + 63.5]), np.array([48, 64]) / 1.25
    box = torch.tensor(np.concatenate([centre - half, centre + half]))[None]
    located = detector.locate(People([picture], box), "penultimate")
    looked = detector.look(crops)
    spread = looked.features.std()
    assert (located.features - looked.features).abs().mean() < 0.02 * spread
    apart = (located.pixels - torch.tensor([60.0, 100.0]).double() - looked.pixels).abs()
    assert (apart < 0.6).double().mean() > 0.9  # PIL cuts decimals off, and peaks may jump
    assert detector.locate(People([picture], box)).features is None
    (found,) = detector.detect([picture], [box])
    torch.testing.assert_close(found.pixels.double(), located.pixels, atol=1e-3, rtol=0)


def test_fingerprints_tell_weights_and_settings(detector: Any, folder: Path) -> None:
    first = detector.fingerprint()
    assert detector.fingerprint() == first
    network = detector.model if detector.name == "vitpose" else detector
    with torch.no_grad():
        next(network.parameters())[..., 0] += 1
    assert detector.fingerprint() != first
    configs = [SBLConfig((96, 128), SMALL, 8, sigma) for sigma in (1.5, 2.0)]
    detectors = [SBL(config) for config in configs]
    detectors[1].load_state_dict(detectors[0].state_dict())
    assert len({each.fingerprint() for each in detectors}) == 2


class Spots(SeesBrightness):
    """Features are the heatmaps: what the last layer, that changes nothing, takes in."""

    def forward(self, pixels: Tensor) -> Any:
        found = super().forward(pixels)
        found.heatmaps = self.head.conv(found.heatmaps)
        return found


def one_spot_each(count: int = 5) -> PeopleCrops:
    """People all of whose joints are at a bright spot of their crop."""
    rng = np.random.default_rng(0)
    places = rng.uniform([30, 40], [66, 88], (count, 2))
    crops = np.stack(
        [spot((96, 128), (float(x), float(y)), [[40.0, 8], [8, 30.0]]) for x, y in places]
    )
    affine = np.c_[rng.uniform(0, 200, (count, 2)), rng.uniform(0.5, 3, count)]
    points = affine[:, None, :2] + affine[:, None, 2:] * places[:, None].repeat(17, 1)
    # A bit apart, for where all are at one place nothing tells how large a crop is.
    points += np.random.default_rng(1).normal(0, 0.01, points.shape)
    joints = np.concatenate([points, np.full((count, 17, 1), 2.0)], -1)
    area = (60 * affine[:, 2]) ** 2
    return PeopleCrops("spots", crops, joints, affine, area, np.zeros((count, 4)), np.arange(count))


@pytest.mark.parametrize("changed", [False, True])
def test_spots_are_found_where_they_are_in_any_crop(changed: bool) -> None:
    processor = VitPoseImageProcessorPil()
    detector = VitPose(Spots(processor), processor, batch_size=2)
    people, rows = one_spot_each(), np.arange(5)
    turned = CropAugmentation(brightness=0, contrast=0, colour=0, hidden=0) if changed else None
    seen = seen_by(detector, people, rows, pooled=True, augmentation=turned, seed=3)
    given = shown(people, rows, (192, 256), turned, 3)
    assert tuple(given.crops.shape[2:]) == ((256, 192) if changed else (128, 96))
    ratio = given.crops.shape[-1] / 96
    assert (seen.pixels - given.joints[..., :2]).abs().max() < 0.3 * ratio
    assert seen.oks.min() > 0.96
    assert tuple(seen.features.shape) == (5, 17)
    # One px of the file's crops apart is `affine` px of the image apart.
    sigma, error = 2 * 0.026, 2.0
    people.keypoints[:, 0, 0] += error * people.affine[:, 2]
    apart = seen_by(detector, people, rows, augmentation=turned, seed=3)
    nose_or_its_twin = apart.oks.amin(1)
    expected = np.exp(-(error**2) / (2 * 60**2 * sigma**2))
    torch.testing.assert_close(nose_or_its_twin, torch.full((5,), expected).double(),
                               atol=0.12, rtol=0)  # fmt: skip


def test_people_of_other_joints_are_refused(detector: CropDetector) -> None:
    people = one_spot_each()
    other = replace(people, keypoints=people.keypoints[:, :16], skeleton=MPII_16)
    with pytest.raises(InputError, match=r"spots: skeleton: expected coco_17, of .*mpii_16"):
        seen_by(detector, other, np.arange(2))


def test_others_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train sbl.*ViTPose.*boxes, which shows nothing"):
        as_feature_detector(BoxDetector())
    opened = open_detector(save_rtmpose(tmp_path / "tiny.onnx"))
    with pytest.raises(InputError, match="rtmpose, which shows nothing"):
        as_feature_detector(opened, "--detector")

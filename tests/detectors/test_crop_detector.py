"""The detectors trained here held to the contract of `Detector`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detectors.tiny_models import noise, spot
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17

BACKBONE = ResNetSize(4, (4, 4, 4, 8), (1, 1, 1, 1), "basic")
CONFIGS: dict[type[CropDetector], Any] = {
    SBL: SBLConfig((64, 96), BACKBONE, 4, 1.5),
    RLE: RLEConfig((64, 96), BACKBONE),
}
BOXES = torch.tensor([[20.0, 30, 120, 200], [150.0, 10, 200, 90], [-20.0, 100, 60, 260]])


@pytest.fixture(params=CONFIGS, ids=lambda cls: cls.name)
def detector(request: pytest.FixtureRequest) -> CropDetector:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return request.param(CONFIGS[request.param]).eval()


def test_people_come_in_order_with_covariances(detector: CropDetector) -> None:
    images = [noise((240, 260)), noise((100, 90)), noise((240, 260))]
    found = detector.detect(images, [BOXES, torch.zeros(0, 4), BOXES[1:2]])
    assert [tuple(k.batch_shape) for k in found] == [(3,), (0,), (1,)]
    assert all(k.skeleton == COCO_17 and k.pixels.dtype == torch.float32 for k in found)
    assert bool((torch.linalg.eigvalsh(found[0].covariance) > 0).all())
    assert found[0].image_size[0].tolist() == [240, 260]


def test_alone_or_among_others_is_the_same(detector: CropDetector) -> None:
    images = [noise((240, 260)), noise((300, 200))]
    together = detector.detect(images, [BOXES, BOXES[:2]])
    detector.batch_size = 1
    for image, boxes, several in zip(images, [BOXES, BOXES[:2]], together, strict=True):
        alone = detector.detect([image], [boxes])[0]
        # A peak that ties in all but rounding may fall on the next pixel.
        torch.testing.assert_close(alone.confidence, several.confidence, atol=1e-4, rtol=1e-4)
        assert float(((alone.pixels - several.pixels).abs() < 1e-2).float().mean()) > 0.95


def test_bad_input_is_named(detector: CropDetector) -> None:
    with pytest.raises(InputError, match="overlaps the image"):
        detector.detect([noise((50, 50))], [torch.tensor([[100.0, 100, 120, 140]])])
    with pytest.raises(InputError, match="uint8"):
        detector.detect([noise((50, 50)).astype(float)], [BOXES[:1]])
    with pytest.raises(InputError, match="skeleton: expected coco_17"):
        type(detector)(CONFIGS[type(detector)], H36M_17)


class Bright(SBL):
    """Heatmaps of how bright crops are: what follows the network, without one."""

    def features(self, crops: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(crops.float().mean(1, keepdim=True), 4) / 255

    def head(self, features: Tensor) -> Tensor:
        return features.expand(-1, 17, -1, -1)


class BrightRegression(RLE):
    """Centroids of crops."""

    def features(self, crops: Tensor) -> Tensor:
        weight = crops.double().mean(1)
        x = (torch.arange(64) + 0.5) / 64
        y = (torch.arange(96) + 0.5) / 96
        total = weight.sum((1, 2))
        return torch.stack(
            [(weight.sum(1) * x).sum(-1) / total, (weight.sum(2) * y).sum(-1) / total], -1
        )

    def head(self, features: Tensor) -> Tensor:
        spread = torch.tensor([0.1, 0.2]).expand(len(features), 2)
        return torch.cat([features, spread], -1)[:, None].expand(-1, 17, -1).float()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("kind", [Bright, BrightRegression])
def test_a_spot_is_found_where_it_is_in_the_image(kind: type[CropDetector], flip: bool) -> None:
    place, box = (151.3, 97.8), torch.tensor([[90.0, 20, 210, 200]])
    step = 1.25 * 180 / 96  # px of the image for each of the crop
    image = spot((320, 240), place, (np.eye(2) * (7 * step) ** 2).tolist())
    detector = kind(CONFIGS[kind.__mro__[1]]).eval()
    detector.flip = flip
    found = detector.detect([image], [box])[0]
    # Heatmaps: a quarter of a pixel of theirs; centroids: what is cut off of the spot's tails.
    tolerance = (1.0 if kind is Bright else 0.3) * step
    assert float((found.pixels - torch.tensor(place)).abs().max()) < tolerance
    if kind is BrightRegression:
        expected = torch.diag(2 * (torch.tensor([0.1 * 64, 0.2 * 96]) * step) ** 2)
        torch.testing.assert_close(found.covariance[0, 0], expected, rtol=1e-4, atol=1e-3)

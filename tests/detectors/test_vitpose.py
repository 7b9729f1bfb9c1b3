"""ViTPose from a folder: against transformers' own way, mirror images, and spots of known place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.tiny_models import (
    SeesBrightness,
    VitPoseImageProcessorPil,
    noise,
    save_vitpose,
    spot,
)
from poseterior.detectors.vitpose import VitPose
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Detector, Keypoints

IMAGE = (640, 480)
BOXES = torch.tensor(
    [[200.0, 100, 300, 330], [50.3, 150.7, 420.1, 260.9], [-60.5, -60.2, 120.9, 240.4]]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vitpose(tmp_path_factory.mktemp("vitpose"))


@pytest.fixture(scope="module")
def tiny(folder: Path) -> VitPose:
    return VitPose.load(folder, flip=False)


def seeing(**options: object) -> VitPose:
    """A detector whose heatmaps are what it sees."""
    processor = VitPoseImageProcessorPil()
    return VitPose(SeesBrightness(processor), processor, **options)


def close(found: Keypoints, expected: Keypoints, atol: float = 1e-3) -> None:
    for name in ("pixels", "covariance", "confidence"):
        one, other = getattr(found, name), getattr(expected, name)
        torch.testing.assert_close(one, other, atol=atol, rtol=2e-3)


def test_it_is_a_detector_of_cocos_joints(tiny: VitPose) -> None:
    assert isinstance(tiny, Detector)
    found = tiny.detect([noise(IMAGE), noise((50, 60))], [BOXES, BOXES[:0]])
    assert [tuple(people.pixels.shape) for people in found] == [(3, 17, 2), (0, 17, 2)]
    assert all(people.skeleton == COCO_17 for people in found)
    assert found[0].image_size.tolist() == [[640, 480]] * 3
    assert found[0].valid.all()
    assert found[0].pixels.dtype == found[0].covariance.dtype == torch.float32
    assert (torch.linalg.eigvalsh(found[0].covariance) > 0).all()
    assert tiny.detect([], []) == []


def test_heatmaps_are_those_of_transformers(tiny: VitPose) -> None:
    image = noise(IMAGE)
    coco = torch.cat([BOXES[:, :2], BOXES[:, 2:] - BOXES[:, :2]], -1).tolist()
    prepared = tiny.processor.preprocess([image], boxes=[coco], return_tensors="pt")
    with torch.no_grad():
        theirs = tiny.model(**prepared).heatmaps
    ours = tiny.heatmaps([image], [BOXES])[0].heatmaps
    # Their crops are rounded down, and black along the image's border where ours are not.
    difference, spread = (ours - theirs).abs(), theirs.std()
    assert difference[:2].max() < 0.1 * spread
    assert difference.mean() < 0.02 * spread


def test_the_last_layer_makes_the_heatmaps_of_the_features(tiny: VitPose) -> None:
    (seen,) = tiny.heatmaps([noise(IMAGE)], [BOXES], features=True)
    assert seen.features is not None
    assert tuple(seen.features.shape) == (3, 32, 64, 48)
    torch.testing.assert_close(tiny.model.head.conv(seen.features), seen.heatmaps)
    (without,) = tiny.heatmaps([noise(IMAGE)], [BOXES])
    assert without.features is None


def test_the_classic_decoder_has_features_too(tmp_path: Path) -> None:
    folder = save_vitpose(tmp_path, classic=True)
    detector = VitPose.load(folder, flip=False)
    (seen,) = detector.heatmaps([noise(IMAGE)], [BOXES[:1]], features=True)
    assert seen.features is not None
    assert tuple(seen.features.shape) == (1, 256, 64, 48)
    torch.testing.assert_close(detector.model.head.conv(seen.features), seen.heatmaps)


def test_experts_of_vitpose_plus_are_cocos(tmp_path: Path) -> None:
    folder = save_vitpose(tmp_path, num_experts=2, part_features=8)
    (found,) = VitPose.load(folder).detect([noise(IMAGE)], [BOXES])
    assert found.pixels.isfinite().all()


def mirrored(image: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
    """The image left to right, and `BOXES` on it."""
    last = image.shape[1] - 1.0
    x1, y1, x2, y2 = BOXES.unbind(-1)
    return np.ascontiguousarray(image[:, ::-1]), torch.stack([last - x2, y1, last - x1, y2], -1)


def test_a_mirrored_image_has_mirrored_heatmaps(folder: Path) -> None:
    image = noise(IMAGE)
    turned, boxes = mirrored(image)
    averaging, plain = VitPose.load(folder, flip=True), VitPose.load(folder, flip=False)
    (ours,), (theirs,), (not_averaged,) = (
        averaging.heatmaps([image], [BOXES]),
        averaging.heatmaps([turned], [boxes]),
        plain.heatmaps([turned], [boxes]),
    )
    partners = list(COCO_17.partners)
    difference = ours.heatmaps - theirs.heatmaps[:, partners].flip(-1)
    assert difference.abs().max() < 0.02 * ours.heatmaps.std()
    # Which is no property of the network itself.
    difference = ours.heatmaps - not_averaged.heatmaps[:, partners].flip(-1)
    assert difference.abs().max() > ours.heatmaps.std()


def test_a_mirrored_image_has_mirrored_people() -> None:
    image = spot(IMAGE, (251.37, 210.81), [[150.0, 60], [60, 100.0]])
    turned, boxes = mirrored(image)
    (ours,), (theirs,) = seeing().detect([image], [BOXES]), seeing().detect([turned], [boxes])
    across = torch.tensor([-1.0, 1.0])
    back = theirs.pixels * across + torch.tensor([IMAGE[0] - 1.0, 0.0])
    torch.testing.assert_close(ours.pixels[:2], back[:2], atol=0.02, rtol=0)
    turned_back = theirs.covariance * across[:, None] * across
    torch.testing.assert_close(ours.covariance[:2], turned_back[:2], atol=0.5, rtol=0.02)


PLACES = [((251.37, 210.81), 0), ((240.2, 221.9), 1), ((60.3, 70.4), 2)]


@pytest.mark.parametrize(("place", "row"), PLACES)
@pytest.mark.parametrize("flip", [False, True])
def test_a_spot_is_found_where_it_is_and_as_wide(
    place: tuple[float, float], row: int, flip: bool
) -> None:
    box = BOXES[row : row + 1]
    unit = 1.25 * max(float(box[0, 3] - box[0, 1]), float(box[0, 2] - box[0, 0]) * 4 / 3) / 64
    wide = [[9 * unit**2, 3 * unit**2], [3 * unit**2, 6 * unit**2]]
    detector = seeing(flip=flip, blur=0.0)
    (found,) = detector.detect([spot(IMAGE, place, wide)], [box])
    expected = torch.tensor(place).expand(1, 17, 2)
    torch.testing.assert_close(found.pixels, expected, atol=0.02 * unit, rtol=0)
    torch.testing.assert_close(found.covariance[0, 0], torch.tensor(wide), rtol=0.03, atol=0)
    assert found.confidence[0].tolist() == pytest.approx([250 / 255] * 17, abs=0.04)


def test_the_width_of_the_training_targets_is_taken_off() -> None:
    unit = 1.25 * 230 / 64
    image = spot(IMAGE, (251.4, 210.8), [[9 * unit**2, 0], [0, 4 * unit**2]])
    (found,) = seeing(blur=2.0).detect([image], [BOXES[:1]])
    error = found.covariance[0, 0]
    assert float(error[0, 0]) == pytest.approx(5 * unit**2, rel=0.05)
    assert float(error[1, 1]) == pytest.approx(0.3**2 * unit**2, rel=0.6)


def test_two_spots_widen_the_covariance_towards_the_other() -> None:
    unit = 1.25 * 230 / 64
    narrow = [[4 * unit**2, 0], [0, 4 * unit**2]]
    first, second = spot(IMAGE, (230, 160), narrow), spot(IMAGE, (250, 270), narrow)
    (one,) = seeing().detect([first], [BOXES[:1]])
    (both,) = seeing().detect([np.maximum(first, (0.8 * second).astype(np.uint8))], [BOXES[:1]])
    torch.testing.assert_close(both.pixels[0, 0], torch.tensor([230.0, 160]), atol=1.0, rtol=0)
    assert both.covariance[0, 0, 1, 1] > 110**2 * 0.2
    assert both.covariance[0, 0, 1, 1] > 20 * one.covariance[0, 0, 1, 1]
    assert not one.doubtful.any()
    assert both.doubtful.all()


def test_a_black_image_is_unsure_of_everything() -> None:
    (found,) = seeing().detect([np.zeros((480, 640, 3), np.uint8)], [BOXES[:1]])
    assert found.pixels.isfinite().all()
    assert found.valid.all()
    assert found.doubtful.all()
    assert (torch.linalg.eigvalsh(found.covariance).sqrt() > 40).all()


def test_a_batch_equals_its_people_one_by_one(tiny: VitPose) -> None:
    images = [noise(IMAGE), noise((300, 500), seed=1), noise((700, 300), seed=2)]
    boxes = [BOXES, BOXES[:0], BOXES[1:]]
    together = tiny.detect(images, boxes)
    for batch_size in (1, 2):
        split = VitPose(tiny.model, tiny.processor, flip=False, batch_size=batch_size)
        for found, expected in zip(split.detect(images, boxes), together, strict=True):
            close(found, expected, atol=0.02)
    (alone,) = tiny.detect(images[2:], boxes[2:])
    close(alone, together[2], atol=0.02)


@pytest.mark.parametrize("kind", ["grey", "one channel", "alpha"])
def test_grey_and_transparent_images(kind: str) -> None:
    image = spot(IMAGE, (251.4, 210.8), [[200.0, 0], [0, 200.0]])
    given = {
        "grey": image[..., 0],
        "one channel": image[..., :1],
        "alpha": np.concatenate([image, np.full_like(image[..., :1], 7)], -1),
    }[kind]
    detector = seeing()
    close(detector.detect([given], [BOXES])[0], detector.detect([image], [BOXES])[0])


BAD_BOXES = {
    "outside": ([700.0, 100, 800, 200], r"image 1: box 1: expected a box that overlaps"),
    "left of": ([-90.0, 100, -0.6, 200], r"overlaps the image of 640 x 480 px"),
    "empty": ([100.0, 100, 100, 200], r"expected x1 < x2 and y1 < y2"),
    "turned": ([100.0, 300, 150, 200], r"expected x1 < x2 and y1 < y2"),
    "nan": ([100.0, float("nan"), 150, 200], r"expected finite numbers"),
}


@pytest.mark.parametrize("kind", BAD_BOXES)
def test_boxes_that_cannot_be(tiny: VitPose, kind: str) -> None:
    box, message = BAD_BOXES[kind]
    images = [noise(IMAGE)] * 2
    boxes = [BOXES, torch.stack([BOXES[0], torch.tensor(box)])]
    with pytest.raises(InputError, match=message):
        tiny.detect(images, boxes)


BAD_IMAGES = {
    "float": np.zeros((4, 4, 3)),
    "five channels": np.zeros((4, 4, 5), np.uint8),
    "no pixels": np.zeros((0, 4, 3), np.uint8),
    "a line": np.zeros(4, np.uint8),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_images_that_cannot_be(tiny: VitPose, kind: str) -> None:
    with pytest.raises(InputError, match="image 0: expected an image"):
        tiny.detect([BAD_IMAGES[kind]], [torch.zeros(0, 4)])


def test_boxes_are_needed_for_each_image_and_have_four_numbers(tiny: VitPose) -> None:
    with pytest.raises(InputError, match=r"for each of 1 images, found 0"):
        tiny.detect([noise(IMAGE)], [])
    with pytest.raises(InputError, match=r"image 0: boxes: expected shape \(P, 4\)"):
        tiny.detect([noise(IMAGE)], [torch.zeros(3, 5)])


def test_a_heatmap_that_is_not_finite_is_an_error(tiny: VitPose) -> None:
    class Broken(SeesBrightness):
        def forward(self, pixels: torch.Tensor) -> object:
            seen = super().forward(pixels)
            seen.heatmaps = torch.full_like(seen.heatmaps, torch.nan)
            return seen

    detector = VitPose(Broken(tiny.processor), tiny.processor)
    with pytest.raises(InputError, match="finite"):
        detector.detect([noise(IMAGE)], [BOXES])


def test_people_at_a_time_are_one_or_more(folder: Path) -> None:
    with pytest.raises(InputError, match="batch_size: expected 1 or more, found 0"):
        VitPose.load(folder, batch_size=0)


def test_a_device_that_is_not_there(folder: Path) -> None:
    with pytest.raises(InputError, match="device: expected cpu"):
        VitPose.load(folder, "nonsense")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_sees_what_the_cpu_sees(folder: Path) -> None:
    images, boxes = [noise(IMAGE), noise((300, 500), seed=1)], [BOXES, BOXES[1:2]]
    cpu, gpu = VitPose.load(folder), VitPose.load(folder, "cuda")
    (ours,), (theirs,) = cpu.heatmaps(images, boxes), gpu.heatmaps(images, boxes)
    assert theirs.heatmaps.device.type == "cuda"
    difference = ours.heatmaps - theirs.heatmaps.cpu()
    assert difference.abs().max() < 0.02 * ours.heatmaps.std()
    assert {people.covariance.device.type for people in gpu.detect(images, boxes)} == {"cpu"}

"""Crops against those of transformers, and the way back against where things were put."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from detectors.tiny_models import VitPoseImageProcessorPil, noise, spot
from poseterior.detectors.crops import Grid, cut, person_regions

SIZE = (192, 256)
IMAGE = (640, 480)
# Inside, wide, tiny, and over each border of the image; x1, y1, x2, y2.
BOXES = torch.tensor(
    [
        [200.0, 100, 300, 330],
        [50.3, 200.7, 420.1, 260.9],
        [401.2, 77.7, 412.9, 95.1],
        [-80.5, -60.2, 120.9, 240.4],
        [560.0, 300.0, 700.0, 600.0],
        [-300.0, -300.0, 900.0, 900.0],
    ],
    dtype=torch.float64,
)


def as_coco(boxes: torch.Tensor) -> list[list[float]]:
    """Corners as x, y, width, height."""
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], -1).tolist()


def test_crops_are_those_of_transformers() -> None:
    image = noise(IMAGE)
    processor = VitPoseImageProcessorPil()
    theirs = processor.preprocess(
        [image], boxes=[as_coco(BOXES)], do_normalize=False, do_rescale=False, return_tensors="np"
    )["pixel_values"]
    grid = Grid.unbiased(person_regions(BOXES, SIZE), SIZE)
    for row, their in enumerate(theirs):
        ours = cut(image, grid, row, SIZE).transpose(2, 0, 1).astype(int)
        # They round down, and are black within half a px of the image's border, where we are not.
        x, y = (
            grid.origin[row, axis].item() + grid.step[row, axis].item() * np.arange(SIZE[axis])
            for axis in (0, 1)
        )
        inner = ((y >= 0) & (y <= IMAGE[1] - 1))[:, None] & (x >= 0) & (x <= IMAGE[0] - 1)
        outer = ((y < -0.5) | (y > IMAGE[1] - 0.5))[:, None] | (x < -0.5) | (x > IMAGE[0] - 0.5)
        difference = np.abs(ours - their.astype(int))
        assert inner.any()
        assert difference[:, inner].max() <= 2
        assert (ours[:, outer] == 0).all()


def test_the_unbiased_grid_is_the_way_back_of_transformers() -> None:
    y, x = np.mgrid[:64, :48]
    index = np.array([[[30.3, 40.6], [5.9, 10.2], [41.1, 57.7]]] * len(BOXES))
    offset = np.stack([x, y], -1) - index[:, :, None, None]
    heatmaps = torch.from_numpy(np.exp(-np.square(offset).sum(-1) / 8)).float()
    outputs = type("Outputs", (), {"heatmaps": heatmaps})
    processor = VitPoseImageProcessorPil()
    people = processor.post_process_pose_estimation(outputs, boxes=[as_coco(BOXES)])[0]
    theirs = torch.stack([person["keypoints"] for person in people]).double()
    grid = Grid.unbiased(person_regions(BOXES, SIZE), (48, 64))
    ours = grid.points(torch.from_numpy(index))
    # Their peak is refined by a second difference: good to 0.02 heatmap px.
    assert ((ours - theirs).abs() < 0.02 * grid.step[:, None]).all()


PLACES = {0: (251.37, 210.81), 1: (240.2, 231.9), 3: (33.3, 44.4), 4: (610.6, 441.2)}


@pytest.mark.parametrize("make", [Grid.unbiased, Grid.plain])
@pytest.mark.parametrize(("row", "place"), PLACES.items())
def test_a_spot_in_the_image_comes_back_to_its_place(
    make: Callable[..., Grid], row: int, place: tuple[float, float]
) -> None:
    regions = person_regions(BOXES, SIZE)
    sigma = 0.02 * float(regions[row, 3] - regions[row, 1])
    image = spot(IMAGE, place, [[sigma**2, 0], [0, sigma**2]])
    grid = make(regions, SIZE)
    crop = cut(image, grid, row, SIZE)[..., 0].astype(float)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    centroid = [(crop * x).sum() / crop.sum(), (crop * y).sum() / crop.sum()]
    found = grid.points(torch.tensor(centroid).expand(len(BOXES), 1, 2))[row, 0]
    assert found.tolist() == pytest.approx(place, abs=0.03)


def test_a_crop_does_not_depend_on_the_rest_of_the_image() -> None:
    image = noise((1200, 1000))
    grid = Grid.unbiased(person_regions(BOXES[:1] + 500, SIZE), SIZE)
    rest = image.copy()
    region = person_regions(BOXES[:1] + 500, SIZE)[0].round().int().tolist()
    inside = slice(region[1] - 2, region[3] + 3), slice(region[0] - 2, region[2] + 3)
    rest[:] = 255
    rest[inside] = image[inside]
    assert (cut(image, grid, 0, SIZE) == cut(rest, grid, 0, SIZE)).all()


def test_covariances_scale_with_each_axis() -> None:
    grid = Grid(torch.zeros(1, 2).double(), torch.tensor([[2.0, 3.0]]).double())
    found = grid.covariances(torch.tensor([[[[1.0, 0.5], [0.5, 2.0]]]]))
    assert found.tolist() == [[[[4.0, 3.0], [3.0, 18.0]]]]


def test_regions_keep_the_centre_and_hold_the_box() -> None:
    regions = person_regions(BOXES, SIZE)
    sides = regions[:, 2:] - regions[:, :2]
    torch.testing.assert_close(regions[:, :2] + regions[:, 2:], BOXES[:, :2] + BOXES[:, 2:])
    torch.testing.assert_close(sides[:, 0] / sides[:, 1], torch.full((6,), 0.75).double())
    given = BOXES[:, 2:] - BOXES[:, :2]
    torch.testing.assert_close((sides / given).amin(-1), torch.full((6,), 1.25).double())

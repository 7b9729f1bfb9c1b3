"""Crops seen a little differently: joints stay where they are seen, batches are told by index."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from detectors.drawn_people import write_people
from poseterior.data.crop_augmentation import CropAugmentation, augmented
from poseterior.data.crop_source import CropSource, resized
from poseterior.data.people_crops import PeopleCrops
from poseterior.geometry.skeleton import COCO_17

NOTHING = CropAugmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)
SIZE = (96, 128)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleCrops:
    folder = write_people(tmp_path_factory.mktemp("people"), {"train": 7})
    return PeopleCrops.open(folder, "train")


def spots(count: int) -> tuple[Tensor, Tensor]:
    """Crops with one soft spot each, at joint 9, a left wrist; joint 10 is its partner."""
    generator = torch.Generator().manual_seed(1)
    place = 0.3 + 0.4 * torch.rand(count, 2, generator=generator)
    place = place * torch.tensor([95.0, 127.0])
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(96.0), indexing="ij")
    away = (x - place[:, 0, None, None]) ** 2 + (y - place[:, 1, None, None]) ** 2
    crops = 200 * (-away / 18).exp()[:, None].expand(-1, 3, -1, -1)
    joints = torch.zeros(count, 17, 3)
    joints[:, 9] = torch.cat([place, torch.full((count, 1), 2.0)], -1)
    return crops.contiguous(), joints


def centroid(crops: Tensor) -> Tensor:
    weight = crops.mean(1)
    y, x = torch.meshgrid(
        torch.arange(crops.shape[2]).float(), torch.arange(crops.shape[3]).float(), indexing="ij"
    )
    total = weight.sum((1, 2))
    return torch.stack([(weight * axis).sum((1, 2)) / total for axis in (x, y)], -1)


def test_no_augmentation_leaves_crops_as_they_are() -> None:
    crops, joints = spots(3)
    found, moved = augmented(crops, joints, SIZE, NOTHING, torch.Generator())
    torch.testing.assert_close(found, crops, atol=2e-3, rtol=1e-4)
    torch.testing.assert_close(moved, joints, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [SIZE, (48, 64), (192, 256)])
def test_spots_move_with_their_joint(size: tuple[int, int]) -> None:
    moves = CropAugmentation(0.5, 0.25, 15, 0.05, 0, 0, 0, 0, 0)
    crops, joints = spots(64)
    found, moved = augmented(crops, joints, size, moves, torch.Generator().manual_seed(0))
    left = moved[:, 9, 2] > 0
    place = torch.where(left[:, None], moved[:, 9, :2], moved[:, 10, :2])
    assert 10 < int(left.sum()) < 54
    assert bool((left ^ (moved[:, 10, 2] > 0)).all())
    apart = (centroid(found) - place).norm(dim=-1)
    assert float(apart.max()) < 0.15 * size[0] / 96 + 0.1


def test_mirroring_swaps_sides_and_columns() -> None:
    crops, joints = spots(2)
    always = CropAugmentation(1, 0, 0, 0, 0, 0, 0, 0, 0)
    found, moved = augmented(crops, joints, SIZE, always, torch.Generator())
    torch.testing.assert_close(found, crops.flip(-1), atol=2e-3, rtol=1e-4)
    expected = joints[:, list(COCO_17.partners)].clone()
    expected[..., 0] = 95 - expected[..., 0]
    torch.testing.assert_close(moved[:, 10], expected[:, 10], atol=1e-4, rtol=0)


def test_joints_outside_the_crop_do_not_count() -> None:
    crops, joints = spots(2)
    joints[0, 9, 0], joints[1, 9, 1] = -0.6, 127.4
    _, moved = augmented(crops, joints, SIZE, NOTHING, torch.Generator())
    assert moved[:, 9, 2].tolist() == [0.0, 2.0]


def test_colours_stay_in_range_and_rectangles_hide() -> None:
    crops, joints = spots(32)
    strong = CropAugmentation(0, 0, 0, 0, 0.3, 0.5, 0.3, 1, 1)
    found, _ = augmented(crops, joints, SIZE, strong, torch.Generator().manual_seed(2))
    assert 0 <= float(found.min()) <= float(found.max()) <= 255
    assert float((found - crops).abs().amax((1, 2, 3)).min()) > 5


def test_batches_depend_on_seed_and_index_alone(people: PeopleCrops) -> None:
    source, other = CropSource(people, SIZE, 3, 5), CropSource(people, SIZE, 3, 5)
    source.batch(0)
    for index in (4, 1):
        for mine, theirs in zip(source.batch(index), other.batch(index), strict=True):
            assert torch.equal(mine, theirs)
    assert not torch.equal(source.batch(1)[0], source.batch(2)[0])
    assert not torch.equal(source.batch(1)[0], CropSource(people, SIZE, 3, 6).batch(1)[0])


def test_a_pass_sees_everyone_once(people: PeopleCrops) -> None:
    source = CropSource(people, SIZE, 3, 0, NOTHING)
    crops = torch.cat([source.batch(index)[0] for index in range(7)])
    known = people.images(slice(None)).float()
    who = torch.cdist(crops.flatten(1), known.flatten(1)).argmin(-1)
    for turn in who.reshape(3, 7):
        assert sorted(turn.tolist()) == list(range(7))
    assert who[:7].tolist() != who[7:14].tolist()


def test_resizing_keeps_joints_on_their_spots() -> None:
    crops, joints = spots(4)
    found, moved = resized(crops, joints, (192, 256))
    assert tuple(found.shape) == (4, 3, 256, 192)
    torch.testing.assert_close(centroid(found), moved[:, 9, :2], atol=0.05, rtol=0)
    assert resized(crops, joints, SIZE)[0] is crops


def test_crops_of_the_source_have_the_networks_size(people: PeopleCrops) -> None:
    crops, joints = CropSource(people, (192, 256), 2).batch(0)
    assert tuple(crops.shape) == (2, 3, 256, 192)
    assert tuple(joints.shape) == (2, 17, 3)

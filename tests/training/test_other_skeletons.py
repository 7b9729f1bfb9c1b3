"""MPII's and COCO-WholeBody's people: detectors, what they see, and confidence networks on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.photograph_files import mpii_list, write_coco, write_photographs
from poseterior.batch.people_of_photographs import cut_people
from poseterior.data.annotated_people import read_annotated
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.crop_source import CropSource
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_WHOLEBODY_133, MPII_16, Skeleton
from poseterior.metrics.oks_constants import COCO_WHOLEBODY_SIGMAS
from poseterior.training.begin import new_lifter
from poseterior.training.confidence_network import features_for, fit_ccnet, open_ccnet
from poseterior.training.seen_people import crop_oks, seen_by

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
CONFIGS: dict[Any, Any] = {
    SBL: SBLConfig((96, 128), BACKBONE, 8, 1.5),
    RLE: RLEConfig((96, 128), BACKBONE),
}
# MPII's joints by id: the constants of hip, shoulder and nose for pelvis, thorax, neck and head.
SIGMAS = {
    MPII_16: (.089, .087, .107, .107, .087, .089, .107, .079, .026, .026, .062, .072, .079, .079,
              .072, .062),
    COCO_WHOLEBODY_133: COCO_WHOLEBODY_SIGMAS,
}  # fmt: skip
# Left and right: ankles, knees and so on of MPII; nose, ears, the outer corners of the eyes, the
# jaws' ends and the little fingers' tips of whole bodies.
PAIRS = {
    MPII_16: ((0, 5), (1, 4), (2, 3), (6, 6), (7, 7), (9, 9), (10, 15), (12, 13)),
    COCO_WHOLEBODY_133: ((0, 0), (3, 4), (17, 20), (23, 39), (59, 68), (31, 31), (111, 132)),
}


@pytest.fixture(params=SIGMAS, ids=lambda s: s.name)
def skeleton(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def people(skeleton: Skeleton, tmp_path: Path) -> PeopleCrops:
    photographs = write_photographs(tmp_path / "photographs", skeleton)
    path = tmp_path / "annotations.json"
    if skeleton == MPII_16:
        path.write_text(json.dumps(mpii_list()))
    else:
        write_coco(path, skeleton)
    cut_people(read_annotated(path, "train"), photographs, tmp_path / "people", "train")
    return PeopleCrops.open(tmp_path / "people", "train")


@pytest.fixture(params=CONFIGS, ids=lambda cls: cls.name)
def detector(request: pytest.FixtureRequest, skeleton: Skeleton) -> CropDetector:
    made: CropDetector = new_lifter(request.param, CONFIGS[request.param], 0, skeleton)
    return made.eval()


def test_mirrored_people_have_their_sides_changed(people: PeopleCrops) -> None:
    always = CropAugmentation(1, 0, 0, 0, 0, 0, 0, 0, 0)
    source = CropSource(people, (96, 128), 4, 0, always)
    crops, joints = source.batch(0)
    rows = source._rows(range(4))
    given = people.joints(rows)
    torch.testing.assert_close(crops, people.images(rows).flip(-1).float(), atol=2e-2, rtol=0)
    for left, right in PAIRS[people.skeleton]:
        for mine, theirs in ((left, right), (right, left)):
            some = (joints[:, mine, 2] > 0) & (given[:, theirs, 2] > 0)
            torch.testing.assert_close(
                joints[some, mine, 0], 95 - given[some, theirs, 0], atol=1e-3, rtol=0
            )
            assert torch.equal(joints[:, mine, 2] > 0, _inside(given[:, theirs]))


def _inside(joints: torch.Tensor) -> torch.Tensor:
    x, y, v = joints.unbind(-1)
    return (v > 0) & (x >= -0.5) & (x < 95.5) & (y >= -0.5) & (y < 127.5)


def test_mirrored_output_is_of_the_partners(detector: CropDetector, skeleton: Skeleton) -> None:
    crops = 255 * torch.rand(1, 3, 128, 96, generator=torch.Generator().manual_seed(0))
    output = detector.output(crops, flip=False)
    back = detector.mirrored(output)
    for left, right in PAIRS[skeleton]:
        if isinstance(detector, SBL):
            assert torch.equal(back[:, left], output[:, right].flip(-1))
        else:
            torch.testing.assert_close(back[:, left, 0], 1 - output[:, right, 0])
            assert torch.equal(back[:, left, 1:], output[:, right, 1:])


def test_oks_is_by_the_data_set_s_constants(people: PeopleCrops) -> None:
    joints = people.joints(slice(None)).double()
    draw = torch.Generator().manual_seed(0)
    said = joints[..., :2] + 2 * torch.randn(joints[..., :2].shape, generator=draw)
    scale, area = (torch.from_numpy(v) for v in (people.affine[:, 2], people.area))
    oks = crop_oks(said, joints, scale, area, people.skeleton)
    x0y0, step = people.affine[:, None, :2], people.affine[:, None, 2:]
    apart = ((x0y0 + step * said.numpy() - people.keypoints[..., :2]) ** 2).sum(-1)
    tolerance = 8 * np.square(SIGMAS[people.skeleton]) * people.area[:, None]
    expected = np.where(people.keypoints[..., 2] > 0, np.exp(-apart / tolerance), np.nan)
    assert np.nanmean(expected) > 0.05
    np.testing.assert_allclose(oks.numpy(), expected, rtol=1e-3, atol=1e-6)


def test_a_confidence_network_has_the_detector_s_keypoints(
    detector: CropDetector, people: PeopleCrops, tmp_path: Path
) -> None:
    frozen = features_for(detector, people, tmp_path / "seen")
    fit_ccnet(frozen, tmp_path / "run", steps=3)
    network = open_ccnet(tmp_path / "run", detector)
    assert network.skeleton == people.skeleton
    said = network(torch.from_numpy(np.array(frozen.features[:2])).float())
    assert tuple(said.keypoints.shape) == (2, len(people.skeleton))


def test_people_of_another_skeleton_are_refused(detector: CropDetector, tmp_path: Path) -> None:
    photographs = write_photographs(tmp_path / "photographs")
    found = read_annotated(write_coco(tmp_path / "a.json"), "train")
    cut_people(found, photographs, tmp_path / "people", "train")
    people = PeopleCrops.open(tmp_path / "people", "train")
    with pytest.raises(InputError, match="found coco_17"):
        seen_by(detector, people, [0])

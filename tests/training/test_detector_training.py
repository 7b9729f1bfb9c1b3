"""Detectors by the one training loop, and confidence networks on what they see."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detectors.drawn_people import write_people
from poseterior.data.crop_source import CropSource
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.metrics.oks import oks, oks_sigmas
from poseterior.studies.people_data import crop_training_data, validated
from poseterior.training.begin import new_lifter
from poseterior.training.checkpoint import read_tensors
from poseterior.training.confidence_network import features_for, fit_ccnet, open_ccnet
from poseterior.training.detectors import open_any_detector, open_crop_detector
from poseterior.training.fit import FitConfig, fit
from poseterior.training.seen_people import seen_by

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
CONFIGS: dict[Any, Any] = {
    SBL: SBLConfig((96, 128), BACKBONE, 8, 1.5),
    RLE: RLEConfig((96, 128), BACKBONE),
}
PLAN = FitConfig(
    steps=6, batch_size=4, warmup_steps=1, clip_norm=10.0, save_every=2, log_every=2, seed=1
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"), {"train": 12, "val": 9})


@pytest.fixture(params=CONFIGS, ids=lambda cls: cls.name)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def new(kind: Any, seed: int = 0) -> CropDetector:
    detector: CropDetector = new_lifter(kind, CONFIGS[kind], seed, COCO_17)
    return detector


class Killed(CropSource):
    def batch(self, index: int) -> Any:
        if index == 3:
            raise KeyboardInterrupt
        return super().batch(index)


def test_resuming_gives_the_same_bits(kind: Any, folder: Path, tmp_path: Path) -> None:
    people = PeopleCrops.open(folder, "train")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    source = CropSource(people, (96, 128), 4, 1)
    fit(new(kind), source, whole, PLAN)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        fit(new(kind), Killed(people, (96, 128), 4, 1), parts, PLAN)  # type: ignore[arg-type]
    fit(new(kind, 7), source, parts, PLAN, resume=True)  # type: ignore[arg-type]
    a, b = (read_tensors(f / "model.safetensors") for f in (whole, parts))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_loss_falls_and_the_run_opens_as_a_detector(
    kind: Any, folder: Path, tmp_path: Path
) -> None:
    detector, people = new(kind), PeopleCrops.open(folder, "train")
    data = crop_training_data(detector, "people", folder, {})
    before = validated(detector.eval(), people)["error_px"]
    plan = replace(PLAN, steps=40, learning_rate=1e-2)
    numbers = fit(  # type: ignore[arg-type]
        detector, data.source(4, 0), tmp_path / "run", plan, data.validation
    )
    assert numbers["people"] == 9
    assert validated(detector, people)["error_px"] < 0.8 * before
    opened = open_any_detector(tmp_path / "run", flip=False, batch_size=2)
    assert type(opened) is kind
    assert (opened.flip, opened.batch_size) == (False, 2)
    detector.flip = False
    image, box = np.array(people.crops[0]), torch.tensor([[10.0, 10, 80, 120]])
    mine, theirs = (d.detect([image], [box])[0] for d in (detector, opened))
    assert torch.equal(mine.pixels, theirs.pixels)
    assert torch.equal(mine.covariance, theirs.covariance)


def test_validation_is_what_the_joints_say(kind: Any, folder: Path) -> None:
    people, detector = PeopleCrops.open(folder, "val"), new(kind).eval()
    found = validated(detector, people)
    places = detector.decode(detector.output(people.images(slice(None))))[0].double()
    true = people.joints(slice(None)).double()
    some = true[..., 2] > 0
    error = (places - true[..., :2]).norm(dim=-1)
    assert found["error_px"] == pytest.approx(float(error[some].mean()), rel=1e-5)
    scale = torch.from_numpy(people.affine[:, 2])
    side = torch.from_numpy(people.boxes[:, 2:].max(-1))
    near = (error * scale[:, None] < 0.1 * side[:, None]) & some
    assert found["pck10"] == pytest.approx(float(near.sum() / some.sum()), rel=1e-5)


def test_other_data_and_options_are_refused(folder: Path, tmp_path: Path) -> None:
    detector = new(SBL)
    for name, root, options, told in (
        ("cmu", folder, {}, "--data"),
        ("people", None, {}, "--root"),
        ("people", folder, {"protocol": "x"}, "--protocol"),
        ("people", tmp_path, {}, "annotations"),
    ):
        with pytest.raises(InputError, match=told):
            crop_training_data(detector, name, root, options)
    with pytest.raises(InputError, match=r"model\.safetensors|checkpoint"):
        open_crop_detector(tmp_path)


@pytest.mark.parametrize("flip", [False, True])
def test_oks_is_that_of_what_is_detected(kind: Any, folder: Path, flip: bool) -> None:
    people, detector = PeopleCrops.open(folder, "val"), new(kind).eval()
    detector.flip = flip
    rows = np.array([1, 4, 8])
    seen = seen_by(detector, people, rows)
    places, confidence = detector.decode(detector.output(people.images(rows)))
    torch.testing.assert_close(seen.pixels, places.double(), atol=1e-3, rtol=1e-6)
    torch.testing.assert_close(seen.confidence.float(), confidence)
    true = torch.from_numpy(people.keypoints[rows])
    v = true[..., 2] > 0
    assert torch.equal(seen.oks.isnan(), ~v)
    area, sigmas = torch.from_numpy(people.area[rows]), oks_sigmas(COCO_17).double()
    affine = torch.from_numpy(people.affine[rows])[:, None]
    pixels = affine[..., :2] + affine[..., 2:] * places.double()
    expected = oks(pixels, true[..., :2], area, sigmas, v)
    torch.testing.assert_close(seen.oks.nanmean(-1), expected)
    assert torch.equal(seen.features, detector.features(people.images(rows)))


CHANNELS = {"penultimate": {"sbl": 8, "rle": 16}, "lower_layer": {"sbl": 16, "rle": 16},
            "with_prediction_and_confidence": {"sbl": 8 + 51, "rle": 16 + 51}}  # fmt: skip


@pytest.mark.parametrize("inputs", CHANNELS)
def test_features_are_kept_pooled_or_whole(
    kind: Any, folder: Path, tmp_path: Path, inputs: str
) -> None:
    people, detector = PeopleCrops.open(folder, "val"), new(kind).eval()
    pooled = features_for(detector, people, tmp_path / "pooled", inputs=inputs)
    whole = features_for(
        detector, people, tmp_path / "whole", inputs=inputs, head="conv_sigmoid_pool"
    )
    assert isinstance(whole.features, np.memmap)
    assert pooled.features.shape == (9, CHANNELS[inputs][kind.name])
    means = whole.features.astype(np.float32)
    means = means.mean((2, 3)) if means.ndim == 4 else means
    np.testing.assert_allclose(pooled.features, means, rtol=5e-3, atol=2e-3)
    for target in (pooled.target, whole.target):
        assert tuple(target.shape) == (9, 17, 2)
        assert torch.equal(target[..., 0].isnan(), target[..., 1] == 0)


def test_a_confidence_network_is_trained_resumed_and_opened(folder: Path, tmp_path: Path) -> None:
    people, detector = PeopleCrops.open(folder, "train"), new(SBL).eval()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    frozen = features_for(detector, people, tmp_path / "features")
    network = fit_ccnet(frozen, tmp_path / "run", steps=30)
    features = torch.from_numpy(frozen.features[:].astype(np.float32))
    opened = open_ccnet(tmp_path / "run")
    for mine, theirs in zip(network(features), opened(features), strict=True):
        assert torch.equal(mine, theirs)
    again = fit_ccnet(frozen, tmp_path / "run", steps=30)
    assert torch.equal(again.layer.weight, network.layer.weight)
    other = fit_ccnet(frozen, tmp_path / "other", steps=30, seed=1, visibility_weight=20.0)
    assert not torch.equal(other.layer.weight, network.layer.weight)
    after = detector.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert math.isfinite(float(log.split('"loss": ')[1].split(",")[0]))

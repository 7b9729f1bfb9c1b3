"""What detectors see is kept and gone on with; networks know the detector that they are for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from detectors.drawn_people import write_people
from detectors.tiny_models import save_vitpose
from poseterior.confidence.ccnet import CCNetConfig
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.detectors.vitpose import VitPose
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.studies.ccnet_seen import see
from poseterior.studies.confidence_data import confidence_training
from poseterior.training.begin import new_lifter
from poseterior.training.confidence_network import (
    features_for,
    fit_ccnet,
    judged,
    new_ccnet,
    open_ccnet,
)
from poseterior.training.frozen_features import FrozenFeatures, frozen_features

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
CONFIGS: dict[Any, Any] = {
    SBL: SBLConfig((96, 128), BACKBONE, 8, 1.5),
    RLE: RLEConfig((96, 128), BACKBONE),
}
CHANGED = CropAugmentation()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"), {"train": 20, "val": 9})


@pytest.fixture(scope="module")
def train(folder: Path) -> PeopleCrops:
    return PeopleCrops.open(folder, "train")


def new(kind: Any, seed: int = 0) -> Any:
    return new_lifter(kind, CONFIGS[kind], seed, COCO_17).eval()


def same(one: FrozenFeatures, other: FrozenFeatures) -> bool:
    assert one.confidence is not None
    assert other.confidence is not None
    pairs = [(one.features, other.features), (one.target.numpy(), other.target.numpy()),
             (one.confidence.numpy(), other.confidence.numpy())]  # fmt: skip
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda cls: cls.name)
@pytest.mark.parametrize("changed", [None, CHANGED], ids=["plain", "changed"])
def test_people_are_seen_as_the_studies_see_them(
    kind: Any, train: PeopleCrops, tmp_path: Path, changed: CropAugmentation | None
) -> None:
    detector = new(kind)
    studied = see(detector, train, tmp_path / "a", changed, seed=3)
    kept = frozen_features(detector, train, tmp_path / "b", augmentation=changed, seed=3)
    assert np.array_equal(kept.features, studied["penultimate"])
    expected = studied.frozen(CCNetConfig(1)).target
    assert torch.equal(kept.target.nan_to_num(-1), expected.nan_to_num(-1))
    assert kept.confidence is not None
    np.testing.assert_allclose(kept.confidence, studied["confidence"], rtol=1e-6)


class Stopped(Exception):
    pass


def stop_after(people: int) -> Any:
    def advance(done: int, total: int) -> None:
        if done >= people:
            raise Stopped

    return advance


def test_a_pass_that_was_stopped_goes_on_to_the_same_bits(
    train: PeopleCrops, tmp_path: Path
) -> None:
    detector, looks = new(SBL), []
    given = {"batch_size": 4, "augmentation": CHANGED, "seed": 1}
    whole = frozen_features(detector, train, tmp_path / "whole", **given)
    with pytest.raises(Stopped):
        frozen_features(detector, train, tmp_path / "parts", progress=stop_after(8), **given)
    assert json.loads((tmp_path / "parts" / "seen.json").read_text())["blocks"] == 2
    look = detector.look
    detector.look = lambda *crops: looks.append(len(crops[0])) or look(*crops)
    parts = frozen_features(detector, train, tmp_path / "parts", **given)
    assert looks == [4, 4, 4]
    assert same(whole, parts)
    again = frozen_features(detector, train, tmp_path / "parts", **given)
    assert len(looks) == 3
    assert same(whole, again)


def test_what_was_begun_is_not_mixed(train: PeopleCrops, folder: Path, tmp_path: Path) -> None:
    detector = new(SBL)
    kept = tmp_path / "kept"
    frozen_features(detector, train, kept)
    val = PeopleCrops.open(folder, "val")
    for other, people, options, told in (
        (new(SBL, 1), train, {}, r"seen\.json: detector: fingerprint"),
        (new(RLE), train, {}, r"seen\.json: detector: name: expected sbl as before, found rle"),
        (detector, val, {}, "people"),
        (detector, train, {"inputs": "lower_layer"}, "inputs"),
        (detector, train, {"pooled": False}, "pooled"),
        (detector, train, {"augmentation": CHANGED}, "augmentation"),
        (detector, train, {"seed": 1}, "seed"),
    ):
        with pytest.raises(InputError, match=told):
            frozen_features(other, people, kept, **options)
    (kept / "features.npy").write_bytes((kept / "features.npy").read_bytes()[:200])
    with pytest.raises(InputError, match=r"features\.npy: expected a whole"):
        frozen_features(detector, train, kept)


def test_a_network_is_for_its_detector_alone(train: PeopleCrops, tmp_path: Path) -> None:
    detector = new(SBL)
    frozen = features_for(detector, train, tmp_path / "seen")
    fit_ccnet(frozen, tmp_path / "run", steps=3)
    assert open_ccnet(tmp_path / "run", detector).config.channels == 8
    told = json.loads((tmp_path / "run" / "config.json").read_text())["provenance"]["detector"]
    assert told == {"name": "sbl", "fingerprint": detector.fingerprint(), "flip": True,
                    "skeleton": "coco_17"}  # fmt: skip
    with pytest.raises(InputError, match=r"config\.json: detector: fingerprint: expected .*found"):
        open_ccnet(tmp_path / "run", new(SBL, 1))
    with pytest.raises(InputError, match="detector: name: expected sbl, the detector's that"):
        open_ccnet(tmp_path / "run", new(RLE))
    detector.flip = False
    with pytest.raises(InputError, match="detector: flip: expected True"):
        open_ccnet(tmp_path / "run", detector)
    untold = fit_ccnet(replace(frozen, about={}), tmp_path / "untold", steps=3)
    assert untold.config == open_ccnet(tmp_path / "untold").config
    with pytest.raises(InputError, match="detector: name: expected not told"):
        open_ccnet(tmp_path / "untold", new(SBL))


def test_a_run_does_not_go_on_as_another(train: PeopleCrops, tmp_path: Path) -> None:
    frozen = features_for(new(SBL), train, tmp_path / "seen")
    fit_ccnet(frozen, tmp_path / "run", steps=3)
    with pytest.raises(InputError, match="loss: expected mse as before, found cross_entropy"):
        fit_ccnet(frozen, tmp_path / "run", steps=3, loss="cross_entropy")
    other = features_for(new(SBL, 1), train, tmp_path / "other")
    with pytest.raises(InputError, match="detector: fingerprint"):
        fit_ccnet(other, tmp_path / "run", steps=3)


@pytest.mark.parametrize(
    ("option", "value"), [("loss", "l1"), ("inputs", "all"), ("head", "max"), ("members", 0)]
)
def test_options_that_cannot_be(
    train: PeopleCrops, tmp_path: Path, option: str, value: object
) -> None:
    with pytest.raises(InputError, match=f"CCNet: {option}: expected"):
        features_for(new(SBL), train, tmp_path / "seen", **{option: value})
    assert not (tmp_path / "seen").exists()


def test_judged_against_scipy(train: PeopleCrops, tmp_path: Path) -> None:
    frozen = features_for(new(SBL), train, tmp_path / "seen")
    network = new_ccnet(frozen).eval()
    found = judged(network, frozen)
    oks, v = frozen.target.double().numpy().transpose(2, 0, 1)
    some = v > 0
    with torch.no_grad():
        features = torch.from_numpy(np.array(frozen.features)).float()
        after = network(features).keypoints.double().numpy()
    assert frozen.confidence is not None
    before = frozen.confidence.double().numpy()
    assert found["people"] == 20
    each = [oks[n][some[n]].mean() for n in range(20)]
    assert found["oks"] == pytest.approx(np.mean(each))
    for name, said in (("before", before), ("after", after)):
        expected = stats.pearsonr(said[some], oks[some]).statistic
        assert found[f"pearson_{name}"] == pytest.approx(expected, abs=1e-6)
        # Mean error of the k surest, less that of the k best, over all k.
        error = 1 - oks[some]
        counts = np.arange(1, len(error) + 1)
        curves = [
            np.cumsum(error[order]) / counts
            for order in (np.argsort(-said[some], kind="stable"), np.argsort(error))
        ]
        assert found[f"ause_{name}"] == pytest.approx(np.mean(curves[0] - curves[1]), abs=5e-3)


def test_of_vitpose_too(folder: Path, tmp_path: Path) -> None:
    detector = VitPose.load(save_vitpose(tmp_path / "vitpose"))
    options = {"inputs": "with_prediction_and_confidence"}
    made = confidence_training(detector, "people", folder, tmp_path / "run", options)
    channels = made.network.config.channels
    assert channels > 32
    features, target = made.data.source(4, 0).batch(0)
    assert tuple(features.shape) == (4, channels)
    assert tuple(target.shape) == (4, 17, 2)
    assert made.data.validation is not None
    assert set(made.data.validation(made.network)) == {
        "people", "oks", "pearson_before", "pearson_after", "ause_before", "ause_after"
    }  # fmt: skip
    with pytest.raises(InputError, match="inputs: expected one of"):
        confidence_training(detector, "people", folder, tmp_path / "b", {"inputs": "lower_layer"})
    # A copy of the same weights is the same detector.
    copied = VitPose.load(shutil.copytree(tmp_path / "vitpose", tmp_path / "copy"))
    assert copied.fingerprint() == detector.fingerprint()


def test_whole_maps_where_the_head_needs_them(folder: Path, tmp_path: Path) -> None:
    made = confidence_training(
        new(SBL), "people", folder, tmp_path / "run", {"head": "conv_sigmoid_pool"}
    )
    features, _ = made.data.source(4, 0).batch(0)
    assert tuple(features.shape) == (4, 8, 32, 24)

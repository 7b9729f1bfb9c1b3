"""`poseterior lift --ccnet`: the expected OKS of what is seen in images goes along."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cli_files import assert_refused, observations, save

from detectors.drawn_people import write_people
from detectors.tiny_models import save_vitpose
from fake_detectors import BlockFinder, draw
from poseterior.data.people_crops import PeopleCrops
from poseterior.data.predictions import open_predictions
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.training.begin import new_lifter
from poseterior.training.checkpoint import save_model
from poseterior.training.confidence_network import features_for, fit_ccnet, open_ccnet
from poseterior.training.detectors import open_any_detector

Image = pytest.importorskip("PIL.Image", reason="reading images needs Pillow")

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
BOX = (30.0, 20.0, 90.0, 140.0)
NEW = {"observed_confidence", "observed_score"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Detectors `sbl`, `other` and `vitpose`, with networks on them, `sbl_cc` and `vitpose_cc`."""
    folder = tmp_path_factory.mktemp("runs")
    people = PeopleCrops.open(write_people(folder / "people", {"train": 6}), "train")
    for name, seed in (("sbl", 0), ("other", 1)):
        config = SBLConfig((96, 128), BACKBONE, 8, 1.5)
        save_model(new_lifter(SBL, config, seed, COCO_17), folder / name)
    save_vitpose(folder / "vitpose")
    for name in ("sbl", "vitpose"):
        detector = open_any_detector(folder / name)
        frozen = features_for(detector, people, folder / f"{name}_seen")
        fit_ccnet(frozen, folder / f"{name}_cc", steps=20)
    return folder


@pytest.fixture
def lift(run, tiny_lifter, tmp_path, runs, monkeypatch):
    monkeypatch.setattr("poseterior.detectors.open_finder", lambda *_: BlockFinder())

    def command(source, detector, *options, out="out.npz"):
        return run("lift", source, "--out", tmp_path / out, "--hypotheses", 5, "--lifter",
                   tiny_lifter, "--detector", runs / detector, *options)  # fmt: skip

    return command


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(draw([(30.0, 20.0, 60.0), (200.0, 60.0, 40.0)])).save(path)
    return path


def arrays_of(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("name", ["sbl", "vitpose"])
def test_confidences_are_the_networks_and_nothing_else_changes(lift, photo, runs, tmp_path, name):
    ended = lift(photo, name, "--ccnet", runs / f"{name}_cc", "--box", *BOX)
    assert ended.code == 0, ended.err
    assert lift(photo, name, "--box", *BOX, out="without.npz").code == 0
    found, without = (arrays_of(tmp_path / each) for each in ("out.npz", "without.npz"))
    assert found.keys() - without.keys() == NEW
    for key in without.keys() - {"provenance"}:
        assert np.array_equal(found[key], without[key]), key

    detector = open_any_detector(runs / name)
    seen = []
    last = detector.last if name == "sbl" else detector.model.head.conv
    hook = last.register_forward_pre_hook(lambda module, given: seen.append(given[0].clone()))
    detector.detect([np.asarray(Image.open(photo))], [torch.tensor([BOX])])
    hook.remove()
    weights = open_ccnet(runs / f"{name}_cc").layer
    said = torch.sigmoid(weights(seen[0].mean((-2, -1)))).view(1, 2, 17).detach().numpy()
    for joint in ("left_wrist", "right_ankle"):
        mine = found["observed_confidence"][0, H36M_17.index(joint)]
        assert mine == pytest.approx(said[0, 0, COCO_17.index(joint)], abs=1e-5)
    score = (said[0, 0] * said[0, 1]).sum() / said[0, 1].sum()
    assert found["observed_score"] == pytest.approx([score], abs=1e-5)

    made = json.loads(str(found["provenance"]))["frames"]["ccnet"]
    assert made["run"] == str(runs / f"{name}_cc")
    assert len(made["weights"]) == 16
    assert "ccnet" not in json.loads(str(without["provenance"]))["frames"]


def test_frames_with_many_and_with_nobody(lift, run, runs, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(3):
        people = [] if number == 1 else [(20.0 + number, 20.0, 60.0), (200.0, 60.0, 40.0)]
        Image.fromarray(draw(people)).save(folder / f"{number}.png")
    ended = lift(folder, "sbl", "--ccnet", runs / "sbl_cc", "--person", "all")
    assert ended.code == 0, ended.err
    with open_predictions(tmp_path / "out.npz") as file:
        (rows,) = file.chunks()
    assert rows.valid.tolist() == [True, True, False, True, True]
    assert rows.observed_score is not None
    assert rows.observed_confidence is not None
    assert (rows.observed_score > 0).tolist() == rows.valid.tolist()
    assert tuple(rows.observed_confidence.shape) == (5, 17)
    repaired = run("smooth", tmp_path / "out.npz", "--out", tmp_path / "smooth.npz")
    assert repaired.code == 0, repaired.err


def test_a_log_of_other_confidences_is_not_gone_on_with(lift, runs, tmp_path, monkeypatch):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(draw([(20.0 + number, 20.0, 60.0)])).save(folder / f"{number}.png")
    detect, seen = SBL.locate, []

    def tired(self, people, inputs=None):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return detect(self, people, inputs)

    with monkeypatch.context() as patch:
        patch.setattr(SBL, "locate", tired)
        assert lift(folder, "sbl", "--ccnet", runs / "sbl_cc").code == 130
    assert_refused(lift(folder, "sbl"), "about.json", "ccnet")
    assert lift(folder, "sbl", "--ccnet", runs / "sbl_cc").code == 0
    assert lift(folder, "sbl", "--ccnet", runs / "sbl_cc", out="b.npz").code == 0
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_what_cannot_be(lift, run, photo, runs, tmp_path, tiny_lifter):
    given = ("--ccnet", runs / "sbl_cc", "--box", *BOX)
    assert_refused(lift(photo, "other", *given), "config.json", "detector: fingerprint")
    assert_refused(lift(photo, "vitpose", *given), "detector: name", "expected sbl")
    assert_refused(lift(photo, "sbl", "--ccnet", runs / "sbl"), "lifter", "ccnet")
    assert_refused(lift(photo, "sbl", "--ccnet", tmp_path / "none"), "none", "checkpoint")
    own = save(tmp_path / "own.npz", observations())
    plain = ("lift", own, "--out", tmp_path / "x.npz", "--lifter", tiny_lifter)
    assert_refused(run(*plain, "--ccnet", runs / "sbl_cc"), "--ccnet", "--detector")
    assert not (tmp_path / "out.npz").exists()

"""The studies of keypoint confidence on drawn people and detectors of a few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("faster_coco_eval")
pytest.importorskip("pycocotools")

from detectors.drawn_people import write_people
from oracles.coco_files import SIGMAS, pycocotools_numbers
from poseterior.confidence.coco_score import KEYS as COCO_KEYS
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.metrics.ranked_precision import OKS_THRESHOLDS
from poseterior.report.ccnet_figures import ccnet_figures
from poseterior.report.study_page import write_study
from poseterior.studies import STUDIES
from poseterior.studies.ccnet_ablation import CCNET_ABLATION, VARIANTS
from poseterior.studies.ccnet_aggregation import CCNET_AGGREGATION, TAUS
from poseterior.studies.ccnet_bench import Said, detector_of
from poseterior.studies.ccnet_data import ccnet_data
from poseterior.studies.ccnet_methods import METHODS, original, repaired
from poseterior.studies.ccnet_scored import (
    RECALLS,
    Judge,
    chance,
    gain_interval,
    precision_recall,
)
from poseterior.studies.ccnet_seen import SeenPeople, see
from poseterior.studies.ccnet_table import CCNET_TABLE
from poseterior.studies.study import Scoring, run_study
from poseterior.studies.workshop import Workshop
from poseterior.training.begin import new_lifter
from poseterior.training.seen_people import seen_by

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
CONFIGS: dict[Any, Any] = {
    SBL: SBLConfig((96, 128), BACKBONE, 8, 1.5),
    RLE: RLEConfig((96, 128), BACKBONE),
}
KEYS = {
    "detector", "method", "map", "mar", "ause_instance", "ause_keypoint", "pearson_instance",
    "pearson_keypoint", "ap50", "ap75", "ap_m", "ap_l", "pck50", "pck10", "ause_pck50",
    "ause_pck10",
}  # fmt: skip
ALL = Scoring(every=1)
FEW = 0.0005  # of the steps


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_people(tmp_path_factory.mktemp("people"), {"train": 24, "val": 24, "test": 24})
    for path in root.glob("annotations_*.json"):  # COCO's code takes an id of 0 for nobody
        data = json.loads(path.read_text())
        for person in data["annotations"]:
            person["id"] += 1
        path.write_text(json.dumps(data))
    return root


@pytest.fixture(autouse=True)
def small_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poseterior.report.study_pictures._DPI", 20)
    for cls, config in CONFIGS.items():
        monkeypatch.setitem(cls.PRESETS, "small", config)


def workshop(folder: Path, out: Path, **options: Any) -> Workshop:
    return Workshop(ccnet_data("people", folder, options, out), out, budget=FEW)


def found_people(people: PeopleCrops, count: int, seed: int = 0) -> SeenPeople:
    """Detections that are off by as many px of the crop as they say, and a bit too sure."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(people), size=count)
    true = people.joints(rows).double().numpy()
    scale, area = people.affine[rows, 2], people.area[rows]
    sigma = np.exp(rng.normal(0.3, 0.6, (count, 1)) + rng.normal(0, 0.7, (count, 17)))
    pixels = true[..., :2] + sigma[..., None] * rng.normal(size=(count, 17, 2))
    k = np.array([0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062,
                  0.107, 0.107, 0.087, 0.087, 0.089, 0.089])  # fmt: skip
    d = ((pixels - true[..., :2]) ** 2).sum(-1) * scale[:, None] ** 2
    oks = np.exp(-d / (2 * area[:, None] * (2 * k) ** 2))
    return SeenPeople({
        "pixels": pixels, "true": true, "confidence": 16 / (16 + sigma**2),
        "oks": np.where(true[..., 2] > 0, oks, np.nan), "scale": scale, "area": area,
        "covariance": sigma[..., None, None] ** 2 * np.eye(2),
        "box_area": people.boxes[rows, 2] * people.boxes[rows, 3],
    })  # fmt: skip


def test_numbers_are_those_of_pycocotools(folder: Path, tmp_path: Path) -> None:
    people = PeopleCrops.open(folder, "test")
    drawn = found_people(people, 24)
    rng = np.random.default_rng(3)
    true = people.joints(slice(None)).double().numpy()
    noise = np.exp(rng.normal(0, 1, (24, 1, 1))) * rng.normal(size=(24, 17, 2))
    at = {**drawn.arrays, "true": true, "pixels": true[..., :2] + noise,
          "scale": people.affine[:, 2]}  # fmt: skip
    seen = SeenPeople(at | {"oks": np.where(true[..., 2] > 0, 0.5, np.nan)})
    person = rng.random(24)
    judge = Judge.on(folder / "annotations_test.json", people, seen)
    row = judge.row(Said(rng.random((24, 17)), np.ones((24, 17)), person))
    image = people.affine[:, None, :2] + people.affine[:, None, 2:] * at["pixels"]
    data = json.loads((folder / "annotations_test.json").read_text())
    results = [
        {"image_id": int(i), "category_id": 1, "score": float(s),
         "keypoints": np.c_[points, np.ones(17)].ravel().tolist()}
        for i, s, points in zip(people.image_id, person, image, strict=True)
    ]  # fmt: skip
    data["categories"] = [{"id": 1, "name": "person"}]
    expected = dict(zip(COCO_KEYS, pycocotools_numbers(data, results, SIGMAS[17]), strict=True))
    keys = ("map", "ap50", "ap75", "ap_m", "ap_l", "mar")
    assert 0.05 < row["map"] < row["mar"] < 1
    assert [row[key] for key in keys] == pytest.approx([expected[key] for key in keys])


def test_what_is_seen_is_what_training_sees(folder: Path, tmp_path: Path) -> None:
    people = PeopleCrops.open(folder, "test")
    for cls, config in CONFIGS.items():
        detector = new_lifter(cls, config, 0, COCO_17).eval()
        out = tmp_path / cls.name
        seen = see(detector, people, out, covariances=True)
        rows = np.arange(len(people))
        for inputs, name in (("penultimate", "penultimate"), ("lower_layer", "lower")):
            expected = seen_by(detector, people, rows, inputs)
            means = expected.features
            means = means.mean((-2, -1)) if means.ndim == 4 else means
            np.testing.assert_allclose(seen[name], means, rtol=5e-3, atol=2e-3)
        np.testing.assert_allclose(seen["oks"], expected.oks, atol=1e-5)
        np.testing.assert_allclose(seen["confidence"], expected.confidence, atol=1e-6)
        assert ("cells" in seen.arrays) == (cls is SBL)
        again = see(None, people, out)
        assert np.array_equal(again["pixels"], seen["pixels"])


def test_augmented_people_are_measured_in_their_own_pixels(folder: Path, tmp_path: Path) -> None:
    people = PeopleCrops.open(folder, "train")
    detector = new_lifter(SBL, CONFIGS[SBL], 0, COCO_17).eval()
    seen = see(detector, people, tmp_path / "a", CropAugmentation())
    plain = see(detector, people, tmp_path / "b")
    between = [np.linalg.norm(each["true"][:, 5, :2] - each["true"][:, 12, :2], axis=-1)
               * each["scale"] for each in (seen, plain)]  # fmt: skip
    mirrored = np.linalg.norm(seen["true"][:, 6, :2] - seen["true"][:, 11, :2], axis=-1)
    nearest = np.minimum(
        np.abs(between[0] - between[1]), np.abs(mirrored * seen["scale"] - between[1])
    )
    np.testing.assert_allclose(nearest, 0, atol=1e-3)
    assert np.abs(seen["scale"] / plain["scale"] - 1).max() > 0.1


def test_repairs_keep_poses_and_find_the_order(folder: Path) -> None:
    people = PeopleCrops.open(folder, "test")
    learnt, asked = found_people(people, 900, 1), found_people(people, 900, 2)
    said = {"original": original(asked), **repaired(learnt, asked)}
    oks = np.nan_to_num(asked["oks"])
    known = asked.labelled
    errors = {
        name: float(np.mean((told.keypoints - oks)[known] ** 2)) for name, told in said.items()
    }
    # What each knows more of makes it no worse: nothing, boxes, the areas themselves.
    assert errors["closed_form_true"] <= errors["closed_form_predicted"] + 1e-3
    assert errors["closed_form_true"] < errors["original"]
    assert errors["isotonic"] < errors["original"]
    total = np.array([oks[n][known[n]].mean() for n in range(len(asked))])
    areas = {name: precision_recall(told.person, total).mean() for name, told in said.items()}
    assert areas["closed_form_true"] > areas["original"] - 0.01


def test_curves_against_counting() -> None:
    rng = np.random.default_rng(0)
    oks, sure = rng.random(40), rng.random(40)
    curve = precision_recall(sure, oks)
    expected = []
    for recall in RECALLS:
        best = []
        for threshold in OKS_THRESHOLDS:
            order = sorted(range(40), key=lambda n: -sure[n])
            hits, found = 0, [0.0]
            for n, row in enumerate(order, 1):
                hits += oks[row] > threshold
                if hits / 40 >= recall:
                    found.append(hits / n)
            best.append(max(found))
        expected.append(np.mean(best))
    np.testing.assert_allclose(curve, expected)
    at_random = np.mean([precision_recall(rng.random(4000), np.resize(oks, 4000))
                         for _ in range(3)], 0)  # fmt: skip
    np.testing.assert_allclose(at_random[1:25], chance(oks)[1:25], atol=0.06)
    low, high = gain_interval(sure, oks, oks, 50)
    assert 0 < low < precision_recall(oks, oks).mean() - curve.mean() < high


def test_the_table_has_just_its_keys_and_goes_on(folder: Path, tmp_path: Path) -> None:
    bench = workshop(folder, tmp_path)
    first = run_study(CCNET_TABLE, bench, ALL, only="sbl")
    assert first["missing"] == ["rle"]
    result = run_study(CCNET_TABLE, bench, ALL)
    assert [(row["detector"], row["method"]) for row in result["rows"]] == [
        (detector, method) for detector in ("sbl", "rle") for method in METHODS
    ]
    assert all(set(row) == KEYS for row in result["rows"])
    for detector in ("sbl", "rle"):
        assert len({row["mar"] for row in result["rows"] if row["detector"] == detector}) == 1
    assert result["rows"][:6] == first["rows"]
    assert sum("reached" in note for note in result["notes"]) == 8
    details = {each["row"]: each for each in result["details"]}
    for place in (5, 11):  # by what it sees, the last as the table has it
        row, by_inputs = result["rows"][place], details[place]["inputs"]
        assert list(by_inputs) == ["penultimate", "with_prediction_and_confidence"]
        assert by_inputs["with_prediction_and_confidence"]["map"] == row["map"]
        assert by_inputs["penultimate"]["ause_keypoint"] != row["ause_keypoint"]
    weights = {path: path.read_bytes() for path in tmp_path.rglob("model.safetensors")}
    run_study(CCNET_ABLATION, bench, ALL, only="sbl_mse")
    run_study(CCNET_TABLE, bench, ALL)
    assert weights == {path: path.read_bytes() for path in tmp_path.rglob("model.safetensors")}
    files = {path.name for path in write_study(result, tmp_path / "page")}
    assert {"ccnet_table.png", "ccnet_table_precision_recall.png", "ccnet_table_sigma.png",
            "ccnet_table_reliability.png", "ccnet_table_sbl_area.png"} <= files  # fmt: skip
    heads = (tmp_path / "page" / "ccnet_table.csv").read_text().splitlines()[0].split(",")
    assert set(heads) == KEYS
    # Detectors that were trained elsewhere.
    given = workshop(folder, tmp_path / "other", detectors=tmp_path / "checkpoints")
    weights_of = [detector_of(each, "rle").state_dict()["mu.weight"] for each in (bench, given)]
    assert torch.equal(*weights_of)


def test_aggregation_and_ablation(folder: Path, tmp_path: Path) -> None:
    bench = workshop(folder, tmp_path)
    result = run_study(CCNET_AGGREGATION, bench, ALL, only="rle")
    rows = result["rows"]
    assert len(rows) == 2 * (len(TAUS) + 2)
    assert [row["tau"] for row in rows[: len(TAUS)]] == list(TAUS)
    assert len({row["mar"] for row in rows}) == 1
    for kinds in (result["details"][0][key] for key in ("original", "ccnet", "visibility")):
        assert sum(kinds["visible"]) == pytest.approx(1)
    assert set(ccnet_figures(result)) == {"thresholds", "histograms"}
    assert len(write_study(result, tmp_path / "page")) == 5
    names = [row.name for row in CCNET_ABLATION.rows]
    assert len(names) == 2 * len(VARIANTS) - 2
    for name in (
        "sbl_original", "sbl_conv_sigmoid_pool", "sbl_pool_linear", "sbl_mse", "rle_soap",
        "rle_lower_layer", "rle_with_prediction_and_confidence",
    ):  # fmt: skip
        result = run_study(CCNET_ABLATION, bench, ALL, only=name)
    row = {(r["detector"], r["method"]): r for r in result["rows"]}
    # Convolution then pooling is pooling then a linear layer.
    same = ("ause_keypoint", "pearson_keypoint")
    assert [row["sbl", "mse"][key] for key in same] == pytest.approx(
        [row["sbl", "pool_linear"][key] for key in same], rel=1e-6
    )
    assert row["sbl", "conv_sigmoid_pool"]["ause_keypoint"] != row["sbl", "mse"]["ause_keypoint"]
    assert "sbl: points of mAP from its own" in result["notes"][0]


def test_what_cannot_be(folder: Path, tmp_path: Path) -> None:
    for name, root, options, told in (
        ("cmu", folder, {}, "--data"),
        ("people", None, {}, "--root"),
        ("people", folder, {"body": "x"}, "--body"),
        ("people", folder, {"detectors": tmp_path / "none"}, "model.safetensors"),
    ):
        with pytest.raises(InputError, match=told):
            ccnet_data(name, root, options, tmp_path)
    with pytest.raises(InputError, match="--every"):
        run_study(STUDIES["ccnet_table"], workshop(folder, tmp_path), Scoring())

"""The study of growing discs on drawn people: what is hidden, what is told, what is drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detectors.drawn_people import write_people
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.rle import RLE, RLEConfig
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.errors import InputError
from poseterior.report.occlusion_plot import occlusion_figure
from poseterior.report.study_page import write_study
from poseterior.studies import STUDIES, ccnet_occlusion
from poseterior.studies.ccnet_bench import detector_of
from poseterior.studies.ccnet_data import ccnet_data
from poseterior.studies.ccnet_occlusion import (
    CCNET_OCCLUSION,
    OCCLUDERS,
    WRIST,
    occluded,
    visible_wrists,
)
from poseterior.studies.study import Scoring, run_study
from poseterior.studies.workshop import Workshop

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"), {"train": 16, "val": 4, "test": 12})


@pytest.fixture
def people(folder: Path) -> PeopleCrops:
    return PeopleCrops.open(folder, "test")


def test_only_people_whose_wrist_is_seen_take_part(people: PeopleCrops) -> None:
    keypoints = people.keypoints.copy()
    keypoints[3, WRIST, 2] = 1
    people = replace(people, keypoints=keypoints)
    seen = np.flatnonzero(keypoints[:, WRIST, 2] == 2)
    assert 3 not in seen
    assert visible_wrists(people).tolist() == seen.tolist()
    assert visible_wrists(people, every=2).tolist() == seen[::2].tolist()
    assert visible_wrists(people, most=2).tolist() == [seen[0], seen[-1]]
    nobody = replace(people, keypoints=np.zeros_like(people.keypoints))
    with pytest.raises(InputError, match="right_wrist"):
        visible_wrists(nobody)


@pytest.mark.parametrize("occluder", list(OCCLUDERS))
def test_a_disc_hides_the_wrist_and_changes_nothing_else(
    people: PeopleCrops, occluder: str
) -> None:
    rows = visible_wrists(people)
    plain, hidden = (occluded(people, rows, occluder, size) for size in (0.0, 0.1))
    assert (plain.crops == people.crops[rows]).all()
    y, x = np.mgrid[:128, :96]
    for n, row in enumerate(rows):
        u, v = people.joints([row])[0, WRIST, :2].tolist()
        inside = np.hypot(x - u, y - v) <= 12.8
        assert (hidden.crops[n][~inside] == people.crops[row][~inside]).all()
        assert (hidden.crops[n][inside] != people.crops[row][inside]).any()
        if occluder == "opaque":
            assert (hidden.crops[n][inside] == 128).all()
    for name in ("keypoints", "affine", "area", "boxes", "image_id"):
        assert (getattr(hidden, name) == getattr(people, name)[rows]).all()


def test_how_well_confidence_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    accuracy, confidence = rng.random(9), rng.random(9)
    rows = [{"wrist_oks": a, "wrist_confidence": c}
            for a, c in zip(accuracy, confidence, strict=True)]  # fmt: skip
    pearson, gap, fall = ccnet_occlusion._followed(rows)
    assert pearson == pytest.approx(np.corrcoef(accuracy, confidence)[0, 1])
    assert gap == pytest.approx(np.abs(accuracy - confidence).mean())
    assert fall == pytest.approx(confidence[0] - confidence[-1])


def oks_by_hand(people: PeopleCrops, detector: Any, rows: np.ndarray) -> float:
    """Mean OKS of the wrist: exp(-d² / (2 area (2 sigma)²)), COCO's 0.062."""
    crops = people.images(rows)
    places = detector.decode(detector.output(crops))[0][:, WRIST].double().numpy()
    pixels = people.affine[rows, :2] + people.affine[rows, 2:] * places
    apart = ((pixels - people.keypoints[rows, WRIST, :2]) ** 2).sum(1)
    return float(np.exp(-apart / (2 * people.area[rows] * (2 * 0.062) ** 2)).mean())


def test_the_study_runs_from_end_to_end(
    folder: Path, people: PeopleCrops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SBL.PRESETS, "small", SBLConfig((96, 128), BACKBONE, 8, 1.5))
    monkeypatch.setitem(RLE.PRESETS, "small", RLEConfig((96, 128), BACKBONE))
    monkeypatch.setattr(ccnet_occlusion, "SIZES", (0.0, 0.2))
    monkeypatch.setattr("poseterior.report.study_plots._DPI", 40)
    assert STUDIES["ccnet_occlusion"] is CCNET_OCCLUSION
    workshop = Workshop(ccnet_data("people", folder, {}, tmp_path), tmp_path, budget=0.0005)
    result = run_study(CCNET_OCCLUSION, workshop, Scoring(every=1))
    rows, seen = result["rows"], visible_wrists(people)
    assert len(rows) == 2 * 2 * 2 * 2  # detectors, discs, sizes, methods
    assert {row["poses"] for row in rows} == {len(seen)}
    for row in rows:
        assert 0 <= row["wrist_oks"] <= 1
        assert (row["wrist_visibility"] is None) == (row["method"] == "original")
    for name in ("sbl", "rle"):
        expected = oks_by_hand(people, detector_of(workshop, name), seen)
        plain = [row for row in rows if row["detector"] == name and row["size"] == 0]
        assert [row["wrist_oks"] for row in plain] == pytest.approx([expected] * 4, abs=1e-5)
    assert len(result["notes"]) == 5
    assert len(result["details"]) == 8
    written = write_study(result, tmp_path)
    assert {path.suffix for path in written} == {".csv", ".md", ".html", ".png"}
    assert occlusion_figure({"study": "ccnet_occlusion", "rows": []}) is None
    assert torch.get_default_dtype() == torch.float32

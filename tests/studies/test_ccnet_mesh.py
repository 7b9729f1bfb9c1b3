"""The study of weights on a few rendered people: their bodies again, keypoints, fits, rows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.resnet_pose import ResNetSize
from poseterior.detectors.sbl import SBL, SBLConfig
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.bodies import open_body
from poseterior.meshes.rendering.people_folder import render_people
from poseterior.meshes.rendering.people_workers import Recipe
from poseterior.meshes.rendering.poses import poses_for
from poseterior.report.study_page import write_study
from poseterior.studies import STUDIES
from poseterior.studies.ccnet_bench import detector_of
from poseterior.studies.ccnet_bodies import rendered_again, true_bodies
from poseterior.studies.ccnet_data import ccnet_data
from poseterior.studies.ccnet_fits import WEIGHTS, Fitter
from poseterior.studies.ccnet_mesh import CCNET_MESH
from poseterior.studies.study import Scoring, run_study
from poseterior.studies.workshop import Workshop
from poseterior.training.seen_people import seen_by

BACKBONE = ResNetSize(8, (8, 8, 16, 16), (1, 1, 1, 1), "basic")
COUNTS = {"train": 8, "val": 1, "test": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rendered") / "people"
    poses = poses_for(open_body("anny_light"), None)
    rotations = {split: each.numpy() for split, each in poses.rotations.items()}
    try:
        render_people(out, Recipe("anny_light", "auto", rotations, 4), COUNTS,
                      made={"motion": poses.source})  # fmt: skip
    except InputError as error:
        pytest.skip(str(error))
    return out


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests share their detector, what it sees and the networks on it."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def workshop(folder: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setitem(SBL.PRESETS, "small", SBLConfig((96, 128), BACKBONE, 8, 1.5))
    return Workshop(ccnet_data("people", folder, {}, trained), trained, budget=0.0005)


def test_bodies_drawn_again_are_where_the_folder_says(folder: Path, tmp_path: Path) -> None:
    source, people = rendered_again(folder, tmp_path), PeopleCrops.open(folder, "test")
    rows = [4, 1]
    truth = true_bodies(source, people, "test", rows)
    shots = [next(source.shots("test", row, row + 1)) for row in rows]
    vertices = truth.body.vertices(truth.parameters)
    for n, (row, shot) in enumerate(zip(rows, shots, strict=True)):
        assert vertices[n].numpy() == pytest.approx(shot.scene.vertices[0], abs=1e-4)
        seen = vertices[n].double() @ truth.intrinsics[n].double().mT
        x, y = (seen[:, :2] / seen[:, 2:]).T.numpy()
        left, top, wide, tall = people.boxes[row]
        # What is seen of a body is a part of all of it.
        assert (x.min(), y.min()) < (left + 2, top + 2)
        assert max(left + wide - x.max(), top + tall - y.max(), y.min() - top) < 2
    assert truth.size.tolist() == [list(shot.scene.size) for shot in shots]


def test_another_folder_is_not_taken_for_this_one(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    path = other / "render.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"seed": 5}))
    source = rendered_again(other, tmp_path)
    with pytest.raises(InputError, match="px off"):
        true_bodies(source, PeopleCrops.open(other, "test"), "test", [0])
    path.write_text(json.dumps(told | {"poses": {"train": 1}}))
    with pytest.raises(InputError, match="poses"):
        rendered_again(other, tmp_path)
    for content, words in (("{", "JSON"), ("[]", "body, seed")):
        path.write_text(content)
        with pytest.raises(InputError, match=words):
            rendered_again(other, tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="poseterior render"):
        rendered_again(other, tmp_path)


def test_keypoints_are_the_detectors_in_the_image(workshop: Workshop) -> None:
    fitter = Fitter.of(workshop, "sbl", 2)
    assert fitter.rows.tolist() == [0, 2, 4]
    people = workshop.data.people["test"]  # type: ignore[attr-defined]
    detector = detector_of(workshop, "sbl")
    seen = seen_by(detector, people, fitter.rows)
    keypoints = fitter.test.keypoints
    assert keypoints.skeleton is COCO_17
    affine = torch.from_numpy(people.affine[fitter.rows])[:, None]
    pixels = affine[..., :2] + affine[..., 2:] * seen.pixels
    assert torch.allclose(keypoints.pixels.double(), pixels, atol=1e-2)
    assert torch.allclose(fitter.confidence["original"].double(), seen.confidence, atol=1e-5)
    located = detector.located(detector.output(people.images(fitter.rows)))
    scale = torch.from_numpy(people.affine[fitter.rows][:, 2])[:, None, None, None]
    expected = scale**2 * located.covariance.double()
    assert torch.allclose(keypoints.covariance.double(), expected, rtol=1e-3)


def test_confidences_of_one_weigh_alike(workshop: Workshop) -> None:
    fitter = Fitter.of(workshop, "sbl", 3)
    ones = torch.ones_like(fitter.confidence["ccnet"])
    fitter = replace(fitter, confidence={**fitter.confidence, "ccnet": ones})
    prior = fitter.prior("flow")
    alike, certain, other = (
        fitter.fitted(prior, weights, begins=False) for weights in ("uniform", "ccnet", "original")
    )
    assert torch.allclose(alike.transl, certain.transl, atol=1e-5)
    assert torch.allclose(alike.rotations, certain.rotations, atol=1e-4)
    assert (alike.rotations - other.rotations).abs().max() > 1e-3


def test_the_study_runs_from_end_to_end(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseterior.studies.ccnet_mesh.PRIORS", ("generic",))
    monkeypatch.setattr("poseterior.report.study_plots._DPI", 40)
    monkeypatch.setattr("poseterior.report.study_pictures._DPI", 40)
    assert STUDIES["ccnet_mesh"] is CCNET_MESH
    some = tuple(row for row in CCNET_MESH.rows if row.name != "rle")
    study = replace(CCNET_MESH, rows=some)
    result = run_study(study, workshop, Scoring(every=2))
    *rows, shown = result["rows"]
    assert len(rows) == 1 + len(WEIGHTS)
    for row in rows:
        assert row["poses"] == 3
        for name in ("mpjpe_mm", "pa_mpjpe_mm", "vertex_mm"):
            low, high = row[f"{name}_interval"]
            assert 0 < low < row[name] < high
    at = {(row["prior"], row["weights"]): row for row in rows}
    base = at["generic", "original"]
    assert base["pa_mpjpe_change_mm"] == 0
    for weights in WEIGHTS:
        row = at["generic", weights]
        change = row["pa_mpjpe_mm"] - base["pa_mpjpe_mm"]
        assert row["pa_mpjpe_change_mm"] == pytest.approx(change, abs=1e-3)
    assert len(shown["people"]) == 3
    assert np.unique([person["clip"] for person in shown["people"]]).size == 3
    assert len(result["notes"]) == 1 + 4
    names = {path.name for path in write_study(result, workshop.out)}
    assert {"ccnet_mesh.png", "ccnet_mesh_example.png", "ccnet_mesh.html"} <= names

"""The study of fitting on a small body: cameras, keypoints, errors by hand, rows and notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from meshes.stick_body import stick_body
from poseterior.data.simulated_detector import heatmap_pixel
from poseterior.geometry.camera import project, world_to_camera
from poseterior.meshes.mesh_posterior import BodySet
from poseterior.meshes.regressors import mesh_lifter
from poseterior.meshes.regressors.hmr import Hmr, HmrConfig
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.report.study_page import write_study
from poseterior.studies.mesh_fitting import MESH_FITTING, Answer, scored_people
from poseterior.studies.mesh_scored import best_of
from poseterior.studies.seen_people import SeenPeople, seen_people
from poseterior.studies.study import Scoring, run_study
from poseterior.studies.workshop import Workshop
from studies.test_mesh_table import BODY, TINY, data, fixed


@pytest.fixture(autouse=True)
def a_light_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_lifter, "open_body", lambda name: stick_body())


def landmarks(people: SeenPeople) -> Tensor:
    return BODY.landmarks_of(people.test.parameters, people.keypoints.skeleton)


def test_every_camera_sees_the_same_bodies() -> None:
    people = seen_people(BODY, fixed(6), "true", 4)
    assert people.instants == [people.test.frame.tolist()] * 4
    directions = []
    for keypoints, (turn, move) in zip(people.views, people.cameras, strict=True):
        points = world_to_camera(landmarks(people), turn, move)
        assert keypoints.intrinsics is not None
        seen = project(points, keypoints.intrinsics)
        assert torch.allclose(seen, keypoints.pixels, atol=0.05)
        directions.append(turn[:, 2])
    along = torch.stack(directions)
    assert torch.allclose((along[0] * along[1]).sum(-1), torch.zeros(6), atol=1e-6)
    assert torch.allclose(along[0], -along[2], atol=1e-6)


def test_more_views_change_none_and_parts_keep_rows_together() -> None:
    test = fixed(6)
    two, four = (seen_people(BODY, test, "detected", views, 3) for views in (2, 4))
    assert torch.equal(two.views[0].pixels, test.keypoints.pixels)
    assert torch.equal(two.views[1].pixels, four.views[1].pixels)
    other = seen_people(BODY, test, "detected", 2, 4)
    assert not torch.equal(two.views[1].pixels, other.views[1].pixels)
    part = four[2:5]
    assert len(part) == 3
    assert torch.equal(part.views[3].pixels, four.views[3].pixels[2:5])
    assert torch.equal(part.cameras[3][1], four.cameras[3][1][2:5])
    assert part.test.frame.tolist() == [2, 3, 4]


def test_detected_keypoints_are_off_as_their_covariances_say_and_confidences_follow() -> None:
    people = seen_people(BODY, fixed(300), "detected", 2)
    for keypoints, camera in zip(people.views, people.cameras, strict=True):
        assert keypoints.intrinsics is not None
        truth = project(world_to_camera(landmarks(people), *camera), keypoints.intrinsics)
        off = (keypoints.pixels - truth)[..., None]
        whitened = (off.mT @ torch.linalg.inv(keypoints.covariance) @ off)[..., 0, 0]
        assert abs(float(whitened.mean()) - 2) < 0.1
        sigma = torch.linalg.det(keypoints.covariance) ** 0.25
        sigma = sigma / heatmap_pixel(keypoints.pixels)[:, None]  # of the person's size
        assert keypoints.confidence is not None
        unsure = keypoints.confidence < 0.4
        assert 0.05 < float(unsure.double().mean()) < 0.15
        assert sigma[unsure].min() > sigma[keypoints.confidence > 0.7].max()


def bent(people: SeenPeople, generator: torch.Generator) -> Answer:
    """The truth with a neighbour's shape, and no spread."""
    truth = people.test.parameters
    bodies = type(truth)(truth.global_orient, truth.body_pose, truth.betas.roll(1, 0), truth.transl)
    alone = bodies.map(lambda value: value[None])
    return Answer(bodies, BodySet(alone, BODY, people.keypoints.skeleton))


def test_errors_are_those_of_the_other_studies_for_one_body() -> None:
    people, lifter = seen_people(BODY, fixed(20)), Hmr(HmrConfig(sizes=TINY))
    found = scored_people(lifter, bent, people, Scoring(hypotheses=5))
    whole: Any = people

    class Told(Hmr):
        def forward(self, keypoints: Any) -> Any:
            return bent(whole, torch.Generator()).posterior

    expected = best_of(
        Told(HmrConfig(sizes=TINY)), lambda p, n, g: p.parameters, 1, people.test, 0
    )  # fmt: skip
    for ours, theirs in (("mpjpe_mm", "mpjpe_mm"), ("pa_mpjpe_mm", "re_mm"),
                         ("vertex_mm", "vertex_mm")):  # fmt: skip
        assert found[ours] == pytest.approx(expected[theirs])
        assert found[f"{ours}_interval"] == pytest.approx(expected[f"{theirs}_interval"])
    assert found["poses"] == 20
    assert found["ece_median"] is None
    assert found["coverage_90"] is None
    assert found["effective_number"] is None


def test_rows_are_all_that_is_asked() -> None:
    names = {row.name for row in MESH_FITTING.rows}
    assert {"prohmr", "hmr", "multi_bodies"} < names
    for prior in ("flow_prior", "generic_prior"):
        for what in ("covariance", "confidence", "uniform", "2_views", "3_views", "4_views"):
            assert f"{prior}_{what}" in names


def test_the_study_runs_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, dict[str, Any]] = {
        "hmr": {"sizes": TINY}, "prohmr": {"sizes": TINY, "hidden": 16, "critic": 8},
    }  # fmt: skip
    for name, changes in sizes.items():
        cls: Any = MESH_LIFTERS[name]
        monkeypatch.setitem(cls.PRESETS, "small", cls.Config(**changes))
    monkeypatch.setattr("poseterior.studies.mesh_fitting._PEOPLE", {"small": 3})
    monkeypatch.setattr("poseterior.report.study_plots._DPI", 40)
    some = ("prohmr", "hmr", "flow_prior_covariance", "flow_prior_confidence",
            "generic_prior_covariance", "generic_prior_2_views")  # fmt: skip
    study = replace(MESH_FITTING, rows=tuple(r for r in MESH_FITTING.rows if r.name in some))
    workshop = Workshop(data(), tmp_path, budget=0.0005)
    result = run_study(study, workshop, Scoring(hypotheses=5, every=1))
    rows = result["rows"]
    assert result["missing"] == []
    told = {(row["variant"], row["keypoints"]) for row in rows}
    assert len(told) == len(rows) == 2 * 2 + 3 + 3
    assert {row["poses"] for row in rows} == {3}
    assert {row["views"] for row in rows} == {1, 2}
    for row in rows:
        assert all(row[name] > 0 for name in ("mpjpe_mm", "pa_mpjpe_mm", "vertex_mm"))
        assert row["seconds_per_person"] > 0
        assert (row["ece_median"] is None) == (row["variant"] == "hmr")
        assert (row["effective_number"] is None) == (row["method"] == "regression")
        assert (row["weights"] is None) == (row["method"] == "regression")
    assert any("than the regression" in note for note in result["notes"])
    written = {path.suffix for path in write_study(result, tmp_path)}
    assert written == {".csv", ".md", ".html", ".png"}

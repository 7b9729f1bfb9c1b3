"""The page of bodies: numbers in words, what the scene draws, what is re-projected."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from poseterior.batch.mesh_people import BodyPerson
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.parameters import BodyParameters
from poseterior.report.mesh_image import mesh_image, projected
from poseterior.report.mesh_page import MeshReport, mesh_html, write_mesh_report
from poseterior.report.mesh_scene import mesh_scene
from poseterior.report.mesh_words import part_spreads, person_words

BODY = anny_body()
FOCAL = 900.0


def standing(count: int = 4) -> BodyParameters:
    """Upright bodies four metres away that face the camera, their left arms turned differently."""
    joints = len(BODY.tree)
    turns = torch.zeros(count, joints, 3)
    turns[:, 0, 0] = torch.pi  # rest axes have y up, the camera's y is down
    turns[:, BODY.tree.index("left_shoulder"), 1] = torch.linspace(0, 1, count)
    place = torch.tensor([0.0, 0.0, 4.0]).expand(count, 3)
    return BodyParameters.of(from_axis_angle(turns), torch.zeros(count, BODY.betas), place)


def person(row: int = 0, wrist: float = 0.12) -> BodyPerson:
    bodies = standing()
    spread = torch.zeros(17)
    spread[[H36M_17.index("left_wrist"), H36M_17.index("right_wrist")]] = torch.tensor([wrist, 0.0])
    return BodyPerson(
        row, {"clip": "<b>", "frame": str(row)}, bodies, torch.full((4,), 0.25),
        bodies[[0, 3]], torch.tensor([0.625, 0.375]), 4.0,
        torch.linspace(0, 0.25, BODY.vertex_count), spread,
    )  # fmt: skip


def keypoints(bodies: BodyParameters | None = None) -> Keypoints:
    """What a camera sees of the first body, without error."""
    camera = torch.tensor([[FOCAL, 0.0, 500.0], [0.0, FOCAL, 400.0], [0.0, 0.0, 1.0]])
    joints = BODY.landmarks_of((bodies or standing())[:1], H36M_17) @ camera.T
    valid = torch.ones(1, 17, dtype=torch.bool)
    valid[0, 5] = False
    return Keypoints(
        joints[..., :2] / joints[..., 2:], 9 * torch.eye(2).expand(1, 17, 2, 2), valid, H36M_17,
        torch.tensor([[1000.0, 800.0]]), camera[None],
    )  # fmt: skip


@pytest.fixture(scope="module")
def report() -> MeshReport:
    people = [person(0), person(7, 0.08)]
    return MeshReport(
        "walk.npz", BODY, people, [keypoints()] * 2, ["2 rows"], ["Assumed focal: 1 & 2"],
        {"made_by": "poseterior mesh", "seed": 3},
    )  # fmt: skip


def test_hypotheses_lie_on_keypoints_seen_without_error() -> None:
    seen = keypoints()
    found = projected(standing()[:1], BODY, seen)
    assert found[0] == pytest.approx(seen.pixels[0].numpy(), abs=1e-3)
    behind = standing()[:1]
    behind = BodyParameters(behind.global_orient, behind.body_pose, behind.betas, -behind.transl)
    assert np.isnan(projected(behind, BODY, seen)).all()
    svg = mesh_image(person(), BODY, seen)
    assert svg.count('class="joint2"') == 16
    assert svg.count("data-representative") == 2
    path = re.search(r'<path d="([^"]+)" class="mean2" data-representative="0"', svg)
    assert path is not None
    ends = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path[1]), float).reshape(16, 2, 2)
    bones = [(p, j) for j, p in enumerate(H36M_17.parents) if p >= 0]
    assert ends == pytest.approx(seen.pixels[0].numpy()[np.array(bones)], abs=0.06)


def test_spreads_are_told_in_millimetres_of_both_sides() -> None:
    found = part_spreads(person(), H36M_17)
    assert found == pytest.approx(
        {"wrists": 60, "elbows": 0, "head": 0, "knees": 0, "ankles": 0, "hips": 0}
    )
    words = person_words(person(), H36M_17)
    assert "wrists 60 mm" in words
    assert "2 bodies stand for 62%, 38% of the posterior" in words
    assert "4 of 4" in words


def test_the_scene_is_upright_and_as_large_as_the_bodies(report: MeshReport) -> None:
    drawn = mesh_scene(report.people, BODY)
    assert drawn["limit"] == pytest.approx(250)
    one = drawn["people"][1]
    assert one["shares"] == ["62%", "38%"]
    whole = np.frombuffer(base64.b64decode(one["meshes"][1]), "<i2").reshape(-1, 3)
    points = drawn["step"] * whole
    bodies = standing()[3:]
    truth = (BODY.vertices(bodies) - BODY.joints(bodies)[:, :1])[0].numpy()
    assert points == pytest.approx(truth[:, [0, 2, 1]] * [1, 1, -1], abs=6e-5)
    head, foot = points[:, 2].max(), points[:, 2].min()
    assert head > 0.5  # z is up, the root joint at 0
    assert foot < -0.5
    faces = np.frombuffer(base64.b64decode(drawn["faces"]), "<u2").reshape(-1, 3)
    assert (faces == BODY.faces.numpy()).all()
    spread = np.frombuffer(base64.b64decode(one["spread"]), "<u2") * drawn["step"]
    assert spread == pytest.approx(report.people[1].spread.numpy(), abs=6e-5)


def test_the_page_stands_alone_and_is_small(report: MeshReport, tmp_path: Path) -> None:
    page = write_mesh_report(tmp_path / "p.html", report).read_text(encoding="utf-8")
    assert len(page) < 3_000_000
    assert not re.search(r'(src|href)="https?:', page.split("<script")[0])
    assert "default-src 'none'" in page
    assert "wrists unsure by 50 mm" in page  # the median of 60 and 40
    assert "clip &lt;b&gt;, frame 7" in page
    assert "<b>" not in page.replace("<body>", "").split("<script")[0]
    assert "Assumed focal: 1 &amp; 2" in page
    data = re.search(r'id="mesh-data">(.*?)</script>', page, re.S)
    assert data is not None
    assert [one["name"] for one in json.loads(data[1])["people"]] == [
        "clip <b>, frame 0", "clip <b>, frame 7",
    ]  # fmt: skip
    assert page.count("data-person=") == 4


def test_a_posterior_of_one_body_is_said_to_tell_no_uncertainty(report: MeshReport) -> None:
    sure = [person(n, 0.0) for n in range(2)]
    page = mesh_html(MeshReport("walk.npz", BODY, sure, report.keypoints))
    assert "no two hypotheses differ" in page


def test_a_page_of_nobody_is_refused() -> None:
    with pytest.raises(InputError, match="people: expected one or more, each with keypoints"):
        MeshReport("walk.npz", BODY, [], [])

"""`poseterior mesh`: bodies, meshes and the page of keypoints; what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import assert_refused, observations, openpose_folder, save, scored_points

from poseterior.meshes.mesh_files import read_bodies
from poseterior.meshes.regressors.hmr import RegressorSizes
from poseterior.meshes.regressors.prohmr import ProHMR, ProHMRConfig
from poseterior.training.checkpoint import save_model

H = 5


@pytest.fixture(scope="module")
def bodies_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a `prohmr` with few and untrained weights."""
    folder = tmp_path_factory.mktemp("bodies") / "run"
    sizes = RegressorSizes(width=8, blocks=1, hidden=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_model(ProHMR(ProHMRConfig(steps=2, hidden=8, critic=8, sizes=sizes)), folder)
    return folder


@pytest.fixture
def mesh(run, bodies_run, tmp_path):
    """Lifts to `m.npz` with the tiny lifter; the command's end."""

    def command(source, *options):
        return run("mesh", source, "--out", tmp_path / "m.npz", "--hypotheses", H, "--lifter",
                   bodies_run, *options)  # fmt: skip

    return command


def test_openpose_to_bodies_meshes_and_page(mesh, tmp_path):
    walk = scored_points("openpose_25")
    walk[2] = 0
    folder = openpose_folder(tmp_path / "json", [[person] for person in walk])
    ended = mesh(folder, "--representatives", 2, "--glb", tmp_path / "all.glb", "--obj",
                 tmp_path / "obj", "--report", tmp_path / "page.html")  # fmt: skip
    assert ended.code == 0, ended.err
    assert "6 rows of anny_light, 1 could not be lifted" in ended.out
    assert "assumed focal" in ended.err
    found = read_bodies(tmp_path / "m.npz")
    assert found.parameters.batch_shape == (H, 6)
    assert found.valid.tolist() == [True, True, False, True, True, True]
    assert found.labels["frame"].tolist() == list(range(6))
    assert (tmp_path / "all.glb").read_bytes()[:4] == b"glTF"
    assert len(list((tmp_path / "obj").iterdir())) == 2 * 5
    page = (tmp_path / "page.html").read_text()
    assert "Assumed focal" in page
    assert "frame 5" in page


def test_of_many_frames_the_first_is_written_unless_others_are_asked_for(mesh, tmp_path):
    path = save(tmp_path / "in.npz", {**observations(12), "clip": np.zeros(12, int)})
    ended = mesh(path, "--glb", tmp_path / "glb", "--representatives", 1)
    assert ended.code == 0, ended.err
    assert "frame 0 of 0 to 11; --frames writes others" in ended.out
    assert [p.name for p in (tmp_path / "glb").iterdir()] == ["clip_0_frame_0_row_0.glb"]
    ended = mesh(path, "--glb", tmp_path / "more", "--frames", "1,4:12:6")
    assert ended.code == 0, ended.err
    assert sorted(p.name for p in (tmp_path / "more").iterdir()) == [
        "clip_0_frame_10_row_10.glb", "clip_0_frame_1_row_1.glb", "clip_0_frame_4_row_4.glb",
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_files(mesh, tmp_path):
    path, files = save(tmp_path / "in.npz", observations(3)), []
    for seed in (1, 1, 2):
        assert mesh(path, "--seed", seed, "--glb", tmp_path / "m.glb").code == 0
        files.append([(tmp_path / name).read_bytes() for name in ("m.npz", "m.glb")])
    assert files[0] == files[1]
    assert files[0][0] != files[2][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--frames", "3-5"], ["--frames: ", "0:100:10", "found 3-5"]),
        (["--frames", "99"], ["--frames: ", "which has 0 to 2", "found none"]),
        (["--representatives", "6"], ["--representatives", "at most 5"]),
        (["--body", "nobody"], ["body: ", "anny_light", "found nobody"]),
        (["--obj", "{folder}/in.npz"], ["in.npz", "a folder that can be written"]),
        (["--report", "{folder}/none/p.html"], ["p.html", "no folder"]),
        (["--glb", "{folder}/a.glb", "--report", "{folder}/a.glb"], ["a file of its own"]),
        (["--format", "coco"], ["in.npz"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_written(mesh, tmp_path, options, words):
    path = save(tmp_path / "in.npz", observations(3))
    given = [option.format(folder=tmp_path) for option in options]
    assert_refused(mesh(path, *given), *words)
    assert [p.name for p in tmp_path.iterdir()] == ["in.npz"]


def test_lifters_over_poses_and_missing_ones_are_refused(run, tiny_lifter, tmp_path):
    path, out = save(tmp_path / "in.npz", observations(3)), tmp_path / "m.npz"
    ended = run("mesh", path, "--out", out, "--lifter", tiny_lifter)
    assert_refused(ended, "coupling_flow", "over bodies", "over poses only")
    ended = run("mesh", path, "--out", out, "--lifter", tmp_path / "none")
    assert_refused(ended, "the folder of a run")
    assert not out.exists()


def test_without_a_shipped_lifter_one_has_to_be_given(run, tmp_path, monkeypatch):
    monkeypatch.setattr("poseterior.training.shipped.shipped_lifters", lambda: ("coupling_flow",))
    ended = run("mesh", save(tmp_path / "in.npz", observations(3)), "--out", tmp_path / "m.npz")
    assert_refused(ended, "--lifter", "poseterior train prohmr", "no lifter over bodies")


def test_an_image_is_no_keypoints(mesh, tmp_path):
    image = tmp_path / "photo.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    assert_refused(mesh(image), "photo.png", "2D keypoints", "found image")

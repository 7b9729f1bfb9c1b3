"""Studies and trainings of meshes on data sets that users hold: what is written and refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_files import assert_refused

sys.path.insert(0, str(Path(__file__).parents[1] / "studies"))

from body_files import save_human36m, save_smpl, save_threedpw

from poseterior.meshes.regressors.hmr import Hmr, HmrConfig, RegressorSizes

TINY = ("--budget", 1e-4, "--hypotheses", 4, "--only", "hmr")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`smpl.npz`, `other.npz` and the folders `3dpw` and `human36m`."""
    root = tmp_path_factory.mktemp("files")
    save_threedpw(root / "3dpw", save_smpl(root / "smpl.npz"))
    save_smpl(root / "other.npz", seed=5)
    (root / "human36m").mkdir()
    save_human36m(root / "human36m")
    return root


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = RegressorSizes(width=16, blocks=1, hidden=16, head_dropout=0.0)
    monkeypatch.setitem(Hmr.PRESETS, "small", HmrConfig(sizes=sizes))


def _study(run, files: Path, data: str, out: Path, *more: object):
    return run("study", "mesh_table", "--data", data, "--root", files / data, "--out", out, *more)


def test_3dpw_with_the_users_body(run, files, tmp_path, monkeypatch):
    monkeypatch.chdir(files)
    ended = _study(run, files, "3dpw", tmp_path, "--body", "smpl.npz", *TINY)
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "mesh_table.json").read_text())
    assert {row["data"] for row in found["rows"]} == {"plain", "ambiguous"}
    assert all(row["vertex_mm"] > 0 for row in found["rows"])
    about = found["provenance"]["data"]
    assert about["body"]["name"] == "smpl"
    assert about["joints_off_mm"] == pytest.approx(0, abs=0.1)
    monkeypatch.chdir(tmp_path)
    ended = run("mesh", files / "none.json", "--out", tmp_path / "m.npz", "--lifter",
                tmp_path / "checkpoints" / "hmr")  # fmt: skip
    assert "none.json" in ended.err  # and not smpl.npz, which is found from any folder


def test_human36m_has_joints_and_no_surface(run, files, tmp_path):
    options = ("--protocol", "every_64", *TINY)
    ended = _study(run, files, "human36m", tmp_path, *options)
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "mesh_table.json").read_text())
    for row in found["rows"]:
        assert row["vertex_mm"] is None
        assert row["mpjpe_mm"] > 0
        assert row["protocol"] == "every_64"
    page = (tmp_path / "mesh_table.html").read_text()
    assert "no bodies" in page


def test_train_on_3dpw(run, files, tmp_path):
    out = tmp_path / "run"
    options = ("--data", "3dpw", "--root", files / "3dpw", "--out", out)
    few = ("--steps", 1, "--validate-every", 0)
    more = ("--body", files / "smpl.npz", "--drawn-poses", 0.1)
    ended = run("train", "hmr", *options, *more, *few)
    assert ended.code == 0, ended.err
    config = json.loads((out / "config.json").read_text())
    assert config["config"]["body"] == str(files / "smpl.npz")
    assert config["provenance"]["body"]["name"] == "smpl"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("study", "mesh_table"), ("--body", "SMPL", "none given")),
        (("study", "mesh_table", "--body", "anny_light"), ("--body", "SMPL", "anny_light")),
        (("study", "mesh_table", "--body", "OTHER"), ("jointPositions", "100 mm")),
        (("study", "mesh_table", "--body", "WALK"), ("body",)),
        (("study", "mesh_table", "--body", "SMPL", "--protocol", "x"), ("--protocol",)),
        (("study", "table1"), ("--data", "cmu, human36m")),
        (("train", "hmr"), ("--body", "SMPL", "none given")),
        (("train", "simple_baseline", "--body", "SMPL"), ("--data", "3dpw")),
    ],
)
def test_bad_input_is_refused(run, files, tmp_path, arguments, words):
    named = {"OTHER": files / "other.npz", "SMPL": files / "smpl.npz", "WALK": files / "walk.npz"}
    given = [named.get(word, word) for word in arguments]
    out = tmp_path / "out"
    ended = run(*given, "--data", "3dpw", "--root", files / "3dpw", "--out", out)
    assert_refused(ended, *words)
    assert not out.exists()


def test_a_body_is_of_meshes_only(run, files, tmp_path):
    ended = run("study", "table1", "--data", "human36m", "--root", files / "human36m", "--out",
                tmp_path / "out", "--body", "anny")  # fmt: skip
    assert_refused(ended, "--body")
    ended = run("train", "simple_baseline", "--data", "human36m", "--root", files / "human36m",
                "--out", tmp_path / "out", "--drawn-poses", 0.1)  # fmt: skip
    assert_refused(ended, "--drawn-poses")

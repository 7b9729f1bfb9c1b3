"""`poseterior study` as a user would run it, on small made-up data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cli_files import Ended, assert_refused, observed_walk

from poseterior.data.datasets import DATA_SETS

Run = Callable[..., Ended]
TINY = ("--budget", 1e-4, "--hypotheses", 4, "--every", 3)


def test_one_row_is_trained_scored_and_written(run: Run, cmu: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    ended = run("study", "table1", "--root", cmu, "--out", out, "--only", "simple_baseline", *TINY)
    assert ended.code == 0, ended.err
    assert "simple_baseline" in ended.out
    assert "rows still to run: mean_pose" in ended.out
    found = json.loads((out / "table1.json").read_text())
    assert [row["method"] for row in found["rows"]] == ["simple_baseline"]
    assert found["provenance"]["preset"] == "small"
    assert {path.suffix for path in out.glob("table1.*")} >= {".json", ".csv", ".md", ".html"}
    again = run("study", "table1", "--root", cmu, "--out", out, "--only", "simple_baseline", *TINY)
    assert again.out == ended.out


# The command, on a study of three rows.
SMALL_STUDY = """
import sys
from dataclasses import replace
from poseterior.cli import main
from poseterior.studies import STUDIES

study, kept = STUDIES["diversity"], {"mdn_samples", "cvae", "heatmap_noise"}
STUDIES["diversity"] = replace(study, rows=tuple(r for r in study.rows if r.name in kept))
sys.exit(main(sys.argv[1:]))
"""


def test_two_processes_share_a_study(cmu: Path, tmp_path: Path) -> None:
    out = tmp_path / "study"
    command = [
        sys.executable, "-c", SMALL_STUDY, "study", "diversity", "--root", cmu, "--out", out, *TINY
    ]  # fmt: skip
    both = [
        subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip
    ends = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert "rows still to run" not in "".join(said for said, _ in ends)
    rows = {path.stem for path in (out / "rows" / "diversity").glob("*.json")}
    begun = [line.split(" (")[0] for _, err in ends for line in err.splitlines() if " of " in line]
    assert rows == {"mdn_samples", "cvae", "heatmap_noise"}
    assert sorted(begun) == sorted(rows)  # each by one of them
    assert len(json.loads((out / "diversity.json").read_text())["rows"]) == len(rows)


def test_human36m_beside_the_published_figures(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = replace(DATA_SETS["human36m"], opener=observed_walk)
    monkeypatch.setitem(DATA_SETS, "human36m", stand_in)
    root, out = tmp_path / "human36m", tmp_path / "study"
    root.mkdir()
    options = ("--data", "human36m", "--root", root, "--protocol", "every_64")
    tiny = ("--budget", 1e-4, "--hypotheses", 4, "--only", "simple_baseline")
    ended = run("study", "table1", *options, "--out", out, *tiny)
    assert ended.code == 0, ended.err
    found = json.loads((out / "table1.json").read_text())
    about = found["provenance"]["data"]
    assert about["options"] == {"protocol": "every_64"}
    assert about["test"]["poses"] == found["rows"][0]["poses"] == 10
    page, text = (out / "table1.html").read_text(), (out / "table1.md").read_text()
    own = found["rows"][0]["min_mpjpe_mm"]
    assert f"62.9 / {own:,.1f}" in text
    assert f"62.9 / {own:,.1f}" in page
    assert "Martinez et al. 2017" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tabel1",), ("study", "table1", "did you mean")),
        (("table1", "--only", "gloww"), ("--only", "did you mean glow?")),
        (("table1", "--budget", "0"), ("--budget",)),
        (("table1", "--every", "0"), ("--every",)),
        (("table1", "--root", "nowhere"), ("nowhere",)),
        (("table1", "--data", "h36m"), ("--data", "did you mean human36m?")),
        (("table1", "--data", "human36m"), ("data_3d_h36m.npz",)),
        (("table1", "--protocol", "every_64"), ("--protocol", "cmu")),
    ],
)
def test_bad_input_is_refused(
    run: Run, cmu: Path, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    root = () if "--root" in arguments else ("--root", cmu)
    ended = run("study", *arguments, *root, "--out", tmp_path / "study")
    assert_refused(ended, *words)
    assert not (tmp_path / "study").exists()

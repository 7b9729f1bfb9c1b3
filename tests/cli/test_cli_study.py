"""`poseterior study` as a user would run it, on small made-up data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_files import Ended, assert_refused

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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tabel1",), ("study", "table1", "did you mean")),
        (("table1", "--only", "gloww"), ("--only", "did you mean glow?")),
        (("table1", "--budget", "0"), ("--budget",)),
        (("table1", "--every", "0"), ("--every",)),
        (("table1", "--root", "nowhere"), ("nowhere",)),
    ],
)
def test_bad_input_is_refused(
    run: Run, cmu: Path, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    root = () if "--root" in arguments else ("--root", cmu)
    ended = run("study", *arguments, *root, "--out", tmp_path / "study")
    assert_refused(ended, *words)
    assert not (tmp_path / "study").exists()

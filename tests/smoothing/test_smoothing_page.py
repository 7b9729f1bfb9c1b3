"""The example of docs/smoothing.md prints what the page says, and its tables are the results."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from poseterior.smoothing.defaults import NOISE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "smoothing.md").read_text(encoding="utf-8")
TABLES = (ROOT / "benchmarks" / "results" / "smoothing.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_the_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed = re.findall(r"^```(?:python|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "smoothing.md", "exec"), {})
    assert NUMBER.sub("N", said.getvalue()) == NUMBER.sub("N", printed)
    found, wanted = (NUMBER.findall(text) for text in (said.getvalue(), printed))
    assert [float(n) for n in found] == pytest.approx([float(n) for n in wanted], abs=1)


def test_tables_are_those_of_the_benchmark() -> None:
    rows = [line for line in TABLES.splitlines() if line.startswith("|")]
    assert len(rows) > 10
    assert [row for row in rows if row not in PAGE] == []


@pytest.mark.parametrize("model", NOISE)
def test_the_shipped_noise_is_what_the_benchmark_fits(model: str) -> None:
    """Both sides' mean, to two digits."""
    line = next(x for x in TABLES.splitlines() if x.startswith(f"- {model}, lasting errors"))
    fitted = {name: float(value) for name, value in re.findall(r"(\w+) ([\d.e-]+)(?:,|$)", line)}
    for joint, noise in NOISE[model].items():
        sides = [fitted[side + joint] for side in ("left_", "right_", "") if side + joint in fitted]
        assert noise == pytest.approx(sum(sides) / len(sides), rel=0.06)

"""The example of docs/conformal.md prints what the page says, and its tables are the results."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from poseterior.recalibration.conformal_bounds import DEFAULT_RULE
from poseterior.recalibration.conformal_rules import RULES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformal.md").read_text(encoding="utf-8")
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "conformal.json").read_text("utf-8"))
NUMBER = re.compile(r"\d+(?:\.\d+)?")
LIFTERS = ("gaussian_minmpjpe", "cinn", "coupling_flow")


def test_the_example_prints_what_the_page_says() -> None:
    code, printed = re.findall(r"^```(?:python|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "conformal.md", "exec"), {})
    assert NUMBER.sub("N", said.getvalue()) == NUMBER.sub("N", printed)
    for found, wanted in zip(*map(NUMBER.findall, (said.getvalue(), printed)), strict=True):
        assert float(found) == pytest.approx(float(wanted), abs=0.003 if "." in wanted else 1)


@pytest.mark.parametrize("lifter", LIFTERS)
@pytest.mark.parametrize("rule", RULES)
def test_tables_are_those_of_the_benchmark(lifter: str, rule: str) -> None:
    kept = RESULTS[f"{lifter}_test"]
    lines = [line for line in PAGE.splitlines() if line.startswith(f"| `{lifter}` | `{rule}` |")]
    found = [[float(number) for number in NUMBER.findall(line)] for line in lines]
    splits = [row for row in kept["splits"] if row["rule"] == rule]
    moved = [row for row in kept["val_to_test"] if row["rule"] == rule]
    expected = [x for row in splits for x in (row["frames"], row["frames_sd"], row["clips"])]
    assert found[0][:-1] == pytest.approx(expected, abs=5.1e-4)
    assert found[0][-1] == pytest.approx(splits[0]["radius_mm"], abs=0.51)
    expected = [x for row in moved for x in (row["frames"], *row["interval"])]
    assert found[1] == pytest.approx(expected, abs=5.1e-4)


@pytest.mark.parametrize("lifter", LIFTERS)
def test_the_default_rule_covers_nine_tenths_of_frames_on_average(lifter: str) -> None:
    rows = [row for row in RESULTS[f"{lifter}_test"]["splits"] if row["rule"] == DEFAULT_RULE]
    assert {row["region"] for row in rows} == {"joint", "all_joints", "vector"}
    assert [row["frames"] for row in rows] == pytest.approx([0.9] * 3, abs=0.02)
    # A single joint's mean over 200 splits is uncertain by about 0.004.
    assert 0.875 < rows[0]["joint_least"] < rows[0]["joint_most"] < 0.925

"""`poseterior diagnose`: the verdict on the console, in JSON, as a page and as plots."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_files import assert_refused, predictions, save

VERDICTS = {
    "calibrated", "overconfident", "underconfident", "wrong_by_joint", "miscorrelated", "biased",
    "undecided",
}  # fmt: skip


@pytest.mark.parametrize(("spread", "verdict"), [(0.4, "overconfident"), (2.5, "underconfident")])
def test_the_verdict_is_printed_and_written(run, tmp_path, spread, verdict):
    source = save(tmp_path / "in.npz", predictions(rows=90, hypotheses=40, spread=spread))
    outputs = [tmp_path / name for name in ("d.json", "d.html")]
    ended = run("diagnose", source, "--by", "row", "--json", outputs[0], "--report", outputs[1])
    assert ended.code == 0, ended.err
    assert f"verdict: {verdict}" in ended.out
    assert "assumed row" in ended.err
    found = json.loads(outputs[0].read_text())
    assert found["verdict"] == verdict
    assert found["verdict"] in VERDICTS
    assert all({"statistic", "p_value"} <= test.keys() for test in found["evidence"])
    page = outputs[1].read_text()
    assert "<!doctype html>" in page.lower()
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(0.0, "a sum above zero"), (1.0, "weights that sum to 1"), (-0.04, "weights of 0 or more")],
)
def test_weights_that_do_not_sum_are_refused(run, tmp_path, weight, expected):
    weights = np.full((30, 25), 1 / 25, np.float32)
    weights[7] = weight
    arrays = predictions(rows=30, hypotheses=25) | {"weights": weights}
    ended = run("diagnose", save(tmp_path / "in.npz", arrays), "--json", tmp_path / "o.json")
    assert_refused(ended, expected, "in.npz", "[7")
    assert not (tmp_path / "o.json").exists()


def test_too_few_hypotheses_say_how_many_are_needed(run, tmp_path):
    source = save(tmp_path / "in.npz", predictions(rows=30, hypotheses=5))
    assert_refused(run("diagnose", source), "19 or more")


def test_what_is_no_predictions_file_is_refused(run, tmp_path):
    path = Path(tmp_path / "text.npz")
    path.write_text("nothing")
    assert_refused(run("diagnose", path), "text.npz")
    source = save(tmp_path / "in.npz", predictions(rows=30, hypotheses=25))
    assert_refused(run("diagnose", source, "--by", "moon"), "clip", "moon")
    assert_refused(run("diagnose", source, "--json", source), "in.npz")

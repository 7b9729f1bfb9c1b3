"""`poseterior recalibrate --method conformal` and its table of regions, as a user runs them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_files import Ended, assert_refused, predictions

Run = Callable[..., Ended]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions of twenty clips each, three times too narrow, held out and others."""
    every = predictions(rows=400, spread=1 / 3)
    for name, some in (("val", slice(None, 200)), ("new", slice(200, None))):
        arrays = {k: v if np.ndim(v) == 0 else v[some] for k, v in every.items()}
        np.savez(tmp_path / f"{name}.npz", **(arrays | {"clip": np.arange(200) // 10}))
    return tmp_path / "val.npz", tmp_path / "new.npz"


def fitted(run: Run, path: Path, *options: object) -> Path:
    out = path.with_suffix(".json")
    ended = run("recalibrate", path, "--method", "conformal", "--out", out, *options)
    assert ended.code == 0, ended.err
    return out


def test_regions_beside_repaired_predictions(run: Run, files: tuple[Path, Path]) -> None:
    val, new = files
    fixed, table = new.with_name("fixed.npz"), new.with_name("regions.csv")
    ended = run(
        "recalibrate", new, "--apply", fitted(run, val), "--out", fixed,
        "--regions", table, "--level", 0.8,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    with table.open() as file:
        joints = [line for line in csv.DictReader(file) if line["x_mm"]]
    share = np.mean([line["covered"] == "1" for line in joints])
    assert share == pytest.approx(0.8, abs=0.03)
    assert f"regions at 0.8; targets covered: joint {share:.3f}" in ended.out
    # Four fifths of the repaired hypotheses lie within the regions of those before.
    with np.load(fixed) as repaired:
        samples = repaired["hypotheses"][:, :, 1:]
    radii = np.array([float(line["radius_mm"]) for line in joints]).reshape(200, 16)
    far = 1e3 * np.linalg.norm(samples - samples.mean(1, keepdims=True), axis=-1)
    assert (far <= radii[:, None]).mean() == pytest.approx(0.8, abs=0.02)


def test_the_rule_is_chosen_by_name(run: Run, files: tuple[Path, Path]) -> None:
    bounds = {}
    for rule in ("frames", "clips"):
        path = fitted(run, files[0], "--rule", rule)
        parameters = json.loads(path.read_text())["parameters"]
        assert parameters["rule"] == rule
        bounds[rule] = parameters["bounds"]["all_joints"][parameters["levels"].index(0.9)]
    assert bounds["clips"] > bounds["frames"]


def test_regions_that_cannot_be(run: Run, files: tuple[Path, Path]) -> None:
    val, new = files
    fixed, table = new.with_name("fixed.npz"), new.with_name("regions.csv")
    path = fitted(run, val, "--rule", "clips")
    apply = ("recalibrate", new, "--apply", path, "--out", fixed, "--regions", table)
    assert_refused(run(*apply, "--level", 0.99), "99 or more held-out clips", "found 20")
    assert_refused(run(*apply, "--level", 1.5), "above 0, below 1")
    assert_refused(run(*apply[:-1], fixed), "a file of its own")
    fit = ("recalibrate", val, "--method", "conformal", "--out", path, "--regions", table)
    assert_refused(run(*fit), "--regions", "--apply beside it")
    other = new.with_name("spread.json")
    assert run("recalibrate", val, "--method", "spread", "--out", other).code == 0
    assert_refused(
        run("recalibrate", new, "--apply", other, "--out", fixed, "--regions", table),
        "spread.json", "conformal for --regions",
    )  # fmt: skip
    assert not fixed.exists()
    assert not table.exists()

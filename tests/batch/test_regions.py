"""The table of conformal regions, against the regions and the targets themselves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poseterior.batch.regions import COLUMNS, write_regions
from poseterior.data.predictions import open_predictions, write_predictions
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.recalibration.conformal import Conformal

ROWS, CLIPS = 400, 20


def predictions(folder: Path, **fields: np.ndarray | None) -> Path:
    draws = np.random.default_rng(0)
    scale = draws.uniform(0.02, 0.1, (ROWS, 1, 17, 1)) * (np.arange(17)[:, None] > 0)
    draw = scale * draws.normal(size=(ROWS, 31, 17, 3))
    given: dict[str, np.ndarray | None] = {
        "hypotheses": 0.5 * draw[:, 1:],
        "target": draw[:, 0],
        "clip": np.arange(ROWS) * CLIPS // ROWS,
        "frame": np.arange(ROWS),
    } | fields
    valid = np.arange(ROWS) != 3
    with write_predictions(folder / "pred.npz", ROWS, H36M_17) as out:
        out.write(0, valid, **{k: v for k, v in given.items() if v is not None})
    return folder / "pred.npz"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fit(path: Path) -> Conformal:
    with open_predictions(path) as opened:
        return Conformal.fit(opened)


def written(path: Path, out: Path, *arguments: Any) -> dict[str, float]:
    with open_predictions(path) as opened:
        return write_regions(opened, fit(path), out, *arguments)


def test_table_holds_each_region_and_whether_it_covers(tmp_path: Path) -> None:
    joints = np.random.default_rng(1).random((ROWS, 17)) > 0.1
    path = predictions(tmp_path, valid_joints=joints)
    shares = written(path, tmp_path / "r.csv", 0.8)
    lines = table(tmp_path / "r.csv")
    arrays = dict(np.load(path))
    assert tuple(lines[0]) == COLUMNS
    assert {line["row"] for line in lines} == {str(n) for n in range(ROWS) if n != 3}
    inside: dict[str, list[bool]] = {"joint": [], "all_joints": [], "vector": []}
    every: dict[str, list[bool]] = {}
    for line in lines:
        n, region = int(line["row"]), line["region"]
        assert line["frame"] == str(n)
        if region in inside:
            inside[region].append(line["covered"] == "1")
            if region == "all_joints":
                assert (line["covered"] == "1") == all(every[line["row"]])
            continue
        j = H36M_17.index(region)
        assert joints[n, j]
        centre = np.array([float(line[f"{axis}_mm"]) for axis in "xyz"])
        own = 1e3 * arrays["hypotheses"][n, :, j].astype(float).mean(0)
        np.testing.assert_allclose(centre, own, atol=0.006)
        distance = np.linalg.norm(1e3 * arrays["target"][n, j] - centre)
        if abs(distance - float(line["radius_mm"])) > 0.05:
            assert (line["covered"] == "1") == (distance < float(line["radius_mm"]))
        inside["joint"].append(line["covered"] == "1")
        every.setdefault(line["row"], []).append(distance <= float(line["all_joints_radius_mm"]))
    assert shares == pytest.approx({name: np.mean(values) for name, values in inside.items()})
    assert shares["joint"] == pytest.approx(0.8, abs=0.03)


def test_without_targets_nothing_is_said_of_coverage(tmp_path: Path) -> None:
    fitted = fit(predictions(tmp_path))
    (tmp_path / "new").mkdir()
    path = predictions(tmp_path / "new", target=None)
    seen: list[tuple[int, int]] = []
    out = tmp_path / "r.csv"
    with open_predictions(path) as opened:
        shares = write_regions(opened, fitted, out, progress=lambda *x: seen.append(x))
    assert shares == {}
    assert {line["covered"] for line in table(out)} == {""}
    assert seen[-1] == (ROWS, ROWS)


@pytest.mark.parametrize(
    ("level", "says"), [(0.999, "999 or more held-out clips"), (1.5, "above 0, below 1")]
)
def test_a_level_that_cannot_be_leaves_nothing_behind(
    tmp_path: Path, level: float, says: str
) -> None:
    path = predictions(tmp_path)
    with pytest.raises(InputError, match=says) as caught:
        written(path, tmp_path / "r.csv", level)
    assert "pred.npz" in str(caught.value) or level > 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["pred.npz"]

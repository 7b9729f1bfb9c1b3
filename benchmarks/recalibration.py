"""What repair by held-out clips does to the calibration of other clips.

    python benchmarks/recalibration.py --root CMU --out benchmarks/results [--predictions DIR]

The kept checkpoints and the shipped flow lift the fixed observations of the splits val and test,
200 hypotheses each (or their predictions are read from DIR/{lifter}_{val,test}.npz); every method
is fitted on val and repairs test, which is scored as by `poseterior score`. The flow's latent
temperature is chosen on val, and test lifted anew. Writes recalibration.json and .md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from poseterior.batch.lift import lift
from poseterior.batch.recalibrate import fit_file, fit_lifter, recalibrated, repair_file
from poseterior.batch.score import evaluate, score
from poseterior.data.datasets import open_cmu
from poseterior.data.npz_writer import replacing
from poseterior.data.predictions import open_predictions
from poseterior.geometry.units import mm
from poseterior.metrics.weighted import weighted_mean
from poseterior.posterior import Lifter
from poseterior.recalibration import METHODS
from poseterior.recalibration.latent_temperature import LatentTemperature, require_temperature
from poseterior.training.shipped import open_lifter

CHECKPOINTS = Path(__file__).parent / "results" / "checkpoints"
LIFTERS = ("gaussian_minmpjpe", "cinn")
FLOW = "coupling_flow"
SCORES = ("ece_median", "ece_joint_mean", "ece_joint_max", "energy_score_mm", "mpjpe_mean_mm")
Row = dict[str, Any]
# What a method must reach on test: the most that a calibration error may be.
MOST = (
    *((name, "adaptive", "ece_median", 0.05) for name in LIFTERS),
    *((name, "adaptive", "ece_joint_max", 0.12) for name in LIFTERS),
    (FLOW, "latent_temperature", "ece_median", 0.03),
    (FLOW, "latent_temperature", "ece_joint_max", 0.08),
)


def numbers(found: Mapping[str, Any]) -> Row:
    """The scores of a table's row with their intervals by clip."""
    return {key: found[key] for key in SCORES} | {
        "intervals": {key: found["intervals"][key] for key in SCORES}
    }


def predictions(name: str, split: str, root: Path, folder: Path) -> Path:
    """The predictions of a kept checkpoint, made where there are none."""
    path = folder / f"{name}_{split}.npz"
    if not path.exists():
        lift(open_cmu(root, split), open_lifter(CHECKPOINTS / name), path, log_prob=False)
    return path


def mean_change_mm(before: Path, after: Path) -> float:
    """The most that any joint of any mean pose has moved."""
    most = 0.0
    with open_predictions(before) as one, open_predictions(after) as other:
        for old, new in zip(one.chunks(), other.chunks(), strict=True):
            means = (weighted_mean(rows.hypotheses, rows.weights) for rows in (old, new))
            change = next(means) - next(means)
            most = max(most, float(change.norm(dim=-1).max()))
    return mm(most)


def repairs(name: str, root: Path, folder: Path) -> list[Row]:
    """One row for the test predictions as they are, and one for each method of samples."""
    val, test = (predictions(name, split, root, folder) for split in ("val", "test"))
    rows = [{"lifter": name, "method": "none", "val": None} | numbers(score(test))]
    show(rows[-1])
    for method in METHODS:
        if method == LatentTemperature.method:
            continue
        start = time.perf_counter()
        with open_predictions(val) as held_out:
            fitted = fit_file(held_out, method)
        fitting = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as place, open_predictions(test) as opened:
            fixed = repair_file(opened, fitted, Path(place) / "fixed.npz").path
            found = {"mean_pose_change_mm": mean_change_mm(test, fixed), **numbers(score(fixed))}
        about = {"lifter": name, "method": method, "val": fitted.effect, "fit_s": round(fitting, 1)}
        rows.append(about | found)
        show(rows[-1])
    return rows


def temperatures(root: Path) -> list[Row]:
    """The flow as it was trained, as it is shipped, and at the temperature chosen on val."""
    val, test = (open_cmu(root, split) for split in ("val", "test"))
    lifter: Any = open_lifter(FLOW)
    shipped = float(require_temperature(lifter))
    start = time.perf_counter()
    fitted = fit_lifter(lifter, val)
    fitting = time.perf_counter() - start
    rows = []
    for label, temperature in (("none", 1.0), ("as shipped", shipped)):
        lifter.temperature.fill_(temperature)
        rows.append(of_flow(lifter, label, temperature, test))
    chosen = recalibrated(lifter, fitted, 200)
    on_val = evaluate(chosen, val)
    about = {
        "val": {"after": {key: on_val[key] for key in SCORES[:3]}}, "fit_s": round(fitting, 1)
    }  # fmt: skip
    temperature = fitted.recalibration.parameters()["temperature"]
    rows.append(of_flow(chosen, "latent_temperature", temperature, test) | about)
    return rows


def of_flow(lifter: Lifter, method: str, temperature: float, source: Any) -> Row:
    """A row of the flow at some temperature."""
    about = {"lifter": FLOW, "method": method, "temperature": round(temperature, 3), "val": None}
    row = about | numbers(evaluate(lifter, source))
    show(row)
    return row


def show(row: Row) -> None:
    print(line(row), flush=True)


def within(row: Row, key: str, digits: int) -> str:
    """A number and its interval."""
    low, high = row["intervals"][key]
    return f"{row[key]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def line(row: Row) -> str:
    """A row of the Markdown table."""
    method = row["method"]
    if "temperature" in row:
        method += f", {row['temperature']:.2f}"
    val = row["val"]["after"] if row["val"] else None
    on_val = f"{val['ece_median']:.3f}, {val['ece_joint_max']:.3f}" if val else ""
    moved = f"{row['mean_pose_change_mm']:.4f}" if "mean_pose_change_mm" in row else ""
    cells = (
        row["lifter"], method, on_val, within(row, "ece_median", 3),
        within(row, "ece_joint_max", 3), within(row, "energy_score_mm", 0),
        f"{row['mpjpe_mean_mm']:.1f}", moved,
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


HEAD = """| lifter | repaired by | val: ECE, worst joint | test: ECE | worst joint | energy, mm | \
MPJPE of the mean, mm | mean pose moved by at most, mm |
|---|---|---|---|---|---|---|---|"""


def reached(rows: list[Row]) -> list[str]:
    """What was asked for beside what was found, a line each."""
    found = {(row["lifter"], row["method"]): row for row in rows}
    lines = []
    for name, method, key, most in MOST:
        value = found[name, method][key]
        verdict = "reached" if value <= most else "MISSED"
        lines.append(f"- {name}, {method}: test {key} {value:.3f}, at most {most}: {verdict}")
    return lines


def save(rows: list[Row], out: Path) -> None:
    """Every number as JSON; the table and what was to be reached as Markdown."""
    text = "\n".join([HEAD, *map(line, rows), "", *reached(rows)]) + "\n"
    for name, content in (("json", json.dumps(rows, indent=1) + "\n"), ("md", text)):
        with replacing(out / f"recalibration.{name}") as temporary:
            temporary.write_text(content, encoding="utf-8")


def main() -> None:
    """Make, repair and score the predictions, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the motion capture")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, help="folder of predictions made before")
    given = parser.parse_args()
    start = time.perf_counter()
    print(HEAD, flush=True)
    # One thread each: two processes fill two cores, two threads of one would not.
    workers = ProcessPoolExecutor(2, get_context("spawn"), torch.set_num_threads, (1,))
    with tempfile.TemporaryDirectory() as place, workers as pool:
        folder = given.predictions or Path(place)
        parts = [pool.submit(temperatures, given.root)]
        parts += [pool.submit(repairs, name, given.root, folder) for name in LIFTERS]
        rows = [row for part in (*parts[1:], parts[0]) for row in part.result()]
    save(rows, given.out)
    print("", *reached(rows), sep="\n")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()

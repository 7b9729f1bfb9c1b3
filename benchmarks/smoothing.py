"""What smoothing over a track does to posteriors of whole clips: accuracy and calibration.

    python benchmarks/smoothing.py --root CMU --out benchmarks/results

Every frame of the splits val and test is seen at 30 Hz by one camera a clip (`dense_tracks.py`)
and lifted by `coupling_flow`, 100 hypotheses each, once with detection errors that last half a
second and once with errors that are new in every frame. Models are fitted on val; test is scored
as by `poseterior diagnose` before and after, every fifth frame of it. At last every third second
of test loses 15 frames. Writes smoothing.json and smoothing.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dense_tracks import dense_tracks

from poseterior.batch.diagnose import diagnose
from poseterior.batch.lift import lift
from poseterior.batch.score import score
from poseterior.batch.smooth import smooth_file
from poseterior.batch.smooth_fit import fit_tracks
from poseterior.data.cmu import load_cmu
from poseterior.data.npz_writer import replacing
from poseterior.data.predictions import open_predictions
from poseterior.geometry.skeleton import H36M_17
from poseterior.smoothing.defaults import default_model
from poseterior.smoothing.kalman import StateSpace
from poseterior.training.shipped import open_lifter

HYPOTHESES = 100
ERRORS = ("lasting", "independent")
SCORES = (
    ("mpjpe_mean_mm", 1), ("energy_score_mm", 0), ("ece_median", 3), ("ece_joint_max", 3),
    ("sharpness_mm", 0),
)  # fmt: skip
SCORED = 5
GAP, EVERY = 15, 90
Row = dict[str, Any]


def lifted(split: str, errors: str, root: Path, folder: Path) -> Path:
    """The predictions of a split, made where there are none."""
    path = folder / f"{split}_{errors}.npz"
    if not path.exists():
        source = dense_tracks(load_cmu(root, split), correlated=errors == "lasting")
        lift(source, open_lifter("coupling_flow"), path, HYPOTHESES, log_prob=False)
    return path


def fitted(path: Path) -> dict[str, StateSpace]:
    """Both models fitted on held-out clips."""
    with open_predictions(path) as opened:
        return {name: fit_tracks(opened, name) for name in ("walk", "velocity")}


def candidates(models: dict[str, StateSpace], errors: str) -> dict[str, StateSpace]:
    """What is compared: fitted, as if errors did not last, and what was fitted to errors that do.

    The last is what is shipped, so that it is only told apart where errors do not last.
    """
    shipped = {"velocity, as shipped": default_model(H36M_17)} if errors != "lasting" else {}
    naive = {"velocity, naive (share 0)": replace(models["velocity"], share=0.0)}
    return models | shipped | naive


def measured(path: Path, about: Row) -> Row:
    """A row: scores and the spread factor of all joints with their intervals by clip."""
    with tempfile.TemporaryDirectory() as folder, np.load(path) as file:
        some = {name: a[::SCORED] if a.ndim else a for name, a in file.items()}
        np.savez(Path(folder) / "some.npz", **some)
        with open_predictions(Path(folder) / "some.npz") as opened:
            found = diagnose(opened)
    scores, common = found["score"], found["factors"]["common"]
    row = about | {"verdict": found["verdict"], "spread_factor": common["factor"]}
    row |= {name: scores[name] for name, _ in SCORES}
    intervals = {name: scores["intervals"].get(name) for name, _ in SCORES}
    row["intervals"] = intervals | {"spread_factor": common["interval"]}
    print(line(row), flush=True)
    return row


def smoothed(path: Path, model: StateSpace, out: Path) -> float:
    """Smooth a file; milliseconds a frame."""
    start = time.perf_counter()
    with open_predictions(path) as opened:
        done = smooth_file(opened, model, out)
    return 1e3 * (time.perf_counter() - start) / done.poses


def comparison(root: Path, folder: Path, place: Path, errors: str) -> tuple[list[Row], Row]:
    """The rows of one kind of errors, and the fitted models' numbers."""
    val, test = (lifted(split, errors, root, folder) for split in ("val", "test"))
    models = fitted(val)
    rows = [measured(test, {"errors": errors, "smoothed by": "nothing"})]
    for name, model in candidates(models, errors).items():
        about: Row = {"errors": errors, "smoothed by": name, "share": round(model.share, 2)}
        about["ms_a_frame"] = round(smoothed(test, model, place / "s.npz"), 2)
        rows.append(measured(place / "s.npz", about))
    numbers = {n: m.motion.parameters() | {"share": m.share} for n, m in models.items()}
    return rows, {"errors": errors, **numbers}


def gaps(root: Path, folder: Path, place: Path) -> list[Row]:
    """Filled frames against the same frames had they been lifted, by their place in the gap."""
    test = lifted("test", "lasting", root, folder)
    with np.load(test) as file:
        arrays = dict(file)
    missing = np.arange(len(arrays["frame"])) % EVERY >= EVERY - GAP
    holed = {k: v for k, v in arrays.items() if k not in ("target", "provenance")}
    np.savez(place / "holed.npz", **(holed | {"valid": ~missing}))
    rows = []
    for model in ("walk", "velocity"):
        smoothed(place / "holed.npz", default_model(H36M_17, model), place / "filled.npz")
        with np.load(place / "filled.npz") as file:
            filled, valid = file["filled"], file["valid"]
        for which, name in ((filled, "filled frames"), (valid & ~filled, "the others")):
            np.savez(place / "target.npz", target=arrays["target"], valid=which)
            found = score(place / "filled.npz", place / "target.npz")
            rows.append(
                {"smoothed by": model, "of": name, "poses": found["poses"]}
                | {key: found[key] for key, _ in SCORES}
                | {"intervals": {key: found["intervals"].get(key) for key, _ in SCORES}}
            )
    return rows


def within(row: Row, key: str, digits: int) -> str:
    """A number and its interval."""
    ends = row["intervals"].get(key)
    interval = f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]" if ends else ""
    return f"{row[key]:.{digits}f}{interval}"


def line(row: Row) -> str:
    """A row of the Markdown table."""
    cells = [row[key] for key in ("errors", "smoothed by", "of") if key in row]
    cells += [within(row, key, digits) for key, digits in SCORES]
    if "spread_factor" in row:
        cells += [within(row, "spread_factor", 2), row["verdict"]]
    return "| " + " | ".join(map(str, cells)) + " |"


HEAD = """| errors | smoothed by | MPJPE of the mean, mm | energy score, mm | ECE | worst joint | \
sharpness, mm | spread factor | verdict |
|---|---|---|---|---|---|---|---|---|"""
GAP_HEAD = """| smoothed by | of | MPJPE of the mean, mm | energy score, mm | ECE | worst joint \
| sharpness, mm |
|---|---|---|---|---|---|---|"""


def rounded(models: Row) -> str:
    """The numbers of the fitted models, a line each."""
    lines = []
    for name in ("walk", "velocity"):
        numbers = models[name]
        noise = next(value for key, value in numbers.items() if key.startswith("noise"))
        joints = [H36M_17.joints[j] for j in H36M_17.free]
        each = ", ".join(f"{j} {v:.2g}" for j, v in zip(joints, noise, strict=True))
        time_s = numbers.get("velocity_time_s")
        about = f", velocity time {time_s:.2f} s" if time_s else ""
        lines.append(
            f"- {name}, {models['errors']} errors: share {numbers['share']:.2f}{about}; {each}"
        )
    return "\n".join(lines)


def save(out: Path, rows: list[Row], models: list[Row], filled: list[Row]) -> None:
    """Every number as JSON; the tables as Markdown."""
    tables = [HEAD, *map(line, rows), "", *map(rounded, models), "", GAP_HEAD, *map(line, filled)]
    result = json.dumps({"rows": rows, "models": models, "gaps": filled}, indent=1)
    for suffix, content in (("json", result), ("md", "\n".join(tables))):
        with replacing(out / f"smoothing.{suffix}") as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")


def main() -> None:
    """Lift, fit, smooth and score, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the motion capture")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, help="folder of predictions made before")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    models: list[Row] = []
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        kept = given.predictions or place
        for errors in ERRORS:
            some, about = comparison(given.root, kept, place, errors)
            rows, models = rows + some, [*models, about]
            print(rounded(about), flush=True)
            save(given.out, rows, models, [])
        filled = gaps(given.root, kept, place)
    print(GAP_HEAD, *map(line, filled), sep="\n")
    save(given.out, rows, models, filled)


if __name__ == "__main__":
    main()

"""Turn a trained row of `mesh_table` into the weights and the model card of the package.

    python tools/ship_mesh_lifter.py STUDIES --method prohmr --root CMU

STUDIES is the `--out` of `poseterior study mesh_table`. The weights are stored in half precision
and scored as stored, on the observations and by the protocol of that study.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from model_card import fill

import poseterior
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.studies.mesh_data import mesh_data
from poseterior.studies.mesh_table import METHODS, MeshMethod, body_rows
from poseterior.studies.study import Rows, Scoring
from poseterior.studies.workshop import Trained, Workshop
from poseterior.training.checkpoint import CONFIG_FILE, load_lifter, save_model

WEIGHTS = Path(poseterior.__file__).parent / "weights"
COLUMNS = {
    "mpjpe_mm": "MPJPE, best of n, mm",
    "re_mm": "RE, best of n, mm",
    "vertex_mm": "vertex error, mm",
    "ece_median": "ECE",
    "coverage_90": "in 90 % regions",
    "energy_score_mm": "energy score, mm",
}


def scored(lifter: MeshLifter, workshop: Workshop, method: MeshMethod) -> Rows:
    """The rows that `mesh_table` would give the lifter."""
    trained = Trained(lifter=lifter, seconds=0.0, steps=0)
    scoring = Scoring(every=workshop.data.every)
    return body_rows({}, trained, method.choose(workshop), workshop, scoring)


def table(rows: Rows) -> str:
    """One line for each set of observations and n; 95 % intervals, resampled by clip."""
    lines = ["| observations | n | " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    for row in rows:
        cells = [row["data"], str(row["n"]), *(cell(row, key) for key in COLUMNS)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(row: dict[str, Any], key: str) -> str:
    """A value and its interval, if it has one."""
    digits = 1 if key.endswith("_mm") else 3
    interval = row.get(f"{key}_interval")
    told = f"{row[key]:.{digits}f}"
    return told if interval is None else f"{told} ({interval[0]:.1f} to {interval[1]:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path)
    parser.add_argument("--method", default="prohmr", choices=sorted(m.name for m in METHODS))
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()
    run, out = arguments.studies / "checkpoints" / arguments.method, WEIGHTS / arguments.method
    trained = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))["provenance"]
    save_model(load_lifter(run, MESH_LIFTERS), out, half=True, provenance=trained)
    stored = load_lifter(out, MESH_LIFTERS)
    assert isinstance(stored, MeshLifter)
    method = next(m for m in METHODS if m.name == arguments.method)
    data = mesh_data("cmu", arguments.root, {}, arguments.studies)
    text = table(scored(stored, Workshop(data, arguments.studies), method))
    print(text)
    fill(out / "MODEL_CARD.md", text)


if __name__ == "__main__":
    main()

"""Copy the files of finished studies, and small weights of them, to where the project keeps them.

    python tools/keep_results.py STUDIES

STUDIES is the `--out` of `poseterior study`. Weights are kept in half precision.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from poseterior.lifters import LIFTERS
from poseterior.studies import STUDIES
from poseterior.training.checkpoint import CONFIG_FILE, load_lifter, save_model

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
# Studies that compute only, whose files are all kept.
COMPUTED = ("oks_theory",)
KEPT = ("gaussian", "gaussian_minmpjpe", "cinn")
MOST_MB = 12


def keep(studies: Path, results: Path = RESULTS) -> list[Path]:
    """Copy all there is; the files made."""
    results.mkdir(parents=True, exist_ok=True)
    files = [
        path
        for name in (*STUDIES, *COMPUTED)
        for path in sorted(studies.glob(f"{name}[._]*"))
        if path.is_file()
    ]
    made = [Path(shutil.copy(path, results / path.name)) for path in files]
    for name in KEPT:
        source, folder = studies / "checkpoints" / name, results / "checkpoints" / name
        if source.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            made_from = json.loads((source / CONFIG_FILE).read_text())["provenance"]
            save_model(load_lifter(source, LIFTERS), folder, half=True, provenance=made_from)
            size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
            if size > MOST_MB:
                raise SystemExit(f"{folder}: {size:.1f} MB")
            made.append(folder)
    return made


if __name__ == "__main__":
    print(*keep(Path(sys.argv[1])), sep="\n")

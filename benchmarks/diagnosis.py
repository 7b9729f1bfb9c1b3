"""How long all diagnostics take, and how much memory: 10,000 poses x 200 hypotheses x 17 joints.

    python benchmarks/diagnosis.py [--poses 10000] [--repeats 3]

`poseterior diagnose` in a process of its own, from the file to the JSON and the page; beside it
`poseterior score` on the same file, taking turns. Times are medians, memory the largest.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from poseterior.data.predictions import write_predictions
from poseterior.geometry.skeleton import H36M_17
from poseterior.studies.known_faults import known_posterior

BLOCK = 500


def write(path: Path, poses: int, hypotheses: int) -> None:
    """A predictions file of a right posterior, in clips of 100 rows."""
    with write_predictions(path, poses, H36M_17) as out:
        for start in range(0, poses, BLOCK):
            rows = min(BLOCK, poses - start)
            drawn, target = known_posterior("right", rows, hypotheses, seed=start)
            clip = np.arange(start, start + rows) // 100
            out.write(
                start,
                np.ones(rows, bool),
                hypotheses=drawn.numpy(),
                target=target.numpy(),
                clip=clip,
            )


def timed(command: list[str]) -> float:
    """Wall seconds of a command of ours."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "poseterior", *command], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def main() -> None:
    """Time both and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poses", type=int, default=10_000)
    parser.add_argument("--hypotheses", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "predictions.npz"
        write(path, given.poses, given.hypotheses)
        outputs = ["--json", str(folder / "d.json"), "--report", str(folder / "d.html")]
        commands = {
            "diagnose": ["diagnose", str(path), *outputs],
            "score": ["score", str(path)],
        }
        seconds: dict[str, list[float]] = {key: [] for key in commands}
        for _ in range(given.repeats):
            for key, command in commands.items():
                seconds[key].append(timed(command))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    print(
        f"{given.poses} poses x {given.hypotheses} hypotheses x 17 joints, {os.cpu_count()} cores"
    )
    for key, each in seconds.items():
        print(f"  {key:10}{statistics.median(each):8.1f} s (of {len(each)})")
    print(f"  largest process {peak:.0f} MiB")


if __name__ == "__main__":
    main()

"""The memory of `poseterior smooth`, which must not grow with the length of a track.

    python benchmarks/smooth_memory.py [--rows 1500 6000 24000] [--hypotheses 200]

One person's walk at 30 Hz as a predictions file, a twentieth of its rows missing; printed are
the peak resident memory and the time of the command in a process of its own, one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from poseterior.data.predictions import write_predictions
from poseterior.geometry.skeleton import H36M_17

CHUNK = 100


def write(path: Path, rows: int, hypotheses: int) -> None:
    """A walk of every joint, errors of 5 cm."""
    rng = np.random.default_rng(0)
    place = np.zeros((17, 3))
    with write_predictions(path, rows, H36M_17) as out:
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            poses = place + 0.01 * rng.normal(size=(count, 17, 3)).cumsum(0)
            place = poses[-1]
            drawn = rng.standard_normal((count, hypotheses, 17, 3), np.float32)
            poses = (poses + 0.05 * rng.normal(size=poses.shape))[:, None] + 0.05 * drawn
            poses[:, :, 0] = 0
            valid = rng.random(count) > 0.05
            out.write(start, valid, hypotheses=poses, frame=np.arange(start, start + count))


def smoothed(path: Path) -> tuple[float, float]:
    """MB and seconds of the command."""
    command = ["poseterior", "smooth", str(path), "--out", str(path.with_name("s.npz"))]
    begun = time.perf_counter()
    script = "from poseterior.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *command[1:]],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024, time.perf_counter() - begun


def main() -> None:
    """A line for each length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1500, 6000, 24000])
    parser.add_argument("--hypotheses", type=int, default=200)
    given = parser.parse_args()
    print("| rows | file, MB | peak memory, MB | seconds |\n|---|---|---|---|")
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "walk.npz"
            write(path, rows, given.hypotheses)
            memory, seconds = smoothed(path)
            size = path.stat().st_size / 1e6
        print(f"| {rows} | {size:.0f} | {memory:.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""COCO's metrics and `poseterior confidence` on a results file: time and memory.

    OMP_NUM_THREADS=1 python benchmarks/confidence.py [--images 5000] [--rounds 3]

Generated annotations and results (`tests/oracles/coco_files.py`). Rounds of ours and of
pycocotools on the same files take turns; both read the files, and the ten numbers must be equal.
Then the command, in a process of its own, with its wall time and peak memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from poseterior.batch.confidence_scores import ScoredResults
from poseterior.confidence.coco_score import KEYS, CocoScore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.coco_files import coco_files, write

COMMAND = [sys.executable, "-m", "poseterior", "confidence"]


def timed(function: Callable[[], list[float]], taken: list[float]) -> list[float]:
    """What a function gives; its processor time is noted."""
    start = time.process_time()
    found = function()
    taken.append(time.process_time() - start)
    return found


def ours(results: Path, annotations: Path) -> list[float]:
    """The ten numbers, from the files."""
    read = ScoredResults.read(results, annotations)
    found = CocoScore(read.people, read.results, read.groups, read.oks)(read.results.score)
    return [-1.0 if found[key] is None else found[key] for key in KEYS]


def theirs(results: Path, annotations: Path) -> list[float]:
    """The ten numbers by pycocotools, from the files."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        run = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats.tolist()


def metrics(files: tuple[Path, Path], rounds: int) -> None:
    """Print the times of both, in turns."""
    mine: list[float] = []
    other: list[float] = []
    for _ in range(rounds):
        equal = timed(lambda: ours(*files), mine) == timed(lambda: theirs(*files), other)
        assert equal, "the numbers differ"
    fast, slow = statistics.median(mine), statistics.median(other)
    print(f"COCO's metrics: ours {fast:.1f} s, pycocotools {slow:.1f} s: {slow / fast:.1f} times; "
          "equal to the last digit")  # fmt: skip


def command(files: tuple[Path, Path], method: str, folder: Path) -> None:
    """Print wall time and peak memory of the command."""
    out, report = folder / "fixed.json", folder / "report.json"
    options = ["--method", method, "--out", str(out), "--json", str(report)]
    arguments = [*COMMAND, str(files[0]), "--annotations", str(files[1]), *options]
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0, f"{method} ended with {status}"
    numbers = json.loads((folder / "report.json").read_text())
    before, after = (numbers[when]["map"] for when in ("before", "after"))
    print(f"{method}: {seconds:.1f} s wall, {usage.ru_utime + usage.ru_stime:.1f} s processor, "
          f"{usage.ru_maxrss / 2**20:.2f} GiB; mAP {before:.3f} -> {after:.3f}")  # fmt: skip


def main() -> None:
    """Generate, compare, run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spurious", type=float, default=10.0, help="detections of nobody")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        annotations, results = coco_files(options.images, spurious=options.spurious)
        files = write(folder, annotations, results)
        print(f"{options.images} images, {len(annotations['annotations'])} people, "
              f"{len(results)} detections, {files[0].stat().st_size / 2**20:.0f} MiB")  # fmt: skip
        del annotations, results
        for method in ("closed_form", "isotonic", "temperature"):
            command(files, method, folder)
        metrics(files, options.rounds)


if __name__ == "__main__":
    main()

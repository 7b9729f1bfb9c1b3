"""COCO's metrics and `poseterior confidence` on a results file: time and memory.

    OMP_NUM_THREADS=1 python benchmarks/confidence.py [--images 5000] [--rounds 3]

Generated annotations and results (`tests/oracles/coco_files.py`). The
command in a process of its own, with its wall time and peak memory; then rounds of ours and of
pycocotools on the same files take turns, and their ten numbers must be equal.
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
from collections.abc import Iterator
from pathlib import Path

from poseterior.confidence.coco_score import KEYS, CocoScore
from poseterior.confidence.parts import sigmas_of
from poseterior.confidence.similarity import groups, similarity
from poseterior.data.coco import read_people, read_results

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracles.coco_files import coco_files, write

COMMAND = [sys.executable, "-m", "poseterior", "confidence"]


Taken = dict[str, list[float]]


@contextlib.contextmanager
def timed(taken: Taken, what: str) -> Iterator[None]:
    """Note the processor time of the block, which other programs disturb less than wall time."""
    start = time.process_time()
    yield
    taken.setdefault(what, []).append(time.process_time() - start)


def ours(results: Path, annotations: Path, taken: Taken) -> list[float]:
    """The ten numbers, from the files."""
    with timed(taken, "reading"):
        people = read_people(annotations)
        found = read_results(results, people)
    with timed(taken, "metrics"):
        together = groups(people, found)
        oks = [similarity(group, people, found, sigmas_of(people)) for group in together]
        numbers = CocoScore(people, found, together, oks)(found.score)
    return [-1.0 if (value := numbers[key]) is None else value for key in KEYS]


def theirs(results: Path, annotations: Path, taken: Taken) -> list[float]:
    """The ten numbers by pycocotools, from the files."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        with timed(taken, "reading"):
            truth.dataset = json.loads(annotations.read_text())
            found = json.loads(results.read_text())
        with timed(taken, "metrics"):
            truth.createIndex()
            run = COCOeval(truth, truth.loadRes(found), "keypoints")
            run.evaluate()
            run.accumulate()
            run.summarize()
    return run.stats.tolist()


def metrics(files: tuple[Path, Path], rounds: int) -> None:
    """Print the times of both, in turns."""
    mine: Taken = {}
    other: Taken = {}
    for _ in range(rounds):
        assert ours(*files, mine) == theirs(*files, other), "the numbers differ"
    for what, of in (("alone", ("metrics",)), ("and reading", ("metrics", "reading"))):
        fast, slow = (sum(statistics.median(taken[key]) for key in of) for taken in (mine, other))
        print(f"COCO's metrics {what}: ours {fast:.1f} s, pycocotools {slow:.1f} s: "
              f"{slow / fast:.1f} times")  # fmt: skip
    print("their ten numbers are equal to the last digit")


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
    parser.add_argument("--no-command", action="store_true", help="the metrics only")
    parser.add_argument("--spurious", type=float, default=10.0, help="detections of nobody")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        annotations, results = coco_files(options.images, spurious=options.spurious)
        files = write(folder, annotations, results)
        print(f"{options.images} images, {len(annotations['annotations'])} people, "
              f"{len(results)} detections, {files[0].stat().st_size / 2**20:.0f} MiB")  # fmt: skip
        del annotations, results
        for method in () if options.no_command else ("closed_form", "isotonic", "temperature"):
            command(files, method, folder)
        metrics(files, options.rounds)


if __name__ == "__main__":
    main()

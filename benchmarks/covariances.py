"""What the detector's covariances are worth to a flow: `coupling_flow` against points alone.

    python benchmarks/covariances.py --root CMU --studies studies --out benchmarks/results

The rows `coupling_flow` and `coupling_flow_points` of the study `ambiguous` (same network, data,
seed and steps; `studies` is its `--out`, where both were trained) again, pose by pose: both see
the same poses, so what counts is the interval of their difference, resampled by clip, and not
whether the intervals of the two rows meet. The study's 174 and 553 poses leave calibration
unsure, so the same clips are also seen anew, five times by other cameras with other detector
errors. Writes covariances.json and covariances.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poseterior.batch.blocks import Sampling, lifted_blocks
from poseterior.data.cmu import load_cmu
from poseterior.data.keypoint_source import MemorySource
from poseterior.data.npz_writer import replacing
from poseterior.data.observed_anew import observed_anew
from poseterior.geometry.units import mm
from poseterior.metrics.bootstrap import ClipGroups, GroupSums, interval, resamples
from poseterior.metrics.coverage import Coverage, calibration_error, median_over_joints
from poseterior.metrics.pose_error import mpjpe
from poseterior.metrics.scores import energy_score
from poseterior.posterior import Lifter
from poseterior.studies.ambiguous import SUBSETS, Subset
from poseterior.studies.study_data import study_data
from poseterior.studies.workshop import Trained, Workshop

HYPOTHESES = 200
ERRORS = ("min_mpjpe_mm", "energy_score_mm")
ROWS = ("coupling_flow", "coupling_flow_points")
ANEW = 5


def measured(lifter: Lifter, sources: Sequence[MemorySource]) -> tuple[GroupSums, Coverage]:
    """By clip: how many poses, the sums of their errors, and their coverage."""
    groups, sums, coverage = ClipGroups(), GroupSums(3), Coverage(lifter.skeleton)
    free = list(lifter.skeleton.free)
    sampling = Sampling(HYPOTHESES, 0, log_prob=False)
    for rows in chain.from_iterable(lifted_blocks(one, lifter, sampling) for one in sources):
        target = rows.target
        assert target is not None
        group = groups(rows.labels["clip"], len(rows))
        least = mpjpe(rows.hypotheses, target[:, None]).amin(1)
        score = energy_score(rows.hypotheses[:, :, free], target[:, free])
        sums.add(group, torch.stack([torch.ones_like(score), mm(least), mm(score)], 1))
        coverage.update(rows.hypotheses, target, group=group)
    return sums, coverage


def scores(sums: GroupSums, coverage: Coverage, draws: Tensor) -> Tensor:
    """(R, 3): both errors and the ECE, the clips drawn as `draws` (R, G) says."""
    total = draws @ sums.sums
    ece = calibration_error(median_over_joints(coverage.resampled(draws)))
    return torch.cat([total[:, 1:] / total[:, :1], ece[:, None]], 1)


def compared(
    trained: dict[str, Trained], seen: str, sources: Sequence[MemorySource], subset: Subset
) -> dict[str, Any]:
    """Both rows and their difference, each with its 95 % interval by clip."""
    chosen = [subset.of(source) for source in sources]
    found = {name: measured(one.lifter, chosen) for name, one in trained.items()}
    clips = len(found[ROWS[0]][0].sums)
    draws = torch.cat([torch.ones(1, clips, dtype=torch.float64), resamples(clips)])
    by = {name: scores(*parts, draws) for name, parts in found.items()}
    by["difference"] = by[ROWS[1]] - by[ROWS[0]]
    poses = sum(one.rows for one in chosen)
    row: dict[str, Any] = {"seen": seen, "subset": subset.name, "poses": poses, "clips": clips}
    for name, values in by.items():
        least = -torch.inf if name == "difference" else 0.0
        row[name] = {
            key: {"value": float(v[0]), "interval": interval(v[1:], float(v[0]), least=least)}
            for key, v in zip((*ERRORS, "ece_median"), values.T, strict=True)
        }
    return row


def line(row: dict[str, Any], name: str) -> str:
    """A row of the Markdown table."""
    cells = [row["seen"], row["subset"], str(row["poses"]), str(row["clips"]), name]
    for key, digits in (("min_mpjpe_mm", 1), ("energy_score_mm", 1), ("ece_median", 3)):
        value, (low, high) = row[name][key]["value"], row[name][key]["interval"]
        cells.append(f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")
    return "| " + " | ".join(cells) + " |"


HEAD = """| seen | poses with | poses | clips | row | best of 200, mm | energy score, mm | ECE |
|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Read both lifters, score them, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the motion capture")
    parser.add_argument("--studies", type=Path, required=True, help="--out of the study")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = study_data("cmu", given.root)
    workshop = Workshop(data, given.studies)
    trained = {ROWS[0]: workshop.trained(ROWS[0]), ROWS[1]: workshop.trained(ROWS[0], "_points")}
    clips = load_cmu(given.root, "test")
    anew = [observed_anew(clips, seed=seed) for seed in range(1, ANEW + 1)]
    sources = {"as in the study": [data.test], "anew": anew}
    rows = [compared(trained, *seen, s) for seen in sources.items() for s in SUBSETS["cmu"]]
    steps = {name: one.steps for name, one in trained.items()}
    table = [HEAD, *(line(row, name) for row in rows for name in (*ROWS, "difference"))]
    result = json.dumps({"steps": steps, "hypotheses": HYPOTHESES, "rows": rows}, indent=1)
    for suffix, content in (("json", result), ("md", "\n".join(table))):
        with replacing(given.out / f"covariances.{suffix}") as temporary:
            temporary.write_text(content + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()

"""Whether conformal regions cover as often as they say, on clips that they were not fitted on.

    python benchmarks/conformal.py --test PRED_TEST.npz ... [--val PRED_VAL.npz ...]
        [--level 0.9] [--splits 200] [--seed 0] [--out DIR]

Predictions files as `poseterior lift` writes them, with `target` and `clip`. The clips of each
test file are split at random into halves, one to fit the regions and one to check them, by every
rule. Printed are means over the splits, of

- frames: the share of all frames of the check half that are covered (and its standard deviation
  over splits);
- clips: the mean over clips of the check half of that share;
- the least and the largest share of frames of a single joint;
- radius: the mean radius in mm (of joints; of all joints at once; of the vector of all joints).

With a val file, regions fitted on all of it are checked on all of the test file, with a 95 %
interval that resamples the test clips.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poseterior.data.predictions import open_predictions
from poseterior.metrics.bootstrap import GroupSums, interval, resamples
from poseterior.recalibration.conformal_bounds import Bounds, ScoreHistograms
from poseterior.recalibration.conformal_regions import (
    centre_and_spread,
    region_scores,
    score_names,
)
from poseterior.recalibration.conformal_rules import RULES

KINDS = ("joint", "all_joints", "vector")


@dataclass(frozen=True)
class Scored:
    """What a predictions file says of regions: scores and spreads in mm, (M, K + 2); clips (M,)."""

    name: str
    kinds: tuple[str, ...]
    scores: Tensor
    spread_mm: Tensor
    clip: Tensor
    clips: int

    def of(self, clips: Tensor) -> Tensor:
        """Which rows (M,) are of some clips."""
        return torch.isin(self.clip, clips)


def read(path: Path) -> Scored:
    """Scores of a file, streamed; of all joints at once the spread is the mean of theirs."""
    scores, spreads, labels = [], [], []
    with open_predictions(path) as opened:
        for rows in opened.chunks():
            scores.append(region_scores(rows, opened.skeleton, path))
            each = centre_and_spread(rows, opened.skeleton)[1]
            whole = torch.stack([each.mean(-1), each.norm(dim=-1)], -1)
            spreads.append(1e3 * torch.cat([each, whole], -1))
            labels += rows.labels["clip"].tolist()
        names = score_names(opened.skeleton)
    known = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    clip = torch.tensor([known[label] for label in labels])
    return Scored(path.stem, names, torch.cat(scores), torch.cat(spreads), clip, len(known))


def fitted(scored: Scored, rows: Tensor, level: float) -> dict[str, Tensor]:
    """The bounds (K + 2,) of some rows by every rule."""
    histograms = ScoreHistograms(len(scored.kinds))
    histograms.add(scored.scores[rows], scored.clip[rows])
    return {
        rule: Bounds.fit(histograms, scored.kinds, rule, [level]).values[:, 0] for rule in RULES
    }


def kinds(values: Tensor) -> dict[str, float]:
    """(..., K + 2) -> means of the joints, of all joints at once and of the vector."""
    mean = values.double().reshape(-1, values.shape[-1]).mean(0)
    return dict(zip(KINDS, [mean[:-2].mean().item(), *mean[-2:].tolist()], strict=True))


def by_clip(scored: Scored, rows: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Covered frames (G, K + 2) and frames (G, 1) of the clips of some rows."""
    covered = (scored.scores[rows] <= bound).double()
    sums = GroupSums(covered.shape[1] + 1)
    sums.add(scored.clip[rows], torch.cat([covered, torch.ones(len(covered), 1)], 1))
    some = sums.sums[sums.sums[:, -1] > 0]
    return some[:, :-1], some[:, -1:]


def splits(scored: Scored, count: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of the fit half and of the check half of the clips, at random."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        fit = torch.randperm(scored.clips, generator=generator)[: scored.clips // 2]
        chosen = scored.of(fit)
        yield chosen, ~chosen


def over_splits(scored: Scored, level: float, count: int, seed: int) -> list[dict[str, Any]]:
    """One row a rule and kind of region: means over splits."""
    frames: dict[str, list[Tensor]] = {rule: [] for rule in RULES}
    clips: dict[str, list[Tensor]] = {rule: [] for rule in RULES}
    radius: dict[str, list[Tensor]] = {rule: [] for rule in RULES}
    for fit, check in splits(scored, count, seed):
        for rule, bound in fitted(scored, fit, level).items():
            covered, number = by_clip(scored, check, bound)
            frames[rule].append(covered.sum(0) / number.sum())
            clips[rule].append((covered / number).mean(0))
            radius[rule].append(bound * scored.spread_mm[check].mean(0))
    return [
        row
        for rule in RULES
        for row in _rows(*(torch.stack(part[rule]) for part in (frames, clips, radius)), rule)
    ]


def _rows(frames: Tensor, clips: Tensor, radius: Tensor, rule: str) -> Iterator[dict[str, Any]]:
    joints = frames.mean(0)[:-2]
    deviation = {
        "joint": frames[:, :-2].mean(1).std().item(),
        "all_joints": frames[:, -2].std().item(),
        "vector": frames[:, -1].std().item(),
    }
    for kind in KINDS:
        yield {
            "region": kind,
            "rule": rule,
            "frames": kinds(frames)[kind],
            "frames_sd": deviation[kind],
            "clips": kinds(clips)[kind],
            "joint_least": joints.min().item() if kind == "joint" else None,
            "joint_most": joints.max().item() if kind == "joint" else None,
            "radius_mm": kinds(radius)[kind],
        }


def val_to_test(val: Scored, test: Scored, level: float) -> list[dict[str, Any]]:
    """One row a rule and kind of region: coverage of test with its interval by clip."""
    rows = []
    for rule, bound in fitted(val, torch.ones_like(val.clip, dtype=torch.bool), level).items():
        covered, number = by_clip(test, torch.ones_like(test.clip, dtype=torch.bool), bound)
        draws = resamples(len(covered))
        drawn = (draws @ covered) / (draws @ number)
        found, radius = covered.sum(0) / number.sum(), bound * test.spread_mm.mean(0)
        for kind, at in zip(KINDS, (slice(0, -2), slice(-2, -1), slice(-1, None)), strict=True):
            share = found[at].mean().item()
            rows.append({
                "region": kind,
                "rule": rule,
                "frames": share,
                "interval": interval(drawn[:, at].mean(1), share),
                "clips": (covered / number)[:, at].mean().item(),
                "radius_mm": radius[at].mean().item(),
            })  # fmt: skip
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    names = list(rows[0])
    lines = [" | ".join(names), " | ".join(["---"] * len(names))]
    lines += [" | ".join(_cell(name, row[name]) for name in names) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " to ".join(f"{end:.3f}" for end in value)
    return f"{value:.0f}" if name.endswith("_mm") else f"{value:.3f}"


def main() -> None:
    """Read, split, print, and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", type=Path, nargs="+", required=True)
    parser.add_argument("--val", type=Path, nargs="+", default=[])
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder of conformal.json and conformal.md")
    given = parser.parse_args()
    if given.val and len(given.val) != len(given.test):
        parser.error("as many --val files as --test files, in the same order")
    result: dict[str, Any] = {name: vars(given)[name] for name in ("level", "splits", "seed")}
    text = [f"# Conformal regions at {given.level:g}, {given.splits} splits of the test clips"]
    for index, path in enumerate(given.test):
        test = read(path)
        found: dict[str, Any] = {"clips": test.clips, "poses": len(test.clip)}
        found["splits"] = over_splits(test, given.level, given.splits, given.seed)
        text += [f"## {test.name}: halves of {test.clips} clips", table(found["splits"])]
        if given.val:
            val = read(given.val[index])
            found["val_clips"], rows = val.clips, val_to_test(val, test, given.level)
            found["val_to_test"] = rows
            text += [f"## {val.name} ({val.clips} clips) to {test.name}", table(rows)]
        result[test.name] = found
    page = "\n\n".join(text) + "\n"
    print(page, end="")
    if given.out:
        (given.out / "conformal.json").write_text(json.dumps(result, indent=1) + "\n")
        (given.out / "conformal.md").write_text(page)


if __name__ == "__main__":
    main()

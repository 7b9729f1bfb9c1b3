"""`ablation`: what each part of `cinn` is for (paper 001, Section 4.6 and Table 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poseterior.posterior import Lifter
from poseterior.studies.ambiguous import SUBSETS
from poseterior.studies.scored import scored
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop
from poseterior.training.recipes import RECIPES

__all__ = ["ABLATION", "VARIANTS", "Variant"]


@dataclass(frozen=True)
class Variant:
    """`cinn` with fields of its config changed; without changes it is the method itself."""

    name: str
    changes: Mapping[str, Any]

    def lifter_of(self, workshop: Workshop) -> tuple[Lifter, dict[str, Any]]:
        """The variant's lifter, trained or found, and what to tell of its training."""
        key = f"cinn_{self.name}" if self.changes else ""
        trained = workshop.trained("cinn", changes=self.changes, key=key)
        return trained.lifter, {"train_s": trained.seconds, "steps": trained.steps}

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        """Train, or find, and score on the ambiguous poses, as the paper does."""
        lifter, about = self.lifter_of(workshop)
        rows = []
        for subset in SUBSETS[workshop.data.name]:
            row = scored(lifter, subset.of(workshop.data.test), scoring)
            rows.append({"method": self.name, "subset": subset.name, **row, **about})
        return rows


_PUBLISHED_STEPS = RECIPES["cinn"]["paper"].steps
VARIANTS = (
    Variant("full", {}),
    Variant("no_condition", {"condition": False}),
    Variant("no_heatmap_loss", {"heatmap": 0.0}),
    Variant("no_generator_loss", {"generator": 0.0}),
    Variant("no_best_of_m", {"best_of_m": 0.0}),
    Variant("best_1", {"best": 1}),
    Variant("best_10", {"best": 10}),
    Variant("best_50", {"best": 50}),
)


def _notes(rows: Rows) -> Sequence[str]:
    """Which parts do not help on these data, against what the paper finds."""
    first = [row for row in rows if row["subset"] == rows[0]["subset"]]
    full = next((row for row in first if row["method"] == "full"), None)
    if full is None or len(first) < 2:
        return []
    error, key = full["min_mpjpe_mm"], "min_mpjpe_mm"
    worse = [f"{row['method']} {row[key]:.1f}" for row in first if row[key] > error]
    others = [row for row in first if row is not full and row[key] <= error]
    better = [f"{row['method']} {row[key]:.1f}" for row in others]
    said = (
        f"Paper 001 finds that every part helps. Here, on {full['subset']}, the best hypothesis "
        f"of the full method is {error:.1f} mm off"
    )
    said += f"; worse: {', '.join(worse) or 'none'}; not worse: {', '.join(better) or 'none'}."
    share = _PUBLISHED_STEPS / full["steps"]
    short = (
        f"These trainings have one step for {share:.0f} published: parts that pay late do not show."
    )
    return [said, short] if full["steps"] < _PUBLISHED_STEPS / 10 else [said]


ABLATION = Study(
    name="ablation",
    title="cinn without each of its parts",
    rows=tuple(Row(variant.name, variant.run) for variant in VARIANTS),
    notes=_notes,
)

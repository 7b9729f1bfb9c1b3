"""`table1`: every method under one protocol, accuracy beside calibration (paper 000, Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from poseterior.posterior import Lifter
from poseterior.studies.scored import scored, thinned
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["METHODS", "TABLE1", "Method"]


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        name: of the row.
        lifter: in `LIFTERS`.
        suffix: of the preset.
        read: changes how the trained lifter is sampled, in place; None for as it is.
    """

    name: str
    lifter: str
    suffix: str = ""
    read: Callable[[Any], Lifter] | None = None

    def lifter_of(self, workshop: Workshop) -> tuple[Lifter, dict[str, Any]]:
        """The method's lifter, trained or found, and what to tell of its training."""
        trained = workshop.trained(self.lifter, self.suffix)
        lifter = trained.lifter if self.read is None else self.read(trained.lifter)
        return lifter, {
            "lifter": self.lifter, "train_s": trained.seconds, "steps": trained.steps,
            "temperature": trained.temperature,
        }  # fmt: skip

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        """Train, or find, and score."""
        lifter, about = self.lifter_of(workshop)
        row = scored(lifter, thinned(workshop.data.test, scoring.every), scoring)
        return [{"method": self.name, **row, **about}]


def _means(lifter: Any) -> Lifter:
    """A mixture's kernel means as its hypotheses, as Li and Lee evaluate."""
    lifter.config = replace(lifter.config, hypotheses="means")
    return lifter


METHODS = (
    Method("mean_pose", "mean_pose"),
    Method("simple_baseline", "simple_baseline"),
    Method("semgcn", "semgcn"),
    Method("gaussian_minmpjpe", "gaussian", "_minmpjpe"),
    Method("gaussian_nll", "gaussian"),
    Method("cvae", "cvae"),
    Method("mdn_means", "mdn", read=_means),
    Method("mdn_samples", "mdn"),
    Method("graph_mdn", "graph_mdn"),
    Method("heatmap_noise", "heatmap_noise"),
    Method("cinn", "cinn"),
    Method("glow", "glow"),
    Method("cgnf", "cgnf"),
    Method("coupling_flow", "coupling_flow"),
)


# Paper 000, Table 1: trained to have one good sample.
_BY_SAMPLES = ("gaussian_minmpjpe", "cvae", "mdn_means", "cinn")


def _ece(row: dict[str, Any]) -> str:
    return "not defined" if row["ece_median"] is None else f"{row['ece_median']:.3f}"


def _notes(rows: Rows) -> Sequence[str]:
    """What the table says of the papers' claims, from its own numbers."""
    by = {row["method"]: row for row in rows}
    said = []
    if {"gaussian_minmpjpe", "gaussian_nll"} <= by.keys():
        best, nll = by["gaussian_minmpjpe"], by["gaussian_nll"]
        times = best["ece_median"] / nll["ece_median"]
        said.append(
            "One sigma for all observations is a poor model of errors that vary from frame to "
            f"frame: even by NLL its ECE is {nll['ece_median']:.2f}; trained by minMPJPE it is "
            f"{best['ece_median']:.2f}, {times:.1f} times as much, for a min MPJPE of "
            f"{best['min_mpjpe_mm']:.1f} instead of {nll['min_mpjpe_mm']:.1f} mm."
        )
    sampled = [name for name in _BY_SAMPLES if name in by]
    if sampled:
        others = [name for name in sampled if by[name]["verdict"] != "overconfident"]
        verdicts = ", ".join(f"{name} {by[name]['verdict']}" for name in sampled)
        contrary = f" Not so here: {', '.join(others)}." if others else ""
        said.append(
            "Methods trained on samples or the best of them should be overconfident (paper 000): "
            f"{verdicts}.{contrary}"
        )
    lowest = min(
        (row for row in rows if row["energy_score_mm"] is not None),
        key=lambda row: row["energy_score_mm"], default=None,
    )  # fmt: skip
    if lowest:
        said.append(
            f"The lowest energy score, {lowest['energy_score_mm']:.1f} mm, is that of "
            f"{lowest['method']}; its ECE is {_ece(lowest)}."
        )
    if "glow" in by:
        said.append(
            "glow: its volume does not depend on the input, so neither does the density at its "
            "mode; it cannot be wider where the observation says less."
        )
    if "mean_pose" in by:
        said.append("mean_pose ignores its input: a good ECE alone says nothing of accuracy.")
    return said


TABLE1 = Study(
    name="table1",
    title="Every method under one protocol: accuracy beside calibration",
    rows=tuple(Row(method.name, method.run) for method in METHODS),
    notes=_notes,
)

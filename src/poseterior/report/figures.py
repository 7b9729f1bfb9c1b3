"""The sections with charts: calibration, spread and error by joint, errors over poses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from poseterior.report import charts
from poseterior.report.curve import reliability
from poseterior.report.examples import Examples
from poseterior.report.numbers import finite, named
from poseterior.report.parts import chart, missing, section
from poseterior.report.verdict import scored

__all__ = ["by_joint", "calibration", "errors", "spread_of_joints"]


def calibration(result: Mapping[str, Any]) -> str:
    """Reliability as a whole and joint by joint."""
    if not reliability(result):
        return missing("Calibration", _why_uncalibrated(result))
    ece = charts.joint_values(result.get("per_joint"), "ece")
    whole = chart(
        "Reliability",
        "How often the region that should hold a share of the targets holds them. Dashed: a "
        "perfect posterior; grey: its reach by chance if poses were independent. Frames of one "
        "clip are not, so the true band is wider.",
        charts.reliability_chart(result),
    )
    joints = chart(
        "By joint",
        "Mean distance of each joint's own curve from the diagonal. The curve over "
        "all poses is the median joint's: it cannot show one joint that is too sure.",
        charts.joint_bars(ece, "Calibration error (ECE)", 3),
    )
    tiles = chart(
        "Reliability of each joint",
        "As above, one joint at a time. Orange, below the dashes: too sure of itself. "
        "Blue, above: not sure enough.",
        charts.coverage_tiles(result),
    )
    return section("Calibration", f'<div class="two">{whole}{joints}</div>{tiles}')


def _why_uncalibrated(result: Mapping[str, Any]) -> str:
    if not scored(result):
        return "Calibration needs a target for each pose."
    if finite(result.get("hypotheses")) == 1:
        return "One hypothesis per pose has no spread to calibrate."
    return "The result holds no reliability curve."


def by_joint(result: Mapping[str, Any], examples: Examples | None) -> str:
    """Spread and error of each joint, in the same order; empty where neither is known."""
    spread = charts.joint_values(result.get("per_joint"), "spread_mm")
    where = "all poses"
    if not spread and examples is not None and examples.hypotheses.shape[1] > 1:
        spread, where = spread_of_joints(examples), f"the {len(examples)} poses shown"
    error = charts.joint_values(result.get("per_joint"), "mpjpe_mm")
    error = {joint: value for joint, value in error.items() if value > 0}  # not the root
    drawn = []
    if spread:
        words = f"Root mean square distance of the hypotheses from their mean, over {where}."
        bars = charts.joint_bars(spread, "Spread, mm", 0, "bar calm", order=error)
        drawn.append(chart("Spread", words, bars))
    if error:
        words = "Distance of the mean's joints from the target, averaged over all poses."
        drawn.append(chart("Error", words, charts.joint_bars(error, "Error, mm", 0)))
    return section("Joint by joint", f'<div class="two">{"".join(drawn)}</div>') if drawn else ""


def spread_of_joints(examples: Examples) -> dict[str, float]:
    """Root mean square distance (mm) of each free joint's hypotheses from the mean, by name."""
    offset = examples.hypotheses - np.asarray(examples.centre)[:, None]
    spread = 1000 * np.sqrt(np.square(offset).sum(-1).mean(axis=(0, 1)))
    skeleton = examples.skeleton
    return {skeleton.joints[j].replace("_", " "): float(spread[j]) for j in skeleton.free}


def errors(result: Mapping[str, Any]) -> str:
    """Distributions of the errors over poses."""
    drawn = []
    for key, histogram in (result.get("histograms") or {}).items():
        number = named(key)
        bars = charts.histogram_chart(histogram or {}, number.label, number.unit)
        if bars:
            drawn.append(chart(number.label, number.meaning, bars))
    if not drawn:
        return missing("Errors over poses", "The result holds no error distributions.")
    return section("Errors over poses", f'<div class="two">{"".join(drawn)}</div>')

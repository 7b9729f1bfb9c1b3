"""Figures of the studies of keypoint confidence, by name: curves first, people after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from poseterior.report.ccnet_people import people_figure
from poseterior.report.png import clean, panels
from poseterior.report.study_rows import Row, study_name, study_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Told", "ccnet_figures"]

_COLOURS = {
    "original": "#d55e00", "closed_form_mean": "#b8a5d6", "closed_form_predicted": "#8a63b8",
    "closed_form_true": "#5b2a86", "isotonic": "#0f766e", "ccnet": "#0072b2",
}  # fmt: skip
_GREY, _DARK, _SHADE = "#8a95a3", "#10161d", "#f3d9c4"
_DETECTORS = {"sbl": "SBL (heatmaps)", "rle": "RLE (regression)"}
_KINDS = {"visible": "#0072b2", "hidden": "#d55e00", "unlabelled": "#8a95a3"}
_PEOPLE = {
    "area": ("Area", "h: the same error in px of the image counts less in a larger person."),
    "falloff": ("Tolerance", "h: the same error counts less at a hip than at a wrist."),
    "visibility": (
        "Visibility", "h: OKS counts labelled keypoints only; so does the confidence that weighs "
        "keypoints by predicted visibility. Faint: visibility below one half.",
    ),
    "underconfident": (
        "Underconfident, mended", "i: keypoints whose confidence was too low, those that CCNet "
        "mends most, of other people and joints each.",
    ),
    "overconfident": (
        "Overconfident, mended", "j: keypoints whose confidence was too high, those that CCNet "
        "mends most, of other people and joints each.",
    ),
}  # fmt: skip


class Told(NamedTuple):
    """A figure, what it is called and what is to be seen."""

    title: str
    words: str
    draw: Callable[[], Figure]


def ccnet_figures(result: Mapping[str, Any]) -> dict[str, Told]:
    """By the end of the file's name; empty for other studies and results without details."""
    rows, details = study_rows(result), result.get("details") or ()
    kept = [(rows[each["row"]], each) for each in details]
    if study_name(result) == "ccnet_table" and kept:
        return _of_table(kept)
    if study_name(result) == "ccnet_aggregation" and rows:
        return _of_aggregation(rows, kept)
    return {}


_Kept = Sequence[tuple[Row, Mapping[str, Any]]]


def _by_detector(kept: _Kept) -> dict[str, list[tuple[Row, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[Row, Mapping[str, Any]]]] = {}
    for row, details in kept:
        found.setdefault(row["detector"], []).append((row, details))
    return found


def _of_table(kept: _Kept) -> dict[str, Told]:
    mine = _by_detector(kept)
    figures = {
        "precision_recall": Told(
            "Precision and recall",
            "Means over the ten OKS thresholds. The ideal ranking knows each OKS; the area under "
            "it is nearly mAR, which no confidence exceeds. Shaded: from the detector's own "
            "confidences to CCNet's. Paper 003, Figure 1.",
            partial(_side_by_side, mine, _precision_recall),
        ),
        "reliability": Told(
            "Reliability of keypoint confidences",
            "Mean OKS of the labelled keypoints in 20 bins of confidence, with 95 % intervals by "
            "person; dots of bins with 50 keypoints and more. On the line a confidence is the "
            "expected OKS. Paper 003, Figure g.",
            partial(_side_by_side, mine, _reliability),
        ),
        "sigma": Told(
            "The detector's own sigma and its error",
            "Labelled keypoints of test, px of the crop. Line: medians of twelve equal parts, with "
            "quartiles. Dashed: the median error of a Gaussian of that sigma. Paper 001, Figure 6.",
            partial(_side_by_side, mine, _sigma),
        ),
    }
    for detector, pairs in mine.items():
        shown: Mapping[str, Any] = next((d["examples"] for _, d in pairs if "examples" in d), {})
        for name, (title, words) in _PEOPLE.items():
            if shown.get(name):
                figures[f"{detector}_{name}"] = Told(
                    f"{title}: {_DETECTORS[detector]}",
                    f"{words}{_mended(shown, name)} Paper 003, Figure {words[0]}.",
                    partial(people_figure, shown[name], name),
                )
    return figures


def _mended(shown: Mapping[str, Any], name: str) -> str:
    share, count = (shown["mended"].get(key) for key in (name, f"{name}_keypoints"))
    if not count:
        return ""
    return f" Of all {count:,} that were wrong by 0.3 or more, {share:.0%} came nearer the OKS."


def _side_by_side(mine: Any, draw: Callable[[Axes, Any], None]) -> Figure:
    figure, grid = panels(1, len(mine), 5.6 * len(mine), 4.4)
    for axes, (detector, pairs) in zip(grid[0], mine.items(), strict=True):
        draw(axes, pairs)
        axes.set_title(_DETECTORS.get(detector, detector), loc="left", fontsize=11,
                       fontweight="bold")  # fmt: skip
        axes.legend(frameon=False, fontsize=8)
    return figure


def _precision_recall(axes: Axes, pairs: _Kept) -> None:
    curves = {row["method"]: np.array(details["curve"]) for row, details in pairs}
    first = pairs[0][1]
    recalls, mar = first["recalls"], pairs[0][0]["mar"]
    axes.plot(recalls, first["ideal"], ":", color=_DARK, label=f"ideal, mAR {100 * mar:.1f}")
    axes.plot(recalls, first["chance"], "--", color=_GREY, label="at random")
    if {"original", "ccnet"} <= curves.keys():
        axes.fill_between(recalls, curves["original"], curves["ccnet"], color=_SHADE, linewidth=0)
    for row, _ in pairs:
        method, shown = row["method"], 100 * row["map"]
        width = 2.0 if method in ("original", "ccnet") else 0.9
        axes.plot(recalls, curves[method], color=_COLOURS[method], linewidth=width,
                  label=f"{method}, mAP {shown:.1f}")  # fmt: skip
    clean(axes, "", "Recall", "Precision, mean over thresholds")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))


def _reliability(axes: Axes, pairs: _Kept) -> None:
    axes.plot([0, 1], [0, 1], "--", color=_GREY, linewidth=1)
    for row, details in pairs:
        diagram = details.get("reliability")
        if not diagram or row["method"] not in (
            "original",
            "closed_form_true",
            "isotonic",
            "ccnet",
        ):
            continue
        bins = [n for n, count in enumerate(diagram["count"]) if count >= 50]
        p, y = (np.array([diagram[key][n] for n in bins]) for key in ("probability", "outcome"))
        ends = [diagram["interval"][n] or (diagram["outcome"][n],) * 2 for n in bins]
        bars = np.abs(np.array(ends).reshape(-1, 2).T - y) if bins else None
        axes.errorbar(p, y, yerr=bars, marker="o", markersize=3.5, linewidth=1.2, elinewidth=0.8,
                      color=_COLOURS[row["method"]],
                      label=f"{row['method']}, ECE {details['ece']:.3f}")  # fmt: skip
    clean(axes, "", "Confidence of a keypoint", "Mean OKS")
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _sigma(axes: Axes, pairs: _Kept) -> None:
    found = pairs[0][1]["sigma"]
    dots, visible = np.array(found["dots"]), np.array(found["visible"])
    for some, colour, name in ((visible, "#7fb3d8", "visible"), (~visible, "#e8a97f", "hidden")):
        axes.plot(*dots[some].T, ".", markersize=2.5, color=colour, label=name, zorder=1)
    low, middle, high = np.array(found["quartiles"]).T
    bars = [middle - low, high - middle]
    axes.errorbar(found["bins"], middle, yerr=bars, color=_DARK, marker="o", markersize=4,
                  label=f"medians; rank correlation {found['spearman']:.2f}", zorder=3)  # fmt: skip
    ends = np.array([min(found["bins"]), max(found["bins"])])
    axes.plot(ends, np.sqrt(2 * np.log(2)) * ends, "--", color=_GREY, label="as it says", zorder=2)
    clean(axes, "", "Sigma of the Gaussian, px of the crop", "Error, px of the crop")
    axes.set(xscale="log", yscale="log", ylim=(0.1, None))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


def _of_aggregation(rows: Sequence[Row], kept: _Kept) -> dict[str, Told]:
    figures = {
        "thresholds": Told(
            "Thresholds against predicted visibility",
            "mAP of people whose confidence is the mean of their keypoints' above a threshold "
            "(dots), or weighted by predicted visibility (lines). Paper 003, Figure 4b.",
            partial(_thresholds, rows),
        )
    }
    if kept:
        figures["histograms"] = Told(
            "Confidences of visible, hidden and unlabelled keypoints",
            "Share of the keypoints of each kind in 40 bins: a confident keypoint need not be a "
            "labelled one. Paper 003, Figure 4a.",
            partial(_histograms, kept),
        )
    return figures


def _thresholds(rows: Sequence[Row]) -> Figure:
    detectors = list(dict.fromkeys(row["detector"] for row in rows))
    figure, grid = panels(1, len(detectors), 5.2 * len(detectors), 3.9)
    for axes, detector in zip(grid[0], detectors, strict=True):
        for method in ("original", "ccnet"):
            mine = [r for r in rows if (r["detector"], r["method"]) == (detector, method)]
            taus = [(r["tau"], 100 * r["map"]) for r in mine if r["tau"] is not None]
            axes.plot(*np.array(taus).T, "o-", color=_COLOURS[method], markersize=4,
                      label=f"{method}, above a threshold")  # fmt: skip
            level = next(r["map"] for r in mine if r["variant"].endswith(", by visibility"))
            axes.axhline(100 * level, color=_COLOURS[method], linestyle="--", linewidth=1.3,
                         label=f"{method}, by predicted visibility")  # fmt: skip
        axes.axvline(0.2, color=_GREY, linewidth=0.7, linestyle=":")
        clean(axes, _DETECTORS.get(detector, detector), "Threshold of Eq. 5", "mAP")
        axes.legend(frameon=False, fontsize=8)
    return figure


def _histograms(kept: _Kept) -> Figure:
    names = {"original": "Own confidence", "ccnet": "CCNet's confidence",
             "visibility": "CCNet's visibility"}  # fmt: skip
    figure, grid = panels(len(kept), len(names), 3.7 * len(names), 2.7 * len(kept))
    for line, (row, details) in zip(grid, kept, strict=True):
        for axes, (key, name) in zip(line, names.items(), strict=True):
            for kind, colour in _KINDS.items():
                axes.stairs(details[key][kind], details[key]["edges"], color=colour, label=kind)
            clean(axes, f"{row['detector'].upper()}: {name}", "", "Share of the keypoints")
    grid[0][0].legend(frameon=False, fontsize=8)
    return figure

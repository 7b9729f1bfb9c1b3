"""The sections of a study's page that hold charts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from poseterior.report import study_charts as charts
from poseterior.report import study_series as series
from poseterior.report.numbers import finite
from poseterior.report.occlusion_plot import occlusion_section
from poseterior.report.parts import chart, missing, section
from poseterior.report.study_columns import better, column
from poseterior.report.study_gallery import gallery_section
from poseterior.report.study_pictures import Pictures, pictures_section
from poseterior.report.study_rows import row_name, study_name, study_rows
from poseterior.report.study_tables import breakable

__all__ = ["figures", "reliabilities"]

_ALL_PICTURES = ("mesh_gallery", "ccnet_aggregation")
_PICTURED = (*_ALL_PICTURES, "ccnet_mesh")


def figures(result: Mapping[str, Any], pictures: Pictures) -> str:
    """The charts that the study is about, and its pictures."""
    name = study_name(result)
    draw = {
        "table1": _scatter, "samples": _curves, "diversity": _diversity, "mesh_table": _curves,
        "mesh_ablation": _curves, "mesh_samples": _curves, "ccnet_occlusion": occlusion_section,
    }  # fmt: skip
    charts_of = "" if name in _ALL_PICTURES else draw.get(name, _dots)(result)
    return charts_of + (pictures_section(pictures) if pictures or name in _PICTURED else "")


def _scatter(result: Mapping[str, Any]) -> str:
    panels = series.scatter_panels(result)
    title = "Accuracy against calibration"
    if not panels:
        return missing(title, "No row has both an error and a calibration error.")
    drawn = "".join(
        chart(column(key).heading, column(key).meaning, charts.scatter_chart(points, key))
        for key, points in panels.items()
    )
    kinds = [point.kind for points in panels.values() for point in points]
    absent = series.left_out(result)
    words = "Lower left is better: near the target, and as sure as it should be."
    if absent:
        words += f" Without spread, so not shown: {', '.join(absent)}."
    return section(
        title, f'<p class="lead">{escape(words)}</p>{charts.kind_legend(kinds)}',
        f'<div class="two">{drawn}</div>',
    )  # fmt: skip


def _curves(result: Mapping[str, Any]) -> str:
    panels = series.curve_panels(result)
    title = "Error of the best of so many hypotheses"
    if not panels:
        return missing(title, "No row has an error and a number of hypotheses.")
    drawn = "".join(
        chart(column(key).heading, column(key).meaning, charts.curve_chart(curves, key))
        for key, curves in panels.items()
    )
    return section(title, f'<div class="two">{drawn}</div>')


def _dots(result: Mapping[str, Any]) -> str:
    panels = series.dot_panels(result)
    if not panels:
        return missing("Side by side", "The rows hold no number to draw.")
    drawn = "".join(
        chart(f"{column(key).heading}, {better(key)}", column(key).meaning,
              charts.dot_chart(dots, key))
        for key, dots in panels.items()
    )  # fmt: skip
    subsets = list(dict.fromkeys(dot.series for dots in panels.values() for dot in dots))
    words = '<p class="lead">Lines: 95% intervals.</p>'
    return section(
        "Side by side", words, charts.series_legend(subsets), f'<div class="two">{drawn}</div>'
    )


def _diversity(result: Mapping[str, Any]) -> str:
    axes, joints = series.spread_by_axis(result), series.joint_spread(result)
    gallery = gallery_section(result)
    if not axes and not joints:
        return _dots(result) + gallery
    shown = []
    if axes:
        words = "Root mean square distance of the hypotheses from their mean along each axis."
        highest = max(max(values.values()) for values in axes.values())
        shown.append(chart("By axis", words, charts.bar_chart(axes, "Spread, mm", highest)))
    highest = max((v for values in joints.values() for v in values.values()), default=0.0)
    tiles = [
        chart(name, "", charts.bar_chart({name: values}, "Spread, mm", highest))
        for name, values in joints.items()
    ]
    bars = f'<h3 class="over">By joint</h3><div class="two">{"".join(tiles)}</div>'
    rest = _dots(result) if series.dot_panels(result) else ""
    spread = section("Spread of the hypotheses", *shown, bars if tiles else "")
    return spread + rest + gallery


def reliabilities(result: Mapping[str, Any]) -> str:
    """A small reliability curve for each row that has one."""
    tiles = []
    for row in study_rows(result):
        name, ece = row_name(row), finite(row.get("ece_median"))
        subset = row.get("subset")
        said = f"{name}, {subset}" if subset else name
        drawn = charts.reliability_tile(row, said)
        if drawn:
            error = f"<span>ECE {ece:.3f}</span>" if ece is not None else ""
            tiles.append(
                f"<figure>{drawn}<figcaption>{breakable(said)}{error}</figcaption></figure>"
            )
    if not tiles:
        return ""
    words = (
        "Across: nominal level of the region, 0 to 100%. Up: targets found inside. Dashed: a "
        "perfect posterior. Orange, below it: too sure. Blue, above: not sure enough."
    )
    lead = f'<p class="lead">{escape(words)}</p>'
    return section("Reliability", lead, f'<div class="tiles rows">{"".join(tiles)}</div>')

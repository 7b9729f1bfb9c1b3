"""The chart of `ccnet_occlusion` (paper 003, Figure 3): OKS and confidences by size of a disc."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from poseterior.report.parts import missing, section
from poseterior.report.png import clean, jpeg_pixels, panels
from poseterior.report.study_rows import Row, study_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["occlusion_figure", "occlusion_section"]

_DPI = 110
_GREEN, _ORANGE, _BLUE = "#2e8b57", "#d55e00", "#0072b2"
_NAMES = {"original": "raw confidence", "ccnet": "CCNet"}
_COLORS = {"original": _ORANGE, "ccnet": _BLUE}
_WORDS = (
    "Of the right wrist, means over people with 95% intervals; dashed: all keypoints. Above, one "
    "of the people under discs of these sizes."
)


def occlusion_figure(result: Mapping[str, Any]) -> Figure | None:
    """A panel for each detector and occluder under a strip of crops; None without rows."""
    rows = study_rows(result)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["detector"]), str(row["occluder"])), []).append(row)
    if not groups:
        return None
    wide, count = 4.3, len(groups)
    figure, grid = panels(2, count, wide * count, 5.2, height_ratios=[1, 2.6])
    crops = _crops(result, rows)
    for column, (key, group) in enumerate(groups.items()):
        _strip(grid[0][column], crops.get(key, {}))
        _curves(grid[1][column], key, group)
    handles, names = grid[1][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
    return figure


def occlusion_section(result: Mapping[str, Any]) -> str:
    """The chart within the page."""
    figure = occlusion_figure(result)
    if figure is None:
        return missing("Growing discs", "No row to draw.")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, facecolor="white")
    coded = base64.b64encode(out.getvalue()).decode("ascii")
    image = (
        '<div class="scroll wide" tabindex="0" role="region" aria-label="Growing discs">'
        f'<img src="data:image/png;base64,{coded}" alt="Growing discs" style="max-width:100%">'
        "</div>"
    )
    return section("Growing discs", f'<p class="lead">{escape(_WORDS)}</p>', image)


def _crops(result: Mapping[str, Any], rows: list[Row]) -> dict[tuple[str, str], dict[float, str]]:
    """By detector and occluder: crops, JPEG in base64, by size."""
    found: dict[tuple[str, str], dict[float, str]] = {}
    for kept in result.get("details") or ():
        row = rows[kept["row"]]
        key = str(row["detector"]), str(row["occluder"])
        found.setdefault(key, {})[float(row["size"])] = kept["jpeg"]
    return found


def _strip(axes: Axes, crops: Mapping[float, str]) -> None:
    """Every other crop, side by side, with its size."""
    import numpy as np

    axes.set_axis_off()
    sizes = sorted(crops)[::2]
    if not sizes:
        return
    pictures = [jpeg_pixels(crops[size]) for size in sizes]
    gap = np.full((pictures[0].shape[0], 6, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    axes.imshow(np.concatenate(parts, 1))
    step = pictures[0].shape[1] + gap.shape[1]
    for number, size in enumerate(sizes):
        middle = number * step + pictures[0].shape[1] / 2
        axes.text(middle, -4, f"{size:g}", ha="center", va="bottom", fontsize=8)


def _curves(axes: Axes, key: tuple[str, str], rows: list[Row]) -> None:
    detector, occluder = key
    for method, name in _NAMES.items():
        some = sorted((row for row in rows if row["method"] == method), key=_size)
        if not some:
            continue
        if method == "original":
            _line(axes, some, "oks", _GREEN, "OKS")
        _line(axes, some, "confidence", _COLORS[method], name)
    axes.set(ylim=(0, 1.02))
    clean(axes, f"{detector}, {occluder}", "radius / height of the crop", "OKS, confidence")


def _size(row: Row) -> float:
    return float(row["size"])


def _line(axes: Axes, rows: list[Row], what: str, color: str, name: str) -> None:
    """The wrist's numbers with their intervals, and the mean of all keypoints, dashed."""
    sizes = [row["size"] for row in rows]
    axes.plot(sizes, [row[f"wrist_{what}"] for row in rows], "o-", color=color, ms=3.5, label=name)
    axes.plot(sizes, [row[f"mean_{what}"] for row in rows], "--", color=color, lw=1, alpha=0.7)
    bounds = [row.get(f"wrist_{what}_interval") for row in rows]
    known = [(size, *ends) for size, ends in zip(sizes, bounds, strict=True) if ends]
    if known:
        across, low, high = zip(*known, strict=True)
        axes.fill_between(across, low, high, color=color, alpha=0.15, lw=0)

"""Charts: marks where the data say, nothing where there are none."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from poseterior.report import Examples, charts
from poseterior.report.figures import spread_of_joints
from poseterior.report.svg import Plot


def _shapes(svg: str, tag: str, css: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter(tag) if e.get("class", "").startswith(css)]


def test_reliability_dots_lie_where_the_numbers_say(result: dict[str, Any]) -> None:
    svg = charts.reliability_chart(result)
    dots = _shapes(svg, "circle", "curve-dot")
    x, y = (np.array([float(d.get(k, "")) for d in dots]) for k in ("cx", "cy"))
    observed = np.array(result["reliability"]["observed"])
    np.testing.assert_allclose((x - x[0]) / (x[-1] - x[0]), np.linspace(0, 1, 21), atol=1e-3)
    np.testing.assert_allclose(np.polyfit(observed, y, 1)[0], -400, rtol=1e-2)
    assert len(_shapes(svg, "polygon", "chance")) == 1


def test_bars_are_as_long_as_their_values_and_sorted() -> None:
    svg = charts.joint_bars({"knee": 1.0, "wrist": 4.0, "hip": 2.0}, "Error, mm", 0)
    widths = [float(e.get("width", "")) for e in _shapes(svg, "rect", "bar")]
    np.testing.assert_allclose(np.array(widths) / widths[0], [1, 0.5, 0.25], atol=1e-2)
    assert re.findall(r">(\w+)</text><text [^>]*class=\"value\"", svg) == ["wrist", "hip", "knee"]


def test_bars_of_zero_length_do_not_divide_by_zero() -> None:
    assert "<svg" in charts.joint_bars({"knee": 0.0}, "Error, mm", 0)


@pytest.mark.parametrize("edges", [[0, 10, 20], [0, 10, 20, 30], [0, 10, 20, None]])
def test_histogram_with_each_way_to_write_the_open_bin(edges: list[float | None]) -> None:
    svg = charts.histogram_chart({"edges": edges, "counts": [1, 2, 1]}, "Error", "mm")
    heights = [float(e.get("height", "")) for e in _shapes(svg, "rect", "bar")]
    np.testing.assert_allclose(np.array(heights) / heights[1], [0.5, 1, 0.5], atol=1e-2)
    assert "20 or more mm: 25.0 % of poses" in svg
    assert ">20+<" in svg


@pytest.mark.parametrize("broken", [{}, {"edges": [0, 1], "counts": []}, {"counts": [1, 2, 3]}])
def test_no_histogram_without_counts(broken: dict[str, Any]) -> None:
    assert charts.histogram_chart(broken, "Error", "mm") == ""


def test_a_tile_for_each_joint(result: dict[str, Any]) -> None:
    html = charts.coverage_tiles(result)
    assert html.count("<figure>") == 16
    assert "right wrist" in html
    result["per_joint"]["right_wrist"]["coverage"] = None
    assert charts.coverage_tiles(result).count("<figure>") == 15


@pytest.mark.parametrize("highest", [0.0, 1e-6, 0.03, 0.7, 1.0, 7.3, 99.0, 12345.0])
def test_ticks_are_few_and_within(highest: float) -> None:
    ticks = charts.nice_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-1] <= highest * (1 + 1e-6)
    assert len(ticks) <= 9
    assert highest == 0 or len(ticks) >= 3


def test_data_y_grows_upwards() -> None:
    plot = Plot(10, 20, 100, 50, (0, 2), (0, 4))
    assert (plot.x(0), plot.x(2), plot.y(0), plot.y(4)) == (10, 110, 70, 20)


def test_spread_is_that_of_the_gaussian(examples: Examples) -> None:
    spread = spread_of_joints(examples)
    oracle = 1000 * np.sqrt(examples.hypotheses.var(axis=1).sum(-1).mean(axis=0))
    assert "pelvis" not in spread
    np.testing.assert_allclose(list(spread.values()), oracle[1:], rtol=1e-9)


def test_a_long_tail_goes_into_the_open_bin() -> None:
    edges, counts = charts.overflow_edges(
        {"edges": [0, 1, 2, 3, 4, 5], "counts": [500, 400, 98, 1, 0, 1]}
    )
    assert (edges, counts) == ([0, 1, 2, 3, 4], [500, 400, 98, 2])
    np.testing.assert_allclose(sum(counts), 1000)

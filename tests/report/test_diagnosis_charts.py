"""Charts of a diagnosis: marks lie where the numbers say, for any skeleton."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from poseterior.geometry.skeleton import SKELETONS, skeleton_from_tree
from poseterior.report import diagnosis_charts as charts
from poseterior.report.diagnosis_body import body_figure, factor_color, front_layout
from poseterior.report.diagnosis_ranks import joint_histograms, pooled_histograms, read_ranks
from report.diagnosis_results import diagnosis


def shapes(svg: str, tag: str, css: str) -> list[ET.Element]:
    root = ET.fromstring(f"<div>{svg}</div>")
    return [e for e in root.iter(tag) if css in e.get("class", "").split()]


def numbers(found: list[ET.Element], key: str) -> np.ndarray:
    return np.array([float(e.get(key, "nan")) for e in found])


@pytest.fixture
def result() -> dict[str, Any]:
    return diagnosis("wrong_by_joint")


def test_rank_bars_are_as_high_as_their_shares(result: dict[str, Any]) -> None:
    ranks = result["ranks"]
    bars = shapes(pooled_histograms(ranks), "rect", "rank")
    heights = numbers(bars[:20], "height")
    shares = np.array(ranks["pooled"]["x"])
    np.testing.assert_allclose(heights / heights.sum(), shares / shares.sum(), atol=2e-3)


def test_bars_outside_the_band_are_marked_and_no_others(result: dict[str, Any]) -> None:
    ranks = result["ranks"]
    low, high = np.array(ranks["band"])
    shares = np.array([[by[a] for a in "xyz"] for by in ranks["joints"].values()])
    bars = shapes(joint_histograms(ranks), "rect", "rank")
    marked = [("beyond" in bar.get("class", "").split()) for bar in bars]
    np.testing.assert_array_equal(marked, ((shares < low) | (shares > high)).ravel())
    assert 0 < sum(marked) < len(marked)


def test_a_bar_that_goes_on_is_cut_and_says_so(result: dict[str, Any]) -> None:
    ranks = result["ranks"]
    ranks["joints"]["spine"]["x"] = [0.81, *[0.01] * 19]
    svg = joint_histograms(ranks)
    heights = numbers(shapes(svg, "rect", "rank"), "height")
    assert heights.max() <= 64
    assert shapes(svg, "path", "cut")
    assert "0% to 5%: 81.0% of targets, 5.0% expected" in svg


def test_a_histogram_with_a_hole_is_not_drawn(result: dict[str, Any]) -> None:
    ranks = result["ranks"]
    assert read_ranks(ranks, [None, *[0.05] * 19]) is None
    assert read_ranks(ranks, [0.05] * 19) is None
    assert read_ranks({}, [0.05] * 20) is None
    ranks["joints"]["spine"] = None
    assert joint_histograms(ranks).count("<figure>") == 15


def test_factors_lie_on_a_logarithmic_axis_largest_first(result: dict[str, Any]) -> None:
    per_joint = result["factors"]["per_joint"]
    svg = charts.factor_chart(result["factors"])
    dots = shapes(svg, "circle", "factor")[1:]
    values = np.log(sorted((entry["factor"] for entry in per_joint.values()), reverse=True))
    x, y = numbers(dots, "cx"), numbers(dots, "cy")
    slope, start = np.polyfit(values, x, 1)
    np.testing.assert_allclose(x, slope * values + start, atol=0.1)
    assert (np.diff(y) > 0).all()
    one = shapes(svg, "polyline", "ideal")[0].get("points", "").split(",")[0]
    assert float(one) == pytest.approx(start, abs=0.1)


def test_a_factor_is_coloured_by_its_interval() -> None:
    spans = {"over": [1.1, 1.5], "under": [0.5, 0.9], "right": [0.9, 1.2]}
    entries = {side: {"factor": 1.0, "interval": ends} for side, ends in spans.items()}
    svg = charts.factor_chart({"per_joint": entries})
    for side in spans:
        assert len(shapes(svg, "circle", side)) == 1
    entries["over"]["interval"] = None  # type: ignore[assignment]
    assert not shapes(charts.factor_chart({"per_joint": entries}), "circle", "over")


def test_a_bias_that_may_be_chance_is_hollow() -> None:
    axes = {
        a: {"mm": 3.0, "sigma": 0.1, "p_value": p} for a, p in zip("xyz", (0, 1, 0.02), strict=True)
    }
    svg = charts.bias_chart({"spine": axes}, 0.05)
    assert len(shapes(svg, "circle", "unsure")) == 1
    assert shapes(svg, "circle", "unsure")[0].get("class") == "axis-y unsure"
    x = numbers([e for a in "xyz" for e in shapes(svg, "circle", f"axis-{a}")], "cx")
    assert np.ptp(x) == 0


@pytest.mark.parametrize("small", [True, False])
def test_coverage_dots_lie_where_the_numbers_say(result: dict[str, Any], small: bool) -> None:
    curve = result["whole_pose"]["radius"]
    svg = charts.coverage_chart(curve, "Radius", small=small)
    dots = shapes(svg, "circle", "curve-dot")
    x, y = numbers(dots, "cx"), numbers(dots, "cy")
    np.testing.assert_allclose((x - x[0]) / (x[-1] - x[0]), curve["levels"], atol=1e-3)
    height = 170 if small else 220
    np.testing.assert_allclose(y, 30 + height * (1 - np.array(curve["observed"])), atol=0.06)
    assert len(shapes(svg, "polygon", "chance")) == 1
    assert charts.coverage_chart(curve | {"observed": [0.1, None]}, "Radius") == ""


def test_error_and_spread_have_one_scale_and_rare_bins_are_left_out() -> None:
    bins = {"spread_mm": [10.0, 20.0, 30.0], "error_mm": [20.0, 30.0, 900.0], "poses": [99, 50, 1]}
    svg = charts.spread_skill_chart(bins, "Spread")
    dots = shapes(svg, "circle", "curve-dot")
    x, y = numbers(dots, "cx"), numbers(dots, "cy")
    assert len(dots) == 2
    assert np.diff(x)[0] / 400 == pytest.approx(-np.diff(y)[0] / 300, rel=0.01)
    assert charts.spread_skill_chart({"spread_mm": [1.0], "error_mm": []}, "Spread") == ""


def test_the_area_lost_is_the_ause(result: dict[str, Any]) -> None:
    risk = result["risk_coverage"]
    svg = charts.risk_chart(risk)
    text = shapes(svg, "polygon", "lost")[0].get("points", "")
    x, y = np.array([p.split(",") for p in text.split()], float).T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    top = 1.15 * max(*risk["risk_mm"], *risk["oracle_mm"], risk["random_mm"])
    gap = np.array(risk["risk_mm"]) - np.array(risk["oracle_mm"])
    expected = np.trapezoid(gap, risk["coverage"]) / top * 400 * 300
    assert area == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("value", [1e-4, 0.25, 1.0, 4.0, 1e4])
def test_a_strip_cuts_what_does_not_fit(value: float) -> None:
    svg = charts.factor_strip(value, (value / 2, value * 2))
    x = numbers(shapes(svg, "circle", "factor"), "cx")[0]
    share = (math.log(min(max(value, 0.25), 4.0), 4) + 1) / 2
    assert x == pytest.approx(3 + 114 * share, abs=0.06)
    assert all(3 <= float(v) <= 117 for v in re.findall(r"([\d.]+),[\d.]+", svg))


FACES_AND_FINGERS = "coco_wholebody_133"  # too many joints for a drawing of a body


@pytest.mark.parametrize("name", [name for name in SKELETONS if name != FACES_AND_FINGERS])
def test_every_known_skeleton_has_a_body(name: str) -> None:
    skeleton = SKELETONS[name]
    layout = front_layout(skeleton)
    assert layout is not None
    places = np.array(layout)
    assert len({tuple(p) for p in layout}) == len(skeleton)  # no joint hides another
    mirrored = places[list(skeleton.partners)] * [-1, 1]
    np.testing.assert_allclose(places, mirrored)
    assert places[skeleton.index("left_hip")][0] > 0  # it faces the reader
    assert places[skeleton.index("left_ankle")][1] < places[skeleton.index("left_hip")][1]


def test_a_skeleton_of_other_joints_has_none() -> None:
    assert front_layout(skeleton_from_tree("dog", [("withers", None), ("tail", "withers")])) is None
    assert front_layout(SKELETONS[FACES_AND_FINGERS]) is None
    for name in ("dog", FACES_AND_FINGERS):
        assert body_figure(diagnosis() | {"skeleton": name}) == ""


def test_joints_on_the_body_have_the_colour_of_their_factor(result: dict[str, Any]) -> None:
    root = ET.fromstring(body_figure(result))
    colors = {e.get("data-joint"): e.get("fill") for e in root.iter("circle")}
    assert colors.pop("pelvis") is None
    for joint, entry in result["factors"]["per_joint"].items():
        assert colors[joint] == factor_color(entry["factor"])


def test_colours_go_from_blue_over_grey_to_orange() -> None:
    ladder = [factor_color(f) for f in (0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)]
    red = [int(color[1:3], 16) for color in ladder]
    assert red[0] == red[1]
    assert ladder[-2] == ladder[-1]
    assert (np.diff(red[1:-1]) > 0).all()

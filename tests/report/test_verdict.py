"""The verdict in words, and what must be said beside it."""

from __future__ import annotations

from typing import Any

import pytest

from poseterior.report.curve import chance_band, perfect, reliability
from poseterior.report.verdict import caveats, verdict


def _result(observed: float, **more: Any) -> dict[str, Any]:
    return {"mpjpe_mean_mm": 50.0, "hypotheses": 200, "intervals": {"a": 1}} | {
        "coverage": {"0.5": 0.5, "0.90": observed, "1.0": 1.0}, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (0.60, "60% of the time: far overconfident."),
        (0.75, "75% of the time: overconfident."),
        (0.84, "84% of the time: a little overconfident."),
        (0.89, "89% of the time: well calibrated."),
        (0.91, "91% of the time: well calibrated."),
        (0.95, "95% of the time: a little underconfident."),
        (1.00, "100% of the time: underconfident."),
    ],
)
def test_verdict_follows_the_coverage(observed: float, words: str) -> None:
    assert verdict(_result(observed)) == f"90% regions contain the target {words}"


def test_right_at_one_level_only_is_not_called_calibrated() -> None:
    assert "right at this level, but not at others" in verdict(_result(0.9, ece_median=0.12))


def test_reliability_is_sorted_and_skips_the_unknown() -> None:
    assert reliability({"coverage": {"1.0": 0.99, "0": 0.0, "0.5": None}}) == [(0, 0), (1, 0.99)]


def test_a_band_with_holes_is_no_band() -> None:
    curve = {"levels": [0, 1], "observed": [0, 1], "band": [[0, 1], [0, 1]]}
    assert chance_band({"reliability": curve}) == ([0, 1], [0, 1])
    assert chance_band({"reliability": curve | {"band": [[0, None], [0, 1]]}}) is None
    assert chance_band({"reliability": curve | {"band": None}}) is None


def test_few_hypotheses_are_judged_against_what_is_possible() -> None:
    curve = {"levels": [0.0, 0.9, 1.0], "observed": [0.03, 0.85, 0.93]}
    curve["perfect"] = {"observed": [0.03, 0.86, 0.93], "ece": 0.04}  # type: ignore[assignment]
    few = _result(0.85, hypotheses=20, reliability=curve, ece_median=0.045)
    assert perfect(few) == [0.03, 0.86, 0.93]
    assert verdict(few) == "90% regions contain the target 85% of the time: well calibrated."
    assert "regions of a perfect posterior contain 86%" in caveats(few)[0]
    curve["perfect"] = None  # type: ignore[assignment]
    assert perfect(few) == [0.0, 0.9, 1.0]
    assert "a little overconfident" in verdict(few)


def test_caveats() -> None:
    assert caveats(_result(0.9)) == []
    assert "20 hypotheses" in caveats(_result(0.9, hypotheses=20))[0]
    assert "1 pose could not be lifted and is not" in caveats(_result(0.9, invalid=1))[0]
    assert "37 poses could not be lifted" in caveats(_result(0.9, invalid=37))[0]
    assert "without intervals" in caveats(_result(0.9, intervals=None))[0]

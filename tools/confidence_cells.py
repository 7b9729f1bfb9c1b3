"""Cells of paper 003's page, from the kept studies of confidences; for `quote_results.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["CONFIDENCE_CELLS"]


class Results(Protocol):
    """The studies' rows; `row` raises NotRun where a study is not kept."""

    def row(self, study: str, method: str, **wanted: Any) -> Mapping[str, Any]:
        """The one row of a method with these values."""
        ...


Cell = Callable[[Any], str]
_CLOSED = ("original", "closed_form_mean", "closed_form_predicted", "closed_form_true")
_BEFORE_AFTER = ("original", "ccnet")


def _percent(row: Mapping[str, Any], key: str, digits: int = 1) -> str:
    return f"{100 * row[key]:.{digits}f}"


def _table(results: Results, detector: str, method: str) -> Mapping[str, Any]:
    return results.row("ccnet_table", method, detector=detector)


def _maps(detector: str, *methods: str, between: str) -> Cell:
    """MAP of some methods in turn, and the mAR that all have."""

    def cell(results: Results) -> str:
        rows = [_table(results, detector, method) for method in methods]
        return f"{between.join(_percent(r, 'map') for r in rows)}; {_percent(rows[0], 'mar')}"

    return cell


def _keypoints(detector: str) -> Cell:
    """Table 4: PCK, mAP, mAR, and AUSE of PCK at 0.5 and 0.1 before and after."""

    def cell(results: Results) -> str:
        before, after = (_table(results, detector, method) for method in _BEFORE_AFTER)
        pck = ", ".join(_percent(before, key) for key in ("pck50", "pck10"))
        maps = ", ".join(_percent(row, "map") for row in (before, after))
        ause = [
            " and ".join(_percent(row, key, 2) for key in ("ause_pck50", "ause_pck10"))
            for row in (before, after)
        ]
        return f"{pck}; {maps}; {_percent(before, 'mar')}; {' to '.join(ause)}"

    return cell


def _correlations(detector: str) -> Cell:
    """Table 5: Pearson and AUSE of people and keypoints before and after."""

    def cell(results: Results) -> str:
        rows = [_table(results, detector, method) for method in _BEFORE_AFTER]
        pearson, ause = (
            " to ".join(
                ", ".join(
                    f"{row[f'{name}_{of}'] * scale:.{digits}f}" for of in ("instance", "keypoint")
                )
                for row in rows
            )
            for name, scale, digits in (("pearson", 1, 3), ("ause", 100, 2))
        )
        return f"Pearson {pearson}; AUSE {ause}"

    return cell


def _ablation(detector: str, *methods: str) -> Cell:
    def cell(results: Results) -> str:
        rows = (results.row("ccnet_ablation", name, detector=detector) for name in methods)
        return ", ".join(_percent(row, "map") for row in rows)

    return cell


def _bodies(method: str, **wanted: Any) -> Cell:
    def cell(results: Results) -> str:
        row = results.row("ccnet_mesh", method, detector="sbl", **wanted)
        keys = ("pa_mpjpe_mm", "mpjpe_mm", "vertex_mm")
        return ", ".join(f"{row[key]:.1f}" for key in keys) + " mm"

    return cell


def _disc(results: Results) -> str:
    """Figure 3: the wrist's OKS and confidences without and under the largest disc."""
    first, last = (
        {
            method: results.row(
                "ccnet_occlusion", method, detector="sbl", occluder="opaque", size=size
            )
            for method in _BEFORE_AFTER
        }
        for size in (0.0, 0.3)
    )
    said = [f"OKS {first['ccnet']['wrist_oks']:.2f} to {last['ccnet']['wrist_oks']:.2f}"]
    for method in _BEFORE_AFTER:
        told = " to ".join(f"{end[method]['wrist_confidence']:.2f}" for end in (first, last))
        said.append(f"{method} {told}")
    return "; ".join(said) + ", opaque disc, `sbl`"


def _curves(results: Results) -> str:
    """Figure 1: the areas under the curves, and their bound."""
    said = []
    for detector in ("sbl", "rle"):
        before, after = (_table(results, detector, method) for method in _BEFORE_AFTER)
        maps = " to ".join(_percent(row, "map") for row in (before, after))
        said.append(f"{detector} {maps} of {_percent(before, 'mar')}")
    return "; ".join(said)


def _aggregated(results: Results) -> str:
    """Figure 4b: the best threshold and visibility, of the repaired confidences."""
    said = []
    for detector in ("sbl", "rle"):
        ways = [
            results.row("ccnet_aggregation", "ccnet", detector=detector, tau=step / 10)
            for step in range(10)
        ]
        best = max(ways, key=lambda row: row["map"])
        weighted = results.row(
            "ccnet_aggregation", "ccnet", detector=detector, variant="ccnet, by visibility"
        )
        said.append(
            f"{detector}: {_percent(best, 'map')} above {best['tau']}, "
            f"{_percent(weighted, 'map')} by visibility"
        )
    return "; ".join(said)


CONFIDENCE_CELLS: dict[str, Cell] = {
    "Table 1: SBL": _maps("sbl", *_CLOSED, between=" / "),
    "Table 1: RLE": _maps("rle", *_CLOSED, between=" / "),
    "Table 2: SBL ResNet-50": _maps("sbl", *_BEFORE_AFTER, between=", "),
    "Table 2: RLE ResNet-50": _maps("rle", *_BEFORE_AFTER, between=", "),
    "Table 4: MPII, RLE": _keypoints("rle"),
    "Table 4: MPII, SBL": _keypoints("sbl"),
    "Table 5: RLE": _correlations("rle"),
    "Table 5: SBL": _correlations("sbl"),
    "Table 6: 3DPW fitting": _bodies("regression"),
    "Table 6: fitted to SBL |": _bodies("original", prior="generic"),
    "Table 6: fitted to SBL with CCNet": _bodies("ccnet", prior="generic"),
    "Table C (appendix)": _ablation(
        "rle", "original", "aleatoric", "cross_entropy", "ensemble", "soap"
    ),
    "Table g, upper: RLE": _ablation(
        "rle", "original", "mse", "with_prediction_and_confidence", "lower_layer"
    ),
    "Table g, upper: SBL": _ablation(
        "sbl", "original", "mse", "with_prediction_and_confidence", "lower_layer"
    ),
    "Table g, lower": _ablation("sbl", "original", "pool_linear", "mse", "conv_sigmoid_pool"),
    "Table h: RLE": _ablation("rle", "original", "lambda_2e-3", "mse", "lambda_2e1"),
    "Table h: SBL": _ablation("sbl", "original", "lambda_2e-3", "mse", "lambda_2e1"),
    "Figure 1": _curves,
    "Figure 3": _disc,
    "Figure 4b": _aggregated,
}

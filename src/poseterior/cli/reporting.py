"""JSON, HTML and pictures of a result, wherever a command was asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poseterior.batch.examples import ExampleRows

__all__ = ["require_writable", "write_outputs"]


def require_writable(*paths: Path | None) -> None:
    """`InputError` now, before hours of work, for an output that cannot be written."""
    from poseterior.data.npz_stream import check_writable

    for path in paths:
        if path is not None:
            check_writable(path)


def write_outputs(
    result: Mapping[str, Any],
    examples: ExampleRows | None,
    json: Path | None = None,
    report: Path | None = None,
    plots: Path | None = None,
) -> None:
    """Write what has a path: JSON, one HTML page, a folder of PNG plots."""
    from poseterior.batch.score import save_result
    from poseterior.geometry.skeleton import get_skeleton
    from poseterior.report.examples import Examples
    from poseterior.report.page import write_report
    from poseterior.report.plots import write_plots

    arrays = examples.arrays() if examples is not None else {}
    shown = Examples(skeleton=get_skeleton(result["skeleton"]), **arrays) if arrays else None
    if json is not None:
        save_result(result, json)
    if report is not None:
        write_report(report, result, shown)
    if plots is not None:
        write_plots(plots, result, shown)

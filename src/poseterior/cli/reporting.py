"""JSON, HTML and pictures of a result, wherever a command was asked for them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseterior.errors import InputError, require

if TYPE_CHECKING:
    from poseterior.batch.examples import ExampleRows

__all__ = ["check_outputs", "naming", "write_outputs"]


def check_outputs(
    *files: Path | None, folder: Path | None = None, inputs: tuple[Path | None, ...] = ()
) -> None:
    """`InputError` now, before hours of work, for outputs that cannot be written.

    Nor may one output be another, or one of the inputs.
    """
    from poseterior.data.npz_writer import check_writable

    taken = {path.resolve() for path in inputs if path is not None}
    for path in filter(None, files):
        check_writable(path)
        own = path.resolve() not in taken
        found = "an input or another output"
        require(own, path, "", expected="a file of its own", found=found)
        taken.add(path.resolve())
    if folder is not None:
        _check_folder(folder)


def _check_folder(folder: Path) -> None:
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(
            folder, "", expected="a folder that can be written", found=f"{there} is not one"
        )


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
    with naming(json):
        if json is not None:
            save_result(result, json)
    with naming(report):
        if report is not None:
            write_report(report, result, shown)
    with naming(plots):
        if plots is not None:
            write_plots(plots, result, shown)


@contextmanager
def naming(path: Path | None) -> Iterator[None]:
    """Let an error of the disk, such as that it is full, name the output."""
    try:
        yield
    except OSError as error:
        expected, found = "a place that can be written", error.strerror or error
        raise InputError(path, "", expected=expected, found=found) from error

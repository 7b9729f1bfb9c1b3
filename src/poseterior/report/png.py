"""Figures of matplotlib as PNG files, without a display and without global state."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from poseterior.data.npz_writer import replacing
from poseterior.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["clean", "jpeg_pixels", "panels", "write_figures"]

_DPI = 150


def write_figures(
    folder: str | os.PathLike[str], draw: Mapping[str, Callable[[], Figure | None]]
) -> list[Path]:
    """Write each file of `draw` that has a figure; makes the folder, returns the files.

    Raises:
        InputError: the folder cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            folder, "plots", expected="a folder that can be made", found=error.strerror
        ) from error
    figures = {name: figure for name, make in draw.items() if (figure := make()) is not None}
    return [_save(figure, folder / name) for name, figure in figures.items()]


def _save(figure: Figure, path: Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, facecolor="white")
    return path


def jpeg_pixels(coded: str) -> NDArray[np.uint8]:
    """(h, w, 3) of a JPEG in base64."""
    from matplotlib.image import imread

    pixels: NDArray[np.uint8] = imread(io.BytesIO(base64.b64decode(coded)), "jpeg")
    return pixels


def panels(rows: int, columns: int, width: float, height: float, **kw: Any) -> tuple[Figure, Any]:
    """A figure of its own canvas (no pyplot, so no global state) and its (rows, columns) axes.

    Args:
        rows: of axes.
        columns: of axes.
        width: inches.
        height: inches.
        kw: for `Figure.subplots`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **kw)


def clean(axes: Axes, title: str, x: str, y: str) -> None:
    """Title at the left, the axes' names, and no frame above and right."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)

"""The pictures of the study `sigma`: optima over dimensions and hypotheses, and the landscapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poseterior.data.npz_writer import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["write_sigma_plots"]

_DPI = 150
_POINT = "#111827"
_TITLES = {"min_mpjpe": "minMPJPE", "nll": "NLL, nats per dimension", "ece": "ECE"}


def write_sigma_plots(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write sigma.png and sigma_landscapes.png into a folder that is there.

    Args:
        result: of `sigma_study`.
        folder: where to.

    Raises:
        InputError: a file cannot be written.
    """
    figures = {"sigma.png": _optima(result), "sigma_landscapes.png": _landscapes(result)}
    for name, figure in figures.items():
        with replacing(folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=_DPI, facecolor="white")
    return [folder / name for name in figures]


def _figure(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _optima(result: Mapping[str, Any]) -> Figure:
    """Contours of the optimal sigma over the true one; above 1 it is too wide, below too narrow."""
    figure, (axes,) = _figure(1, 7.6, 5.4)
    dims, first = np.unique(result["dims"], return_index=True)
    counts, second = np.unique(result["hypotheses"], return_index=True)
    ratio = np.array(result["sigma"])[first][:, second].T / result["true_sigma"]
    levels = np.linspace(0, 2, 21)
    drawn = axes.contourf(dims, counts, ratio, levels, cmap="RdBu", vmin=0, vmax=2)
    right = axes.contour(dims, counts, ratio, [1.0], colors=_POINT, linewidths=1.6)
    axes.clabel(right, fmt={1.0: "calibrated"}, fontsize=9)
    point = result["pose_point"]
    axes.plot(point["dims"], point["hypotheses"], "o", color=_POINT, markersize=8)
    axes.annotate(
        f"a pose: {point['sigma'] / result['true_sigma']:.2f}",
        (point["dims"], point["hypotheses"]), (-8, 10), textcoords="offset points",
        ha="right", fontsize=10,
    )  # fmt: skip
    axes.text(0.97, 0.05, "overconfident", transform=axes.transAxes, ha="right", color="white")
    axes.text(0.03, 0.94, "underconfident", transform=axes.transAxes, color=_POINT)
    axes.set(xscale="log", yscale="log", xlabel="Dimensions D", ylabel="Hypotheses N")
    title = "Sigma that minMPJPE rewards most, over the true one"
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    figure.colorbar(drawn, ax=axes, ticks=[0, 0.5, 1, 1.5, 2])
    return figure


def _landscapes(result: Mapping[str, Any]) -> Figure:
    """The three scores over the error of the mean and sigma; each has its best marked."""
    found, true = result["landscapes"], result["true_sigma"]
    figure, grid = _figure(3, 13.5, 4.3)
    shift, sigma = np.array(found["shift"]), np.array(found["sigma"])
    for axes, (key, title) in zip(grid, _TITLES.items(), strict=True):
        values = np.array(found[key]) / (found["dims"] if key == "nll" else 1)
        top = np.quantile(values, 0.75)  # far off, the likelihood would hide all else
        drawn = axes.contourf(
            sigma, shift, values, np.linspace(values.min(), top, 16), cmap="viridis_r", extend="max"
        )
        row, column = np.unravel_index(values.argmin(), values.shape)
        axes.plot(sigma[column], shift[row], "o", color="white", markeredgecolor=_POINT)
        axes.axvline(true, color=_POINT, linewidth=1, linestyle="--")
        axes.set(xscale="log", xlabel="sigma (dashed: the truth's)")
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        figure.colorbar(drawn, ax=axes)
    grid[0].set_ylabel("error of the mean")
    return figure

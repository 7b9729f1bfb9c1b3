"""A little SVG: data coordinates to drawing coordinates, and the marks that charts need.

Colours, weights and type are the style sheet's, by class name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Plot", "drawing", "text"]


def text(x: float, y: float, words: object, css: str = "", anchor: str = "start") -> str:
    """Words at drawing coordinates."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">'
        f"{escape(str(words))}</text>"
    )


def drawing(width: float, height: float, marks: Iterable[str], title: str) -> str:
    """An `<svg>` that scales with its box; `title` is read to those who cannot see it."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(marks)}</svg>"
    )


@dataclass(frozen=True)
class Plot:
    """A box of the drawing and the data ranges that it shows."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        """Drawing coordinate of a data x."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        """Drawing coordinate of a data y; data grow upwards."""
        low, high = self.y_range
        return self.top + (high - value) / (high - low) * self.height

    def _points(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))

    def line(self, xs: Sequence[float], ys: Sequence[float], css: str) -> str:
        """A line through the points."""
        return f'<polyline points="{self._points(xs, ys)}" class="{css}"/>'

    def band(
        self, xs: Sequence[float], low: Sequence[float], high: Sequence[float], css: str
    ) -> str:
        """The area between two lines."""
        there, back = self._points(xs, low), self._points(xs[::-1], high[::-1])
        return f'<polygon points="{there} {back}" class="{css}"/>'

    def dot(self, x: float, y: float, css: str, tip: str, radius: float = 3.2) -> str:
        """A point that says `tip` under the pointer."""
        return (
            f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius}" class="{css}">'
            f"<title>{escape(tip)}</title></circle>"
        )

    def box(self, x: tuple[float, float], y: tuple[float, float], css: str, tip: str = "") -> str:
        """The rectangle between data corners."""
        left, right = self.x(x[0]), self.x(x[1])
        bottom, top = self.y(y[0]), self.y(y[1])
        said = f"<title>{escape(tip)}</title>" if tip else ""
        return (
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 0):.1f}" '
            f'height="{max(bottom - top, 0):.1f}" class="{css}">{said}</rect>'
        )

    def x_axis(self, ticks: Iterable[tuple[float, str]], name: str = "", grid: bool = True) -> str:
        """Tick labels below the box, with grid lines, and the axis's name."""
        bottom, marks = self.top + self.height, []
        for value, label in ticks:
            x = self.x(value)
            if grid:
                marks.append(_segment(x, self.top, x, bottom, "grid"))
            marks.append(text(x, bottom + 17, label, "tick", "middle"))
        middle = self.left + self.width / 2
        return "".join([*marks, text(middle, bottom + 38, name, "axis", "middle") if name else ""])

    def y_axis(self, ticks: Iterable[tuple[float, str]], name: str = "") -> str:
        """Tick labels left of the box, with grid lines, and the axis's name above."""
        marks = []
        for value, label in ticks:
            y = self.y(value)
            marks.append(_segment(self.left, y, self.left + self.width, y, "grid"))
            marks.append(text(self.left - 8, y + 4, label, "tick", "end"))
        return "".join([*marks, text(0, self.top - 12, name, "axis") if name else ""])


def _segment(x0: float, y0: float, x1: float, y1: float, css: str) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" class="{css}"/>'

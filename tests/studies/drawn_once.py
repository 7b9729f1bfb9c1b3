"""Pictures of studies that are coarse, and drawn once for their file and the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from poseterior.report import study_pictures

Figures = Callable[[Mapping[str, Any]], dict[str, Any]]


def draw_once(monkeypatch: pytest.MonkeyPatch, dpi: int) -> None:
    """Drawing each figure twice, finely, would be most of the time of a study's test."""
    monkeypatch.setattr(study_pictures, "_DPI", dpi)
    monkeypatch.setattr(study_pictures, "_png", cache(study_pictures._png))
    for name, once in (
        ("gallery_figures", cache),
        ("confidence_figures", lambda told: told._replace(draw=cache(told.draw))),
    ):
        monkeypatch.setattr(study_pictures, name, _kept(getattr(study_pictures, name), once))


def _kept(figures: Figures, once: Callable[[Any], Any]) -> Figures:
    """The same figures for the same result."""
    kept: dict[int, tuple[Any, dict[str, Any]]] = {}

    def found(result: Mapping[str, Any]) -> dict[str, Any]:
        if id(result) not in kept:  # which is kept too, so that no other takes its id
            drawn = {name: once(figure) for name, figure in figures(result).items()}
            kept[id(result)] = result, drawn
        return kept[id(result)][1]

    return found

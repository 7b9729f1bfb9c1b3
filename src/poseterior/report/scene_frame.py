"""The empty frame of the 3D scene and the image panel; the page's script fills it."""

from __future__ import annotations

from html import escape

from poseterior.report.examples import Examples
from poseterior.report.parts import missing

__all__ = ["viewer"]

_VIEWS = ("corner", "camera", "side", "top")


def viewer(examples: Examples | None) -> str:
    """The section with the poses: controls, the 3D scene and the image beside it."""
    if examples is None or not len(examples):
        return missing("Poses in 3D", "No example poses were given.")
    views = "".join(
        f'<button type="button" data-view="{view}">{view.capitalize()}</button>' for view in _VIEWS
    )
    return (
        f'<section id="viewer"><h2>Poses in 3D</h2><p class="lead">{_words(examples)}</p>'
        f'<div class="controls">{_picker(examples)}{_toggles(examples)}</div>'
        f'<div class="panels"><figure><div id="scene"></div><div class="views">{views}</div>'
        '</figure><figure><div id="image"></div><figcaption id="image-words"></figcaption>'
        "</figure></div></section>"
    )


def _words(examples: Examples) -> str:
    count = examples.hypotheses.shape[1]
    many = f"{count} hypotheses" if count > 1 else "One hypothesis"
    target = " The target is orange." if examples.target is not None else ""
    return (
        f"{many} of each pose in light blue, the mean in dark blue.{target} Lengths in metres "
        "from the root joint. Drag to turn; the depth axis is where one image says least."
    )


def _picker(examples: Examples) -> str:
    options = "".join(
        f'<option value="{n}">{escape(examples.label(n))}</option>' for n in range(len(examples))
    )
    return (
        '<div class="pick">'
        '<button type="button" id="previous" aria-label="previous pose">‹</button>'
        f'<select id="pose" aria-label="pose">{options}</select>'
        '<button type="button" id="next" aria-label="next pose">›</button>'
        f'<input type="range" id="slide" min="0" max="{len(examples) - 1}" value="0" '
        'aria-label="pose"></div>'
    )


def _toggles(examples: Examples) -> str:
    shown = ["hypotheses", "mean", *(["target"] if examples.target is not None else [])]
    boxes = "".join(
        f'<label class="toggle {name}"><input type="checkbox" data-layer="{name}" checked>'
        f"<i></i>{name}</label>"
        for name in shown
    )
    return f'<div class="toggles">{boxes}</div>'

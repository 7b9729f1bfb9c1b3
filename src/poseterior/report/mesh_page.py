"""`write_mesh_report`: bodies with the uncertainty of their surface, as one HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from poseterior.batch.mesh_people import BodyPerson
from poseterior.data.npz_writer import replacing
from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.meshes.body import Body
from poseterior.report import summary
from poseterior.report.mesh_image import mesh_image
from poseterior.report.mesh_scene import mesh_scene
from poseterior.report.mesh_words import part_spreads, person_words
from poseterior.report.page import viewer_scripts
from poseterior.report.parts import asset, card

__all__ = ["MeshReport", "mesh_html", "write_mesh_report"]

_VIEWS = ("corner", "camera", "side", "top")


@dataclass(frozen=True, eq=False)
class MeshReport:
    """What a page on bodies shows.

    Attributes:
        name: of the input.
        body: that the people's parameters are of.
        people: those to draw, one or more.
        keypoints: (1,) for each of them, what was lifted, of the lifter's skeleton.
        facts: short ones, under the title.
        notes: what to know before trusting it, such as assumptions.
        provenance: what made the file.
    """

    name: str
    body: Body
    people: Sequence[BodyPerson]
    keypoints: Sequence[Keypoints]
    facts: Sequence[str] = ()
    notes: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = len(self.people), len(self.keypoints)
        require(
            counts[0] == counts[1] > 0, "MeshReport", "people",
            expected="one or more, each with keypoints", found=f"{counts[0]} and {counts[1]}",
        )  # fmt: skip


def write_mesh_report(path: str | os.PathLike[str], report: MeshReport) -> Path:
    """Write `mesh_html` to `path`, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(mesh_html(report), encoding="utf-8")
    return Path(path)


def mesh_html(report: MeshReport) -> str:
    """The page: how unsure the bodies are, their meshes to turn, what was seen, what made them.

    It needs no network and no other file; only the 3D scene needs its script.
    """
    parts = {
        "title": escape(f"Poseterior: {report.name}"),
        "header": _header(report),
        "pictures": "",
        "viewer": _viewer(report),
        "provenance": summary.provenance(
            {"provenance": report.provenance}, "What was lifted, and how"
        ),
        "style": asset("report.css") + asset("mesh.css"),
        "script": viewer_scripts("mesh-data", mesh_scene(report.people, report.body), "mesh.js"),
    }
    return Template(asset("lift.html")).substitute(parts)


def _header(report: MeshReport) -> str:
    count = len(report.people)
    told = [*report.facts, *([f"numbers: median of the {count} shown"] if count > 1 else [])]
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in told)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f'<p class="brand">Poseterior mesh</p><h1>{escape(_title(report))}</h1>'
        f'<ul class="facts">{facts}</ul>' + (f'<ul class="caveats">{notes}</ul>' if notes else "")
        + f'<div class="cards">{_cards(report)}</div>'
    )  # fmt: skip


def _title(report: MeshReport) -> str:
    parts = _medians(report)
    most, least = max(parts, key=lambda p: parts[p]), min(parts, key=lambda p: parts[p])
    if parts[most] < 0.5:
        return f"Bodies of {report.name}: no two hypotheses differ, so it tells no uncertainty"
    return (
        f"Bodies of {report.name}: {most} unsure by {parts[most]:.0f} mm, "
        f"{least} by {parts[least]:.0f} mm"
    )


def _medians(report: MeshReport) -> dict[str, float]:
    """Millimetres by part of the body, the median of the people shown."""
    each = [
        part_spreads(person, keypoints.skeleton)
        for person, keypoints in zip(report.people, report.keypoints, strict=True)
    ]
    return {part: float(np.median([one[part] for one in each])) for part in each[0]}


def _cards(report: MeshReport) -> str:
    meaning = "Root mean square distance from the mean of the hypotheses, about the root joint."
    cards = [
        card(part.capitalize(), meaning, f"{mm:.0f} <small>mm</small>")
        for part, mm in _medians(report).items()
    ]
    surface = float(np.median([1000 * float(p.spread.median()) for p in report.people]))
    effective = float(np.median([person.effective_number for person in report.people]))
    cards.append(card("Surface, median", meaning, f"{surface:.0f} <small>mm</small>"))
    words = "1 over the sum of squared weights: few, where the posterior sits on few hypotheses."
    cards.append(card("Effective hypotheses", words, f"{effective:.0f}"))
    return "".join(cards)


def _viewer(report: MeshReport) -> str:
    """Controls, the 3D scene and, beside it, what was seen of each person."""
    views = "".join(
        f'<button type="button" data-view="{view}">{view.capitalize()}</button>' for view in _VIEWS
    )
    return (
        '<section id="viewer"><h2>Bodies in 3D</h2><p class="lead">A mesh for each '
        "representative of the posterior. Colours tell how far each vertex is from its mean "
        "over all hypotheses, the root joint held: dark is sure. Drag to turn.</p>"
        f'<div class="controls">{_pickers(report.people)}</div>'
        f'<div class="panels"><figure><div id="scene"></div><div class="views">{views}</div>'
        f'</figure><figure><div id="image">{_images(report)}</div>'
        f'<figcaption id="image-words">{_captions(report)}</figcaption></figure></div></section>'
    )


def _pickers(people: Sequence[BodyPerson]) -> str:
    named = "".join(
        f'<option value="{n}">{escape(person.name)}</option>' for n, person in enumerate(people)
    )
    return (
        '<div class="pick"><button type="button" id="previous" aria-label="previous person">‹'
        f'</button><select id="person" aria-label="frame and person">{named}</select>'
        '<button type="button" id="next" aria-label="next person">›</button></div>'
        '<div id="representatives" role="group" aria-label="representative"></div>'
        '<label class="toggle"><input type="checkbox" id="others">the others, faint</label>'
    )


def _images(report: MeshReport) -> str:
    return "".join(
        f'<div data-person="{n}">{mesh_image(person, report.body, report.keypoints[n])}</div>'
        for n, person in enumerate(report.people)
    )


def _captions(report: MeshReport) -> str:
    told = "".join(
        f'<p data-person="{n}">{escape(person.name)}: '
        f"{escape(person_words(person, report.keypoints[n].skeleton))}</p>"
        for n, person in enumerate(report.people)
    )
    return told + (
        "<p>Black: 2D keypoints, yellow the 90% region of each one's error. Light blue: "
        "hypotheses as the camera sees them; dark blue: the representative.</p>"
    )

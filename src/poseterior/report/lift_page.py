"""`write_lift_report`: what was seen in the images and what was made of it, as one HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from poseterior.data.npz_writer import replacing
from poseterior.report import summary
from poseterior.report.examples import Examples
from poseterior.report.overlay import SIGMAS, overlay
from poseterior.report.page import scene_scripts
from poseterior.report.parts import asset, missing, section
from poseterior.report.pictures import Picture
from poseterior.report.scene_frame import viewer

__all__ = ["LiftReport", "lift_html", "write_lift_report"]


@dataclass(frozen=True)
class LiftReport:
    """What a page on a lift shows.

    Attributes:
        name: of the input.
        title: the main thing to say.
        facts: short ones, under the title.
        notes: what to know before trusting it: assumptions, broken frames.
        provenance: what made the file.
        examples: the poses to draw, or None where nobody was found.
        pictures: the images that they are in; none for a lift of keypoints.
        shown_in: for each example the index of its picture, or None.
    """

    name: str
    title: str
    facts: Sequence[str] = ()
    notes: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    examples: Examples | None = None
    pictures: Sequence[Picture] = ()
    shown_in: Sequence[int | None] = ()


def write_lift_report(path: str | os.PathLike[str], report: LiftReport) -> Path:
    """Write `lift_html` to `path`, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(lift_html(report), encoding="utf-8")
    return Path(path)


def lift_html(report: LiftReport) -> str:
    """The page: images with keypoints, ellipses and hypotheses; the poses in 3D; what made it.

    It needs no network and no other file; only the 3D scene needs its script.
    """
    parts = {
        "title": escape(f"Poseterior: {report.name}"),
        "header": _header(report),
        "pictures": _pictures(report),
        "viewer": viewer(report.examples) if report.examples is not None else "",
        "provenance": summary.provenance(
            {"provenance": report.provenance}, "What was lifted, and how"
        ),
        "style": asset("report.css") + asset("lift.css"),
        "script": "",
    }
    if report.examples is not None and len(report.examples):
        parts["script"] = scene_scripts(report.examples, report.shown_in, SIGMAS)
    return Template(asset("lift.html")).substitute(parts)


def _header(report: LiftReport) -> str:
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in report.facts)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f'<p class="brand">Poseterior lift</p><h1>{escape(report.title)}</h1>'
        f'<ul class="facts">{facts}</ul>' + (f'<ul class="caveats">{notes}</ul>' if notes else "")
    )


def _pictures(report: LiftReport) -> str:
    if report.examples is None:
        return missing("In the image", "Nobody was found, so there is nothing to draw.")
    if not report.pictures:
        return ""
    figures = "".join(_figure(report, n) for n in range(len(report.pictures)))
    many = " many" if len(report.pictures) > 1 else ""
    return section(
        "In the image",
        '<p class="lead">What the detector saw, and what the lifter makes of it: hypotheses are '
        "drawn as the camera would see them, each person standing where the mean pose fits the "
        "keypoints best.</p>",
        _LEGEND,
        f'<div class="pictures{many}">{figures}</div>',
    )


def _figure(report: LiftReport, n: int) -> str:
    assert report.examples is not None
    rows = [row for row, shown in enumerate(report.shown_in) if shown == n]
    drawn, label = report.pictures[n], report.pictures[n].label
    caption = f"<figcaption>{escape(label)}</figcaption>" if len(report.pictures) > 1 else ""
    image = overlay(drawn, n, report.examples, rows, named=len(_people(report)) > 1)
    return f'<figure class="photo">{image}{caption}</figure>'


def _people(report: LiftReport) -> set[str]:
    """The people of all examples, as their labels name them."""
    assert report.examples is not None
    labels = map(report.examples.label, range(len(report.examples)))
    return {label.rpartition("person ")[2] for label in labels}


_LEGEND = (
    '<ul class="legend"><li><i class="k-dot"></i>keypoint</li>'
    f'<li><i class="k-region"></i>its {SIGMAS:g} sigma ellipse</li>'
    '<li><i class="k-hypotheses"></i>hypotheses</li><li><i class="k-mean"></i>their mean</li></ul>'
)

"""A study's pictures, drawn once for their PNG files and the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from poseterior.data.npz_writer import replacing
from poseterior.report.ccnet_figures import ccnet_figures
from poseterior.report.mesh_gallery import gallery_figures
from poseterior.report.parts import missing, section
from poseterior.report.study_plots import write_study_plot
from poseterior.report.study_rows import Row, row_name, study_name, study_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "Pictures", "draw_pictures", "pictures_section", "write_pictures"]

_DPI, _COLORS = 150, 256


class Picture(NamedTuple):
    """A drawn figure, and in words.

    Attributes:
        title: of its section.
        lead: what is to be seen.
        told: its numbers, for those who cannot see it.
        inches: width and height.
        png: the file's bytes.
    """

    title: str
    lead: str
    told: str
    inches: tuple[float, float]
    png: bytes


Pictures = Mapping[str, Picture]  # by the end of the file's name


def draw_pictures(result: Mapping[str, Any]) -> dict[str, Picture]:
    """The figures of rows that have people, and those of the studies of confidence."""
    rows = {row_name(row): row for row in study_rows(result)}
    drawn = {}
    for name, draw in gallery_figures(result).items():
        row = rows[name]
        title = str(row.get("title") or name)
        drawn[name] = _picture(title, _words(row), _told(row), draw())
    for name, told in ccnet_figures(result).items():
        drawn[name] = _picture(told.title, told.words, told.words, told.draw(), photographs=True)
    return drawn


def write_pictures(result: Mapping[str, Any], pictures: Pictures, folder: Path) -> list[Path]:
    """NAME.png of rows with numbers, and NAME_PICTURE.png of each picture.

    Raises:
        InputError: a path that cannot be written.
    """
    name = study_name(result)
    gallery = bool(pictures) and all(row.get("people") for row in study_rows(result))
    chart = None if gallery else write_study_plot(result, folder / f"{name}.png")
    files = [chart] if chart else []
    for end, picture in pictures.items():
        path = folder / f"{name}_{end}.png"
        with replacing(path) as temporary:
            temporary.write_bytes(picture.png)
        files.append(path)
    return files


def pictures_section(pictures: Pictures) -> str:
    """All of them, within the page."""
    if not pictures:
        return missing("Pictures", "No row has people to draw.")
    return "".join(
        section(picture.title, f'<p class="lead">{escape(picture.lead)}</p>', _embedded(picture))
        for picture in pictures.values()
    )


def _picture(
    title: str, lead: str, told: str, figure: Figure, photographs: bool = False
) -> Picture:
    width, height = figure.get_size_inches()
    return Picture(title, lead, told, (width, height), _png(figure, photographs))


def _png(figure: Figure, photographs: bool) -> bytes:
    """In 256 colours, which shaded bodies of a few hues do well with, at a third of the bytes.

    A figure with photographs keeps all its colours.
    """
    from PIL import Image

    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI, facecolor="white")
    if photographs:
        return out.getvalue()
    picture = Image.open(out).convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    small = io.BytesIO()
    picture.save(small, "png", optimize=True)
    return small.getvalue()


def _embedded(picture: Picture) -> str:
    """A picture within the page, and in words."""
    coded = base64.b64encode(picture.png).decode("ascii")
    wide, high = (round(96 * inches) for inches in picture.inches)
    return (
        f'<div class="scroll wide" tabindex="0" role="region" aria-label="{escape(picture.title)}">'
        f'<img src="data:image/png;base64,{coded}" alt="{escape(picture.told)}" '
        f'width="{wide}" height="{high}"></div>'
    )


def _words(row: Row) -> str:
    """What is to be seen, and how the people were chosen."""
    said = [f"{row['method']}, {row.get('data')} observations. Chosen: {row.get('rule')}."]
    cells = [cell for person in row["people"] for cell in person["cells"]]
    if any("share" in cell for cell in cells):
        said.append("Percentages: the share of the posterior that a body stands for.")
    if any("moved_mm" in cell for cell in cells):
        said.append("mm: how far the joints are from the mode's.")
    elif any("mpjpe_mm" in cell for cell in cells):
        said.append("mm: MPJPE over 14 joints, hips put together.")
    if any("log_prob" in cell for cell in cells):
        of = "the latent's, less than the mode's" if row["method"] == "prohmr" else "the prior's"
        said.append(f"nats: log density, {of}.")
    said.append(f"Above: as the camera sees it; below: from the side. Paper {row.get('paper')}.")
    return " ".join(said)


def _told(row: Row) -> str:
    """The numbers of the picture for those who cannot see it."""
    said = []
    for person in row["people"]:
        cells = ", ".join(
            f"{cell['label']} {cell['mpjpe_mm']:.0f} mm"
            for cell in person["cells"]
            if cell.get("mpjpe_mm") is not None
        )
        said.append(f"{person.get('clip') or person.get('title')}: {cells}" if cells else "")
    return "; ".join(filter(None, said)) or str(row.get("title"))

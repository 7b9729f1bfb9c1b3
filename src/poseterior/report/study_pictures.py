"""A study's PNG files: one chart, or a figure for each row of a gallery."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseterior.data.npz_writer import replacing
from poseterior.report.confidence_figures import confidence_figures
from poseterior.report.mesh_gallery import gallery_figures
from poseterior.report.parts import missing, section
from poseterior.report.study_plots import write_study_plot
from poseterior.report.study_rows import Row, row_name, study_name, study_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confidence_section", "pictures_section", "write_pictures"]

_DPI, _COLORS = 150, 256


def write_pictures(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """NAME.png of rows with numbers, NAME_ROW.png of each with people, where there are any.

    Studies of confidence have NAME_FIGURE.png besides.

    Raises:
        InputError: a path that cannot be written.
    """
    name, drawn = study_name(result), gallery_figures(result)
    gallery = bool(drawn) and all(row.get("people") for row in study_rows(result))
    chart = None if gallery else write_study_plot(result, folder / f"{name}.png")
    files = [chart] if chart else []
    photographs = confidence_figures(result)
    drawn = drawn | {key: told.draw for key, told in photographs.items()}
    for row, make in drawn.items():
        path = folder / f"{name}_{row}.png"
        with replacing(path) as temporary:
            temporary.write_bytes(_png(make(), row in photographs))
        files.append(path)
    return files


def _png(figure: Figure, photographs: bool = False) -> bytes:
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


def confidence_section(result: Mapping[str, Any]) -> str:
    """The figures of a study of confidence, within the page."""
    return "".join(
        section(told.title, f'<p class="lead">{escape(told.words)}</p>',
                _embedded(told.draw(), told.title, told.words, photographs=True))
        for told in confidence_figures(result).values()
    )  # fmt: skip


def pictures_section(result: Mapping[str, Any]) -> str:
    """The figures of all rows that have people, within the page."""
    drawn = gallery_figures(result)
    if not drawn:
        return missing("Pictures", "No row has people to draw.")
    rows = {row_name(row): row for row in study_rows(result)}
    return "".join(_section(rows[name], make()) for name, make in drawn.items())


def _section(row: Row, figure: Figure) -> str:
    title = str(row.get("title") or row_name(row))
    lead = f'<p class="lead">{escape(_words(row))}</p>'
    return section(title, lead, _embedded(figure, title, _told(row)))


def _embedded(figure: Figure, title: str, told: str, photographs: bool = False) -> str:
    """A picture within the page, and in words."""
    coded = base64.b64encode(_png(figure, photographs)).decode("ascii")
    wide, high = (round(96 * inches) for inches in figure.get_size_inches())
    return (
        f'<div class="scroll wide" tabindex="0" role="region" aria-label="{escape(title)}">'
        f'<img src="data:image/png;base64,{coded}" alt="{escape(told)}" '
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

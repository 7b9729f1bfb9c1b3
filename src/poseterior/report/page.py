"""`write_report`: one self-contained HTML page that opens without a network."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from poseterior.data.npz_writer import replacing
from poseterior.report import figures, summary
from poseterior.report.examples import Examples
from poseterior.report.parts import asset
from poseterior.report.scene import scene
from poseterior.report.scene_frame import viewer

__all__ = ["report_html", "scene_scripts", "script_json", "viewer_scripts", "write_report"]


def write_report(
    path: str | os.PathLike[str], result: Mapping[str, Any], examples: Examples | None = None
) -> Path:
    """Write `report_html` to `path`, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(report_html(result, examples), encoding="utf-8")
    return Path(path)


def report_html(result: Mapping[str, Any], examples: Examples | None = None) -> str:
    """The page: what was scored and how, the numbers, the charts, and poses to turn around.

    Args:
        result: the dict of `score --json`; what is missing or None is said to be so. It may also
            hold "intervals" {key: [low, high]}, "per_joint" {joint: {"ece", "mpjpe_mm",
            "spread_mm", "coverage": [...]}}, "reliability" {"levels", "observed", "band":
            [[low...], [high...]]}, "histograms" {key: {"edges", "counts"}} whose last bin is
            open above, and "provenance", a nested dict.
        examples: poses to draw, or None.
    """
    parts = {
        "header": summary.header(result),
        "cards": summary.cards(result),
        "viewer": viewer(examples),
        "calibration": figures.calibration(result),
        "by_joint": figures.by_joint(result, examples),
        "errors": figures.errors(result),
        "numbers": summary.numbers(result),
        "provenance": summary.provenance(result),
        "style": asset("report.css"),
        "script": "",
    }
    if examples is not None and len(examples):
        parts["script"] = scene_scripts(examples)
    return Template(asset("report.html")).substitute(parts)


def scene_scripts(
    examples: Examples, shown_in: Sequence[int | None] = (), sigmas: float | None = None
) -> str:
    """The scripts that fill the frame that `viewer` leaves; arguments as of `scene`."""
    return viewer_scripts("scene-data", scene(examples, shown_in, sigmas), "report.js")


def viewer_scripts(identity: str, drawn: object, script: str) -> str:
    """What is drawn in 3D, under the id that its script looks for, and all scripts it takes."""
    data = f'<script type="application/json" id="{identity}">{script_json(drawn)}</script>'
    names = ("plotly-gl3d.min.js", "scene.js", script)
    return data + "".join(f"<script>{asset(name)}</script>" for name in names)


def script_json(value: object) -> str:
    r"""JSON that cannot end the `<script>` it stands in; numbers that are not finite are null.

    >>> script_json({"clip": "</script>", "error": float("nan")})
    '{"clip":"\\u003c/script\\u003e","error":null}'
    """
    plain = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for character in "<>&":
        plain = plain.replace(character, f"\\u{ord(character):04x}")
    return plain


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

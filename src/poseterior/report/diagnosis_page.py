"""`write_diagnosis`: what is wrong with a posterior, and what to do, as one HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from poseterior.data.npz_writer import replacing
from poseterior.report import diagnosis_figures as figures
from poseterior.report import summary
from poseterior.report.curve import reliability
from poseterior.report.diagnosis_read import part
from poseterior.report.diagnosis_sight import sight
from poseterior.report.diagnosis_words import cards, header
from poseterior.report.figures import calibration
from poseterior.report.parts import asset

__all__ = ["diagnosis_html", "write_diagnosis"]


def write_diagnosis(path: str | os.PathLike[str], result: Mapping[str, Any]) -> Path:
    """Write `diagnosis_html` to `path`, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(diagnosis_html(result), encoding="utf-8")
    return Path(path)


def diagnosis_html(result: Mapping[str, Any]) -> str:
    """The page: verdict and remedy first, then the evidence, charts, tables and all numbers.

    It needs no network, no script and no other file.

    Args:
        result: the dict of `diagnose --json`; what is missing or None is said to be so.
    """
    score = part(result, "score")
    parts = {
        "header": header(result),
        "cards": cards(result),
        "evidence": figures.evidence(result),
        "ranks": figures.rank_section(result),
        "width": figures.width(result),
        "whole_pose": figures.whole_pose(result),
        "spread_skill": figures.spread_skill(result),
        "skill": figures.skill(result),
        "scores": figures.scores(result),
        "strata": figures.strata(result),
        "sight": sight(),
        "perfect": figures.perfect(result),
        "calibration": calibration(score) if reliability(score) else "",
        "numbers": summary.numbers(score),
        "provenance": summary.provenance(result),
        "style": asset("report.css") + asset("study.css") + asset("diagnosis.css"),
    }
    return Template(asset("diagnosis.html")).substitute(parts)

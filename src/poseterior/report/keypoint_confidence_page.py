"""`write_keypoint_confidence`: what a detector's scores were and what repair made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from poseterior.data.npz_writer import replacing
from poseterior.report import keypoint_confidence_figures as figures
from poseterior.report.keypoint_confidence_tables import numbers, parts
from poseterior.report.keypoint_confidence_words import cards, header
from poseterior.report.parts import asset

__all__ = ["keypoint_confidence_html", "write_keypoint_confidence"]

_STYLES = ("report.css", "study.css", "diagnosis.css", "keypoint_confidence.css")


def write_keypoint_confidence(path: str | os.PathLike[str], result: Mapping[str, Any]) -> Path:
    """Write `keypoint_confidence_html` to `path`, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(keypoint_confidence_html(result), encoding="utf-8")
    return Path(path)


def keypoint_confidence_html(result: Mapping[str, Any]) -> str:
    """The page: verdict and threshold first, then numbers, charts and how it was made.

    It needs no network, no script and no other file.

    Args:
        result: the dict of `confidence --json`; what is missing or None is said to be so.
    """
    content = {
        "header": header(result),
        "cards": cards(result),
        "numbers": numbers(result),
        "reliability": figures.reliability(result),
        "joints": figures.joints(result),
        "ranking": figures.ranking(result),
        "threshold": figures.threshold(result),
        "parts": parts(result),
        "provenance": figures.made(result),
        "style": "".join(map(asset, _STYLES)),
    }
    return Template(asset("keypoint_confidence.html")).substitute(content)

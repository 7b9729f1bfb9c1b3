"""The libraries of the extra `[detect]`, imported when a model is opened."""

from __future__ import annotations

import importlib
from typing import Any

from poseterior.errors import InputError

__all__ = ["import_extra"]


def import_extra(name: str) -> Any:
    """A module of the extra; `InputError` with the command that installs what is absent.

    Pillow, which cuts the crops of all detectors, is looked for too.
    """
    try:
        importlib.import_module("PIL.Image")
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            "detectors", error.name or name,
            expected="the extra: pip install 'poseterior[detect]'", found="not installed",
        ) from error  # fmt: skip

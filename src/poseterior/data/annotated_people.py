"""Annotated people of photographs: COCO's, COCO-WholeBody's or MPII's, told by the file."""

from __future__ import annotations

import os
from pathlib import Path

from poseterior.data.coco.people import CocoPeople, read_people
from poseterior.data.mpii import read_mpii_list, read_mpii_mat
from poseterior.errors import InputError

__all__ = ["read_annotated"]

_START = 4096


def read_annotated(path: str | os.PathLike[str], split: str) -> CocoPeople:
    """The people of an annotations file.

    Args:
        path: `.mat` is MPII's own file, a JSON list MPII's people, a JSON object COCO's format.
        split: of MPII's own file, see `read_mpii_mat`; other files are read whole.

    Raises:
        InputError: what the readers raise.
    """
    path = Path(path)
    if path.suffix.lower() == ".mat":
        return read_mpii_mat(path, split)
    try:
        with path.open("rb") as file:
            start = file.read(_START).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        expected, found = "annotated people: JSON, or MPII's .mat", error.strerror
        raise InputError(path, "", expected=expected, found=found) from error
    return read_mpii_list(path) if start.startswith(b"[") else read_people(path)

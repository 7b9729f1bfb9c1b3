"""Which tool wrote a file, from its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poseterior.errors import InputError

__all__ = ["container", "recognise_json"]

_BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PK": "npz",
    b"scorer": "csv",
    b"{": "json",
    b"[": "json",
}
_KNOWN = "coco, openpose, mmpose, alphapose, deeplabcut or npz (--format names it)"


def container(path: Path) -> str:
    """What a file's first bytes say, one of json, csv, hdf5, npz; `InputError` if none."""
    try:
        with path.open("rb") as file:
            start = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        found = error.strerror
        raise InputError(path, "", expected="a file that can be read", found=found) from None
    for beginning, kind in _BEGINNINGS.items():
        if start.startswith(beginning):
            return kind
    found = f"a file that begins with {start[:20]!r}" if start else "an empty file"
    raise InputError(path, "format", expected=_KNOWN, found=found)


def recognise_json(content: Any, source: object) -> str:
    """The tool by the shape of its JSON; `InputError` if it is none of the known ones."""
    format = _of_object(content) if isinstance(content, dict) else _of_list(content)
    if format is None:
        raise InputError(source, "format", expected=_KNOWN, found=_summary(content))
    return format


def _of_object(content: dict[str, Any]) -> str | None:
    if "people" in content:
        return "openpose"
    if "instance_info" in content or "predictions" in content:
        return "mmpose"
    if "annotations" in content and "images" in content:
        return "coco"
    first = next(iter(content.values()), None)
    by_image = isinstance(first, dict) and ("people" in first or "bodies" in first)
    return "alphapose" if by_image else None


def _of_list(content: Any) -> str | None:
    if not isinstance(content, list):
        return None
    first = next((entry for entry in content if entry), None)
    if isinstance(first, dict) and "image_id" in first:
        return "alphapose" if isinstance(first["image_id"], str) else "coco"
    frames = isinstance(first, dict) and ("instances" in first or "keypoints" in first)
    return "mmpose" if frames or isinstance(first, list) else None


def _summary(content: Any) -> str:
    if isinstance(content, dict):
        return f"an object with {', '.join(map(repr, list(content)[:8])) or 'nothing in it'}"
    if isinstance(content, list):
        return f"a list of {len(content)} entries, first {str(content[:1])[:60]}"
    return type(content).__name__

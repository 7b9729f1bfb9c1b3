"""Bodies by name, or by the file of a licensed model."""

from __future__ import annotations

import importlib
from pathlib import Path

from poseterior.errors import InputError
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["BODIES", "body_name", "open_body"]

# Names, and the topology of Anny that each is.
BODIES = {"anny": "default", "anny_light": "light"}


def open_body(name_or_path: str) -> SkinnedBody:
    """A body by name ('anny', 'anny_light'), or read from a file of SMPL's.

    Raises:
        InputError: neither a known name nor a file; or a file that holds no such body.
    """
    if name_or_path in BODIES:
        return anny_body(BODIES[name_or_path])
    if Path(name_or_path).is_file():
        return importlib.import_module("poseterior.meshes.models.smpl").read_smpl(name_or_path)
    expected = f"one of {', '.join(BODIES)}, or the path of a file of SMPL's"
    raise InputError("body", "", expected=expected, found=name_or_path)


def body_name(name_or_path: str) -> str:
    """What a config keeps: a name as it is, a file by its path from the root."""
    path = Path(name_or_path)
    return str(path.absolute()) if path.is_file() else name_or_path

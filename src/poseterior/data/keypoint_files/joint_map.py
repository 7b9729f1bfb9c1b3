"""`--map NAMES.json`: the user's names for points, each with the joint that it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poseterior.errors import InputError, require

__all__ = ["read_joint_map"]


def read_joint_map(joint_map: Mapping[str, str] | str | Path) -> tuple[dict[str, str], str]:
    """{their name: our joint} from a mapping or a JSON file, and what to call it in errors.

    `InputError` unless it is an object of texts, without a name or a joint given twice.
    """
    if isinstance(joint_map, Mapping):
        source, pairs = "map", list(joint_map.items())
    else:
        source, pairs = str(joint_map), _pairs(Path(joint_map))
    require(bool(pairs), source, "", expected="at least one name", found="an empty object")
    for name, joint in pairs:
        text = isinstance(name, str) and isinstance(joint, str)
        require(text, source, str(name), expected="a joint's name", found=repr(joint))
    for kind, names in (("names", [n for n, _ in pairs]), ("joints", [j for _, j in pairs])):
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, source, kind, expected="each once", found=f"twice: {', '.join(twice)}")
    return dict(pairs), source


def _pairs(path: Path) -> list[tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        found = error.strerror
        raise InputError(path, "map", expected="a JSON file", found=found) from None
    except UnicodeDecodeError as error:
        raise InputError(path, "map", expected="a JSON file", found=error) from None
    try:  # as pairs, for JSON itself lets the last of equal names win
        pairs = json.loads(text, object_pairs_hook=lambda found: found)
    except (ValueError, RecursionError) as error:
        raise InputError(path, "map", expected="complete JSON", found=error) from None
    good = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
    expected = '{"their name": "our joint", ...}'
    require(good and text.lstrip()[:1] == "{", path, "map", expected=expected, found=text[:60])
    return pairs

"""What stands beside the bodies of a gallery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["broken", "hidden_words", "numbers"]

_LETTERS = 16


def numbers(cell: Mapping[str, Any]) -> list[str]:
    """Lines: millimetres, then nats, then what the cell tells in words.

    >>> numbers({"mpjpe_mm": 61.3, "log_prob": -47.8})
    ['61 mm', '−48 nats']
    """
    said = []
    moved = cell.get("moved_mm", cell.get("mpjpe_mm"))
    if moved is not None:
        said.append(f"{moved:.0f} mm")
    if cell.get("log_prob") is not None:
        said.append(f"{cell['log_prob'] + 0.0:.0f} nats".replace("-", "−"))
    if cell.get("told"):
        said.append(str(cell["told"]))
    return said


def hidden_words(person: Mapping[str, Any]) -> str:
    """Which parts were not seen.

    >>> hidden_words({"hidden": ["left_knee", "left_ankle"]}), hidden_words({"hidden": []})
    ('legs hidden', 'all seen')
    """
    ends = {"arms": ("elbow", "wrist"), "legs": ("knee", "ankle"), "head": ("head_top", "nose")}
    parts = [
        part
        for part, names in ends.items()
        if any(joint.endswith(names) for joint in person["hidden"])
    ]
    return f"{', '.join(parts)} hidden" if parts else "all seen"


def broken(name: str) -> str:
    """A clip's name in lines of at most 16 letters where that can be.

    >>> broken("exp_test_walking_extra_18").splitlines()
    ['exp_test_', 'walking_extra_18']
    """
    lines = [""]
    for part in name.replace("_", "_ ").split():
        full = len(lines[-1]) + len(part) > _LETTERS
        lines = [*lines, part] if full and lines[-1] else [*lines[:-1], lines[-1] + part]
    return "\n".join(lines)

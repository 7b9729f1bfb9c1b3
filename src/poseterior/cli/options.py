"""Options that several commands have, and types of options as their help shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

__all__ = [
    "Count",
    "Folder",
    "Json",
    "LifterName",
    "Name",
    "Plots",
    "Px",
    "Report",
    "Root",
    "SeenPath",
    "Size",
    "Whole",
    "require_at_least",
]


def _shown(metavar: str, help: str | None = None) -> Any:
    """An option without `{None}|` before its metavar and `(default: None)` behind its help."""
    return tyro.conf.arg(metavar=metavar, help=help, help_behavior_hint="")


Name = Annotated[str | None, _shown("NAME")]
SeenPath = Annotated[Path | None, _shown("PATH")]
Folder = Annotated[Path | None, _shown("DIR")]
Whole = Annotated[int | None, _shown("N")]
Px = Annotated[float | None, _shown("PX")]
Size = Annotated[tuple[float, float] | None, _shown("W H")]
Count = Annotated[int, tyro.conf.arg(metavar="N")]
LifterName = Annotated[str, tyro.conf.arg(metavar="NAME|PATH")]

Root = Annotated[
    Path | None, _shown("DIR", "The data's folder; else the one named by POSETERIOR_CMU.")
]
Json = Annotated[Path | None, _shown("PATH", "Write every number to this JSON file.")]
Report = Annotated[Path | None, _shown("PATH", "Write one self-contained HTML page.")]
Plots = Annotated[Path | None, _shown("DIR", "Write PNG plots into this folder.")]


def require_at_least(least: int, **options: int | None) -> None:
    """`InputError` that names the first option that is smaller than that."""
    from poseterior.errors import require

    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        fine = value is None or value >= least
        require(fine, option, "", expected=f"{least} or more", found=value)

"""A study: rows that are trained and scored one by one, kept as they end, and put together."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from poseterior.batch.provenance import versions
from poseterior.batch.score import save_result
from poseterior.errors import InputError, require
from poseterior.studies.alone import Busy, alone
from poseterior.studies.published import published_for
from poseterior.studies.study_data import StudyData, study_data
from poseterior.studies.workshop import Workshop

__all__ = ["Row", "Rows", "Scoring", "Study", "run_study"]

Rows = list[dict[str, Any]]
OpenData = Callable[[str, Path | None, Mapping[str, object], Path], StudyData]


@dataclass(frozen=True)
class Scoring:
    """How a study scores: `hypotheses` drawn with `seed` for every `every`-th test pose."""

    hypotheses: int = 200
    every: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One training or method of a study; `run` gives one or more rows of the table."""

    name: str
    run: Callable[[Workshop, Scoring], Rows]


@dataclass(frozen=True)
class Study:
    """A question of a paper.

    Attributes:
        name: of the command and of the files.
        title: what it asks, one line.
        rows: in the table's order.
        notes: from all rows to sentences that belong under the table.
            A row's `details`, which figures are drawn of, are no part of the table.
        data: opens what it is about, from the data set's name, its folder, its options and the
            study's folder.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    notes: Callable[[Rows], Sequence[str]] = lambda rows: ()
    data: OpenData = lambda name, root, options, out: study_data(name, root, options)


def run_study(
    study: Study,
    workshop: Workshop,
    scoring: Scoring,
    only: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Run the rows that are not there yet, and write `NAME.json` of all that are.

    Several processes may run the same study in the same folder: each takes the rows that no
    other is at, and in the end waits for theirs.

    Args:
        study: which.
        workshop: trains; its folder holds the rows too, in rows/NAME.
        scoring: how the rows are scored.
        only: the one row to run; None for all.
        progress: called with a row's name, its number and how many there are.

    Returns:
        What NAME.json holds: `study`, `title`, `rows`, `notes`, `missing`, `published` (the
        papers' rows for the same data set) and `provenance`; `details` of the rows that have any,
        each {"row": its place, ...}.

    Raises:
        InputError: the folder has rows of other settings, or a row's file is damaged.
    """
    settings = _settings(workshop, scoring)
    _require_same(workshop.out / "study.json", settings)
    chosen = [row for row in study.rows if only in (None, row.name)]
    for waits in (False, True):
        bench = replace(workshop, waits=waits)
        for number, row in enumerate(chosen):
            path = _row_path(workshop, study, row)
            with suppress(Busy), alone(path, waits):
                if path.exists():
                    continue
                if progress is not None:
                    progress(row.name, number, len(chosen))
                save_result({"rows": row.run(bench, scoring)}, path)
    result = _together(study, workshop, settings)
    save_result(result, workshop.out / f"{study.name}.json")
    return result


def _row_path(workshop: Workshop, study: Study, row: Row) -> Path:
    return workshop.out / "rows" / study.name / f"{row.name}.json"


def _settings(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    return {
        "data": {"name": workshop.data.name, **workshop.data.about},
        "preset": workshop.preset,
        "budget": workshop.budget,
        "seed": workshop.seed,
        "device": workshop.device,
        "scoring": dict(vars(scoring)),
    }


def _require_same(path: Path, settings: Mapping[str, Any]) -> None:
    """The folder's settings are these; written there if it has none yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_result(settings, path)
        return
    found = _read(path)
    for key, value in settings.items():
        require(
            found.get(key) == value, path, key,
            expected=f"{value}, or another --out", found=found.get(key),
        )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "", expected="JSON of a study", found=error) from error
    ok = isinstance(data, dict)
    require(ok, path, "", expected="a JSON object", found=type(data).__name__)
    return data


def _together(study: Study, workshop: Workshop, settings: Mapping[str, Any]) -> dict[str, Any]:
    rows: Rows = []
    missing = []
    for row in study.rows:
        path = _row_path(workshop, study, row)
        if not path.exists():
            missing.append(row.name)
            continue
        found = _read(path).get("rows")
        ok = isinstance(found, list) and all(isinstance(each, dict) for each in found)
        require(ok, path, "rows", expected="a list of objects", found=type(found).__name__)
        rows += found or []
    notes = list(study.notes(rows))
    details = [
        {"row": place, **row.pop("details")} for place, row in enumerate(rows) if "details" in row
    ]
    return {
        "study": study.name,
        "title": study.title,
        "rows": rows,
        **({"details": details} if details else {}),
        "notes": notes,
        "missing": missing,
        "published": published_for(workshop.data.name, study.name),
        "provenance": {
            "command": _command(study.name, settings),
            **settings,
            "versions": versions(),
            "machine": _machine(),
        },
    }


def _command(name: str, settings: Mapping[str, Any]) -> str:
    """What to type for the same study, whatever the folders are called."""
    scoring = settings["scoring"]
    options = {key: settings[key] for key in ("preset", "budget", "seed", "device")}
    options |= {"data": settings["data"]["name"], "hypotheses": scoring["hypotheses"],
                "every": scoring["every"]}  # fmt: skip
    said = " ".join(f"--{key} {value}" for key, value in options.items())
    return f"poseterior study {name} {said}"


def _machine() -> str:
    return f"{platform.machine()}, {torch.get_num_threads()} threads"

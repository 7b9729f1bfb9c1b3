"""DeepLabCut: tables whose columns are scorer, (individuals,) bodyparts, coords.

The same table comes as CSV, read here, and as HDF5, read by `pandas_hdf5.py`. `coords` are x, y
and, for predictions, likelihood. Body parts are the user's own words, so the skeleton has to be
given.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseterior.data.keypoint_files.detections import Detections
from poseterior.data.keypoint_files.pandas_hdf5 import LabelledTable, read_pandas_hdf5
from poseterior.errors import InputError, require

__all__ = ["parse_deeplabcut_csv", "parse_deeplabcut_hdf5"]

_LEVELS = ({"scorer", "bodyparts", "coords"}, {"scorer", "individuals", "bodyparts", "coords"})
_COORDS = ("x", "y", "likelihood")


def parse_deeplabcut_csv(path: Path) -> Detections:
    """`Detections` of DeepLabCut's CSV: predictions, or labels without likelihood."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return _detections(_read_csv(lines, path), path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(path, "", expected="a DeepLabCut CSV", found=error) from None


def parse_deeplabcut_hdf5(path: Path) -> Detections:
    """`Detections` of DeepLabCut's HDF5 table."""
    return _detections(read_pandas_hdf5(path), path)


def _read_csv(lines: Iterable[str], path: Path) -> LabelledTable:
    rows = csv.reader(lines)
    header = _header(rows, path)
    columns = [place for place, coord in enumerate(header["coords"]) if place and coord]
    require(bool(columns), path, "header", expected="columns of coordinates", found="none")
    labels = [{level: row[place] for level, row in header.items()} for place in columns]
    index, values = [], []
    for row in filter(None, rows):
        values.append(_numbers(row, columns, len(header["coords"]), path, rows.line_num))
        index.append("/".join(filter(None, row[: columns[0]])))
    return LabelledTable(labels, np.array(values).reshape(-1, len(columns)), index)


def _header(rows: Iterable[list[str]], path: Path) -> dict[str, list[str]]:
    """The rows of labels by their level, down to `coords`."""
    header: dict[str, list[str]] = {}
    for row in rows:
        name = row[0] if row else ""
        header[name] = row
        if name == "coords" or len(header) > 4:
            break
    complete = set(header) in _LEVELS and len({len(row) for row in header.values()}) == 1
    require(
        complete, path, "header",
        expected="rows of one length: scorer, (individuals,) bodyparts, coords",
        found=", ".join(f"{name[:20]!r} ({len(row)})" for name, row in header.items()),
    )  # fmt: skip
    return header


def _numbers(
    row: list[str], columns: list[int], width: int, path: Path, line: int
) -> NDArray[np.float64]:
    where = f"line {line}"
    require(len(row) == width, path, where, expected=f"{width} columns", found=len(row))
    try:
        return np.array([row[place].strip() or "nan" for place in columns], dtype=np.float64)
    except ValueError as error:
        raise InputError(path, where, expected="numbers", found=error) from None


def _detections(table: LabelledTable, path: Path) -> Detections:
    columns = _columns(table.labels, path)
    individuals = list(dict.fromkeys(individual for individual, _ in columns))
    parts = tuple(dict.fromkeys(part for _, part in columns))
    rows, count = len(table.values), len(individuals)
    require(rows > 0, path, "rows", expected="at least one frame", found="none")
    values = np.full((rows, count, len(parts), 3), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):  # too large becomes infinite, refused later
        for (individual, part), places in columns.items():
            target = values[:, individuals.index(individual), parts.index(part)]
            for coord, place in places.items():
                target[:, _COORDS.index(coord)] = table.values[:, place]
    absent = np.asarray(np.isnan(values[..., :2]).all((2, 3)))
    nobody = np.asarray(absent.all(1))
    frame, person = np.nonzero(np.column_stack([~absent[:, 0] | nobody, ~absent[:, 1:]]))
    chosen = values[frame, person]
    numbers, names = _index(table.rows)
    return Detections(
        source=str(path),
        values=chosen,
        frame=numbers[frame],
        person=np.where(nobody[frame], -1, person),
        frame_names=tuple(names[f] for f in frame) if names else None,
        point_names=parts,
        ordered=False,
        notes={"person": ", ".join(f"{i} is {name!r}" for i, name in enumerate(individuals))}
        if individuals != [""]
        else {},
    )


def _columns(labels: list[dict[str, str]], path: Path) -> dict[tuple[str, str], dict[str, int]]:
    """Places of x, y and likelihood for each (individual, body part) in the file's order."""
    scorers = sorted({label.get("scorer", "") for label in labels})
    require(len(scorers) == 1, path, "scorer", expected="columns of one scorer", found=scorers)
    columns: dict[tuple[str, str], dict[str, int]] = {}
    for place, label in enumerate(labels):
        level = set(label) in _LEVELS
        require(level, path, "column levels", expected=sorted(_LEVELS[1]), found=sorted(label))
        part, coord = label["bodyparts"], label["coords"]
        known = coord in _COORDS
        require(known, path, f"coords of {part}", expected=f"one of {_COORDS}", found=repr(coord))
        places = columns.setdefault((label.get("individuals", ""), part), {})
        require(coord not in places, path, part, expected=f"one {coord}", found="several")
        places[coord] = place
    for (_, part), places in columns.items():
        both = "x" in places and "y" in places
        require(both, path, part, expected="columns x and y", found=sorted(places))
    return columns


def _index(index: list[str]) -> tuple[NDArray[np.int64], list[str] | None]:
    """Frame numbers, or places and the images' names where the index is no whole number."""
    try:
        numbers = np.array(index, dtype=np.float64)
    except ValueError:
        return np.arange(len(index)), index
    whole = np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all()
    return (numbers.astype(np.int64), None) if whole else (np.arange(len(index)), index)

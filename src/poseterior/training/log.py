"""The log of a training: `log.jsonl`, one JSON object a line, and the means it is made of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from poseterior.errors import InputError, require
from poseterior.training.checkpoint import replace_file

__all__ = ["LOG_FILE", "Means", "append_log", "plain", "read_log", "truncate_log"]

LOG_FILE = "log.jsonl"


class Means:
    """Running means of named numbers since the last `flush`."""

    def __init__(self, sums: Mapping[str, float] | None = None, count: int = 0) -> None:
        self.sums, self.count = dict(sums or {}), count

    def add(self, numbers: Mapping[str, float]) -> None:
        """Take in one step's numbers."""
        for name, number in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + number
        self.count += 1

    def flush(self) -> dict[str, float]:
        """The means, which start anew."""
        means = {name: total / self.count for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        return means


def append_log(folder: Path, record: Mapping[str, Any]) -> None:
    """Add one line; a number that is not finite is written as null."""
    with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(plain(record), allow_nan=False) + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The records of a run so far; a last line cut short by a kill is left out.

    `InputError` where another line is not a record.
    """
    path = folder / LOG_FILE
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    try:
        records = [json.loads(line) for line in lines]
    except ValueError as error:
        raise InputError(path, "", expected="a JSON object a line", found=error) from error
    for number, record in enumerate(records, start=1):
        ok = isinstance(record, dict) and type(record.get("step")) is int
        require(ok, path, f"line {number}", expected="an object with a step", found=record)
    return records


def truncate_log(folder: Path, step: int) -> None:
    """Drop the records after `step`: a training goes on from there."""
    kept = [record for record in read_log(folder) if record["step"] <= step]
    text = "".join(json.dumps(record) + "\n" for record in kept)
    replace_file(folder / LOG_FILE, lambda path: path.write_text(text, encoding="utf-8"))


def plain(value: Any) -> Any:
    """What JSON can hold: numbers as Python's own, those that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, Real) and not isinstance(value, Integral):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value

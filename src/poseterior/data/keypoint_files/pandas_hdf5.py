"""A pandas table with labelled columns out of HDF5, without pandas and without unpickling.

`DataFrame.to_hdf` writes two layouts. `fixed` keeps labels in arrays of their own. `table`, which
DeepLabCut uses, keeps the column labels in attributes that `plain_literal.py` reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poseterior.data.keypoint_files.plain_literal import read_literal
from poseterior.errors import InputError, require

__all__ = ["LabelledTable", "read_pandas_hdf5"]

# What h5py raises, by where in a file the damage lies.
_DAMAGED = (
    OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, MemoryError,
)  # fmt: skip
_INSTALL = "h5py (pip install 'poseterior[deeplabcut]')"
_OTHERWISE = " (or the CSV that deeplabcut.analyze_videos_converth5_to_csv makes of it)"


class LabelledTable(NamedTuple):
    """Columns' labels by level, values (rows, columns), and the rows' labels."""

    labels: list[dict[str, str]]
    values: NDArray[np.float64]
    rows: list[str]


def read_pandas_hdf5(path: Path) -> LabelledTable:
    """The table `df_with_missing`, or the only one; `InputError` for any other HDF5 file."""
    try:
        import h5py
    except ImportError:
        raise InputError(path, "HDF5", expected=_INSTALL, found="not installed") from None
    try:
        with h5py.File(path, "r") as file:
            group = _table_group(file, path)
            kind = _text(group.attrs["pandas_type"])
            read = {"frame": _read_fixed, "frame_table": _read_table}.get(kind)
            if read is None:
                raise InputError(path, "pandas_type", expected="a data frame", found=repr(kind))
            return read(group, path)
    except InputError:
        raise
    except _DAMAGED as error:
        expected = "a table as pandas writes it" + _OTHERWISE
        raise InputError(path, "HDF5", expected=expected, found=error) from None


def _table_group(file: Any, path: Path) -> Any:
    found = [name for name, item in file.items() if "pandas_type" in item.attrs]
    if "df_with_missing" in found:
        return file["df_with_missing"]
    require(
        len(found) == 1, path, "HDF5", expected="one pandas table", found=sorted(file) or "nothing"
    )
    return file[found[0]]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _read_fixed(group: Any, path: Path) -> LabelledTable:
    labels, blocks = [], []
    for number in range(int(group.attrs["nblocks"])):
        values = group[f"block{number}_values"]
        transposed = bool(values.attrs.get("transposed", False))
        blocks.append(values[()] if transposed else values[()].T)
        labels.extend(_fixed_labels(group, f"block{number}_items", path))
    index = _texts(group["axis1"], path) if "axis1" in group else None
    return _labelled(labels, np.concatenate(blocks, axis=1), index, path)


def _fixed_labels(group: Any, items: str, path: Path) -> list[dict[str, str]]:
    """Labels of a block's columns: at each level codes into an array of names."""
    multi = _text(group.attrs.get(f"{items}_variety", "")) == "multi"
    require(
        multi, path, "columns", expected="scorer, bodyparts, coords", found="one level of labels"
    )
    levels = []
    for number in range(int(group.attrs[f"{items}_nlevels"])):
        level = group[f"{items}_level{number}"]
        names, codes = _texts(level, path), group[f"{items}_label{number}"][()]
        labels = [names[code] if code >= 0 else "" for code in codes]
        levels.append((_text(level.attrs["name"]), labels))
    columns = zip(*(each for _, each in levels), strict=True)
    return [dict(zip((name for name, _ in levels), each, strict=True)) for each in columns]


def _texts(dataset: Any, path: Path) -> list[str]:
    """An array of names or whole numbers as text; object arrays are refused."""
    plain = dataset.dtype.kind in "SUiu" and dataset.ndim == 1
    expected = "names or numbers without pickled objects" + _OTHERWISE
    require(plain, path, dataset.name, expected=expected, found=dataset.dtype)
    return [_text(value) for value in dataset[()]]


def _read_table(group: Any, path: Path) -> LabelledTable:
    table = group["table"]
    fields = [name for name in table.dtype.names if name.startswith("values_block_")]
    names = read_literal(group.attrs["info"], path)[1]["names"]
    labels: list[dict[str, str]] = []
    blocks = []
    for field in fields:
        columns = read_literal(table.attrs[f"{field}_kind"], path)
        labels.extend(_named(names, each, path) for each in columns)
        blocks.append(table[field].reshape(len(table), -1))
    index = None
    if "index" in table.dtype.names and table.dtype["index"].kind in "SUiu":
        index = [_text(value) for value in table["index"]]
    return _labelled(labels, np.concatenate(blocks, axis=1), index, path)


def _named(names: Any, each: Any, path: Path) -> dict[str, str]:
    plain = len(names) == len(each) and all(isinstance(v, (str, int)) for v in (*names, *each))
    require(plain, path, "labels", expected="names by level", found="something else")
    return dict(zip(map(str, names), map(str, each), strict=True))


def _labelled(
    labels: list[dict[str, str]], values: NDArray[Any], index: list[str] | None, path: Path
) -> LabelledTable:
    fits = values.dtype.kind in "fiu" and values.shape[1] == len(labels)
    found = f"{values.dtype} of shape {values.shape} with {len(labels)} labels"
    require(fits, path, "values", expected="numbers, a label for each column", found=found)
    rows = [str(row) for row in range(len(values))]
    return LabelledTable(labels, values.astype(np.float64), rows if index is None else index)

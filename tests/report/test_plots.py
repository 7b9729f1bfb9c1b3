"""The PNG files: there, not blank, without touching matplotlib's global state."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from poseterior.errors import InputError
from poseterior.report import Examples, write_plots

NAMES = ["reliability.png", "per_joint.png", "errors.png", "poses.png"]


def test_all_plots_are_written_and_not_blank(
    result: dict[str, Any], examples: Examples, tmp_path: Path
) -> None:
    before, pyplot = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    paths = write_plots(tmp_path / "plots", result, examples)
    assert [p.name for p in paths] == NAMES
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == sorted(NAMES)
    for path in paths:
        pixels = imread(path)[..., :3]
        assert min(pixels.shape[:2]) > 400
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == pyplot


def test_only_what_has_data_is_drawn(examples: Examples, tmp_path: Path) -> None:
    assert write_plots(tmp_path, {}, None) == []
    assert [p.name for p in write_plots(tmp_path, {"per_joint": None}, examples)] == ["poses.png"]


def test_a_folder_that_cannot_be_made_is_named(result: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.*a folder that can be made"):
        write_plots(tmp_path / "file", result, None)

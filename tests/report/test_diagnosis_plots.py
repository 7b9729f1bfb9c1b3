"""The PNG files of a diagnosis: there, not blank, without matplotlib's global state."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from poseterior.errors import InputError
from poseterior.report.diagnosis_plots import write_diagnosis_plots
from report.diagnosis_results import diagnosis

NAMES = ["ranks.png", "factors.png", "whole_pose.png", "confidence.png"]


def test_all_plots_are_written_and_not_blank(tmp_path: Path) -> None:
    before, pyplot = dict(matplotlib.rcParams), "matplotlib.pyplot" in sys.modules
    paths = write_diagnosis_plots(tmp_path / "new", diagnosis("wrong_by_joint", "lsp_14"))
    assert [p.name for p in paths] == NAMES
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(NAMES)
    for path in paths:
        pixels = imread(path)[..., :3]
        assert min(pixels.shape[:2]) > 400
        assert len(np.unique(pixels[::5, ::5].reshape(-1, 3), axis=0)) > 20
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == pyplot


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (("ranks", "factors", "spread_skill"), NAMES[1:]),  # biases and risk are left to draw
        (("factors", "bias", "whole_pose"), ["ranks.png", "confidence.png"]),
    ],
)
def test_only_what_has_data_is_drawn(
    gone: tuple[str, ...], left: list[str], tmp_path: Path
) -> None:
    result = diagnosis(skeleton="lsp_14") | dict.fromkeys(gone)
    assert [p.name for p in write_diagnosis_plots(tmp_path, result)] == left


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert write_diagnosis_plots(tmp_path, {}) == []


def test_names_are_not_read_as_mathematics(tmp_path: Path) -> None:
    result = diagnosis(skeleton="lsp_14")
    for part in (result["factors"]["per_joint"], result["bias"], result["ranks"]["joints"]):
        part[r"$\frac{"] = part.pop("head_top")
    result["whole_pose"] = {r"$\frac{": result["whole_pose"]["radius"]}
    assert len(write_diagnosis_plots(tmp_path, result)) == 4


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.*a folder that can be made"):
        write_diagnosis_plots(tmp_path / "file", diagnosis())

"""The Python of the page runs as it stands, on small models in the places of the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import constants
from PIL import Image

from detectors.tiny_models import noise, save_rtdetr, save_vitpose
from poseterior.detectors import RTDetr, VitPose

PAGE = Path(__file__).parents[2] / "docs" / "detectors.md"


def test_python_runs_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for kind, save in ((VitPose, save_vitpose), (RTDetr, save_rtdetr)):
        there = tmp_path / "hub" / f"models--{kind.repository.replace('/', '--')}"
        save(there / "snapshots" / "abc")
        (there / "refs").mkdir()
        (there / "refs" / "main").write_text("abc")
    Image.fromarray(noise((640, 480))).save("photo.jpg")
    names: dict[str, object] = {}
    for body in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        exec(compile(body, PAGE.name, "exec"), names)
    people = len(names["people"][0])
    assert people > 0
    assert tuple(names["keypoints"][0].covariance.shape) == (people, 17, 2, 2)
    assert tuple(names["fit"].converged.shape) == (people, 17)


def test_commands_are_those_of_the_errors() -> None:
    text = PAGE.read_text()
    assert f"hf download {VitPose.repository}" in text
    assert f"hf download {RTDetr.repository}" in text

"""Bodies by name or file."""

from __future__ import annotations

from pathlib import Path

import pytest

from poseterior.errors import InputError
from poseterior.meshes import bodies
from poseterior.meshes.bodies import open_body
from poseterior.meshes.models import smpl


def test_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_body("anny_light").name == "anny_light"
    monkeypatch.setattr(bodies, "anny_body", lambda topology: topology)
    assert open_body("anny") == "default"


def test_a_file_is_smpls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.npz"
    file.touch()
    monkeypatch.setattr(smpl, "read_smpl", lambda path: ("read", path))
    assert open_body(str(file)) == ("read", str(file))


@pytest.mark.parametrize("name", ["smpl", "annie", "missing.npz", "."])
def test_what_is_neither_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="body: expected one of anny, anny_light, or the path"):
        open_body(name)

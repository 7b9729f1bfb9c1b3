"""The Python of the documentation's pages runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = (
    "bodies.md", "ccnet.md", "confidence.md", "diagnose.md", "expected_oks.md", "heatmaps.md",
    "meshes.md", "pose_prior.md", "recalibration.md",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_python_runs_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert snippets
    names: dict[str, object] = {}
    for body in snippets:
        exec(compile(body, page, "exec"), names)

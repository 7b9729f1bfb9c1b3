"""The example of docs/quantities.md prints what the page says it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from poseterior.event_text import FORMS
from poseterior.geometry.joint_angles import ANGLES

PAGE = (Path(__file__).parents[1] / "docs" / "quantities.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def test_the_example_prints_what_the_page_says() -> None:
    """Word by word; numbers but for what another processor's rounding may change."""
    code, printed = re.findall(r"^```(?:python|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "quantities.md", "exec"), {})
    assert NUMBER.sub("N", said.getvalue()) == NUMBER.sub("N", printed)
    for found, wanted in zip(*map(NUMBER.findall, (said.getvalue(), printed)), strict=True):
        rounding = 0.003 if "." in wanted else 1
        assert float(found) == pytest.approx(float(wanted), abs=rounding)


def test_every_angle_and_form_is_on_the_page() -> None:
    assert {name for name in ANGLES if name.replace("right_", "left_") not in PAGE} == set()
    assert [form for form in FORMS if form not in PAGE] == []

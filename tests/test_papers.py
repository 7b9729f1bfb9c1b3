"""The pages on the papers name functions and commands that exist, and say why where none does."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from poseterior.lifters import LIFTERS

PAPERS = Path(__file__).parents[1] / "docs" / "papers"
PAGES = sorted(PAPERS.glob("[0-9]*.md"))
HEADER = ["what it is", "ours", "command", "published", "ours, measured"]
EQUATIONS = {"001": 10, "002": 1, "003": 110, "004": 9}
NOTHING = "—"


def names(text: str) -> list[str]:
    """Dotted names of the package in backticks."""
    return re.findall(r"`(poseterior(?:\.\w+)+)`", text)


def commands(text: str) -> list[str]:
    """Commands in backticks."""
    return re.findall(r"`(poseterior [a-z][^`]*)`", text)


def tables(text: str) -> list[list[list[str]]]:
    """The cells of each row of each table with our header."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if cells == HEADER:
            found.append([])
            inside = True
        elif not cells:
            inside = False
        elif inside and not set(line) <= set("|-: "):
            found[-1].append(cells)
    return found


def rows(page: Path) -> list[list[str]]:
    return [row for table in tables(page.read_text(encoding="utf-8")) for row in table]


def resolve(name: str) -> object:
    """The object of a dotted name: a module, what is in it, or a field of a dataclass."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = ".".join(parts[:end])
        try:
            found: object = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and not module.startswith(error.name):
                raise
            continue
        for part in parts[end:]:
            fields = {f.name: f for f in getattr(found, "__dataclass_fields__", {}).values()}
            found = fields[part] if part in fields else getattr(found, part)
        return found
    raise AttributeError(name)


def row_fault(row: list[str]) -> str:
    """What is wrong with a row of a table; the empty string if nothing is."""
    if len(row) != len(HEADER):
        return f"{len(row)} cells"
    if not all(row):
        return "an empty cell"
    reasons = re.findall(r"(?:planned \(\w+\)|none): \S.{4,}", row[1])
    if not names(row[1]) and not reasons:
        return "neither a name nor a reason"
    if "planned" in row[1] and not reasons:
        return "planned, but not what"
    return "" if row[2] == NOTHING or commands(row[2]) else "neither a command nor a dash"


def test_there_is_a_page_for_each_paper_and_the_index_links_to_it() -> None:
    index = (PAPERS / "README.md").read_text(encoding="utf-8")
    assert [page.stem for page in PAGES] == ["000", "001", "002", "003", "004"]
    assert all(f"({page.name})" in index for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_row_has_a_name_or_a_reason(page: Path) -> None:
    assert {row[0]: fault for row in rows(page) if (fault := row_fault(row))} == {}
    assert len({row[0] for row in rows(page)}) == len(rows(page)) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_planned_rows_name_a_part_that_the_index_explains(page: Path) -> None:
    index = (PAPERS / "README.md").read_text(encoding="utf-8")
    parts = set(re.findall(r"planned \((\w+)\)", page.read_text(encoding="utf-8")))
    assert all(f"| {part} |" in index for part in parts)


@pytest.mark.parametrize("page", EQUATIONS)
def test_every_numbered_equation_has_a_row(page: str) -> None:
    numbers = {
        int(n) for row in rows(PAPERS / f"{page}.md") for n in re.findall(r"^Eq\. (\d+):", row[0])
    }
    assert numbers == set(range(1, EQUATIONS[page] + 1))


@pytest.mark.parametrize("page", [*PAGES, PAPERS / "README.md"], ids=lambda page: page.stem)
def test_every_name_exists(page: Path) -> None:
    missing = []
    for name in names(page.read_text(encoding="utf-8")):
        try:
            resolve(name)
        except AttributeError:
            missing.append(name)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_exists(page: Path, command_faults: Callable[[str], list[str]]) -> None:
    named = commands(page.read_text(encoding="utf-8"))
    assert {command: command_faults(command) for command in named if command_faults(command)} == {}


def test_our_sizes_are_those_of_the_presets() -> None:
    checked = 0
    for row in [*rows(PAPERS / "001.md"), *rows(PAPERS / "002.md")]:
        if stated := re.fullmatch(r"(\d+); (\d+) in `small`", row[4]):
            config, field = names(row[1])[0].rsplit(".", 1)
            if not config.endswith("Config"):
                continue
            presets = next(c.PRESETS for c in LIFTERS.values() if c.Config is resolve(config))
            sizes = [getattr(presets[name], field) for name in ("paper", "small")]
            assert [int(n) for n in stated.groups()] == sizes, row[0]
            checked += 1
    assert checked == 3


def test_a_bad_row_or_name_is_found() -> None:
    good = ["Eq. 1: x", "`poseterior.errors.InputError`", NOTHING, NOTHING, NOTHING]
    assert row_fault(good) == ""
    assert row_fault(["Eq. 1: x", "planned (lifters): the method", NOTHING, "1", NOTHING]) == ""
    for ours in ("", "planned", "soon", "none"):
        assert row_fault([good[0], ours, *good[2:]])
    assert row_fault(good[:4])
    assert row_fault([*good[:2], "run it", *good[3:]])
    assert dataclasses.is_dataclass(resolve("poseterior.keypoints.Keypoints"))
    for name in (
        "poseterior.nothing",
        "poseterior.errors.Nothing",
        "poseterior.keypoints.Keypoints.z",
    ):
        with pytest.raises(AttributeError):
            resolve(name)


def test_measured_figures_are_those_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    path = PAPERS.parents[1] / "tools" / "quote_results.py"
    monkeypatch.syspath_prepend(path.parent)
    spec = importlib.util.spec_from_file_location("quote_results", path)
    assert spec is not None
    assert spec.loader is not None
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    results = figures.Results()
    for page in figures.CELLS:
        text = (PAPERS / f"{page}.md").read_text(encoding="utf-8")
        assert figures.filled(page, text, results) == text, "run python tools/quote_results.py"
    readme = figures.README.read_text(encoding="utf-8")
    assert figures.with_table(readme, results) == readme, "run python tools/quote_results.py"
    page = figures.DIAGNOSE.read_text(encoding="utf-8")
    assert figures.with_faults(page) == page, "run python tools/quote_results.py"

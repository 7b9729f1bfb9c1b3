"""What the README shows works: its set-up lines, its snippets and its commands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poseterior.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")]


def fences(text: str) -> list[tuple[str, str]]:
    """(language, body) of each fenced block, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def set_up_lines() -> list[str]:
    body = next(body for language, body in fences(README.split("## Set up")[1]) if language == "sh")
    return body.splitlines()


def commands(text: str) -> Iterator[str]:
    """Every `poseterior COMMAND ...` that a document tells to type."""
    for language, body in fences(text):
        if language in ("bash", "console", "sh"):
            yield from re.findall(r"poseterior [a-z][^&\n]*", body)
    yield from re.findall(r"`(poseterior [a-z][^`\n]*)`", text)


def openpose_folder(folder: Path, frames: int = 3) -> None:
    """What OpenPose writes of two people, one of them without legs."""
    people = [
        [value for j in range(25) for value in (200.0 * p + 20 * (j % 5), 40.0 * (j // 5) + 9, 0.9)]
        for p in (1, 2)
    ]
    for j in (10, 11, 13, 14, *range(19, 25)):
        people[1][3 * j : 3 * j + 3] = [0.0, 0.0, 0.0]
    folder.mkdir()
    for frame in range(frames):
        written = {"version": 1.3, "people": [{"pose_keypoints_2d": p} for p in people]}
        (folder / f"clip_{frame:012d}_keypoints.json").write_text(json.dumps(written))


def test_two_set_up_lines_that_ci_runs_as_they_stand() -> None:
    demo, tests = set_up_lines()
    listed = subprocess.run(
        ["bash", str(ROOT / ".ci" / "run"), "--list"], capture_output=True, text=True, check=True
    )
    assert listed.stdout.splitlines() == [demo, tests]
    for line in (demo, tests):
        assert "pip install -c constraints.txt" in line
        assert line.startswith("python3 -m venv")
    assert demo.endswith("poseterior demo --out demo")
    assert tests.endswith("-m pytest")


def test_the_one_idea_is_in_the_second_paragraph() -> None:
    _, first, second, *_ = README.split("\n\n")
    assert "Poseterior" in first
    assert "one idea" in second
    language, shown = fences(README)[0]
    assert language == "python"
    assert README.index(shown) < README.index("## Set up")
    for line in ("posterior = lifter(keypoints)", "posterior.sample((200,))", "log_prob"):
        assert line in shown


def test_snippets_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python and commands, all in this process and one folder."""
    monkeypatch.chdir(tmp_path)
    openpose_folder(tmp_path / "openpose_json")
    names: dict[str, object] = {}
    for language, body in fences(README):
        if language == "python":
            exec(compile(body, "README.md", "exec"), names)
        elif language == "bash":
            for line in body.splitlines():
                program, *arguments = shlex.split(line)
                assert program == "poseterior"
                assert main(arguments) == 0, line
    assert tuple(names["hypotheses"].shape) == (200, 8, 17, 3)  # type: ignore[attr-defined]
    assert tuple(names["log_prob"].shape) == (200, 8)  # type: ignore[attr-defined]
    assert (tmp_path / "posterior.npz").stat().st_size > 0
    assert "<html" in (tmp_path / "score.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(document: Path, command_faults: Callable[[str], list[str]]) -> None:
    named = commands(document.read_text(encoding="utf-8"))
    assert {c: command_faults(c) for c in named if command_faults(c)} == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (document.parent / link).exists()] == []

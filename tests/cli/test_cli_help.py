"""The help: every command and flag that is promised, quickly and readably."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from poseterior.cli import COMMANDS

# As issue and documentation spell them.
FLAGS = {
    "demo": {"--out", "--hypotheses", "--seed"},
    "lift": {
        "--out", "--hypotheses", "--lifter", "--seed", "--format", "--skeleton", "--map",
        "--image-size", "--focal", "--person", "--detector", "--finder", "--box", "--device",
        "--report",
    },
    "mesh": {
        "--out", "--hypotheses", "--lifter", "--body", "--representatives", "--frames", "--glb",
        "--obj", "--report", "--seed", "--person", "--format",
    },
    "score": {"--target", "--json", "--report", "--hypotheses"},
    "diagnose": {"--target", "--by", "--json", "--report", "--plots", "--hypotheses", "--seed"},
    "angles": {"--out", "--widest"},
    "probability": {"--event", "--out", "--down", "--frame"},
    "train": {"--data", "--root", "--out", "--steps", "--preset", "--seed", "--resume"},
    "evaluate": {
        "--data", "--root", "--split", "--json", "--report", "--observations", "--limb-scale",
        "--seed", "--hypotheses",
    },
    "study": {
        "--data", "--root", "--out", "--preset", "--only", "--budget", "--hypotheses", "--every",
        "--seed", "--device",
    },
    "recalibrate": {
        "--out", "--method", "--apply", "--target", "--rule", "--data", "--root", "--split",
    },
    "confidence": {
        "--annotations", "--method", "--fit-on", "--area", "--folds", "--out", "--json",
        "--precision", "--detector", "--seed", "--aggregate",
    },
    "render": {
        "--out", "--train", "--val", "--test", "--seed", "--root", "--cache", "--body",
        "--renderer", "--frames", "--workers",
    },
    "smooth": {"--out", "--model", "--fps", "--lag", "--fit", "--share"},
    "data cmu": {"--root"},
    "data people": {"--annotations", "--images", "--out", "--split", "--size"},
    "info": set(),
}  # fmt: skip


def test_all_commands_are_listed(run):
    ended = run("--help")
    assert ended.code == 0
    for command in FLAGS:
        assert re.search(rf"\b{command.split()[0]}\b", ended.out)
    assert set(COMMANDS) == {command.split()[0] for command in FLAGS}


@pytest.mark.parametrize("command", FLAGS)
def test_a_command_s_help_names_its_flags(run, command):
    ended = run(*command.split(), "--help")
    assert ended.code == 0
    assert set(re.findall(r"--[a-z0-9-]+", ended.out)) >= FLAGS[command]
    assert "None" not in ended.out
    assert "_" not in "".join(re.findall(r"--[\w-]+", ended.out))


def test_the_help_lists_the_formats_and_splits_that_there_are(run):
    from poseterior.data.cmu_archive import SPLITS
    from poseterior.data.keypoint_files import FORMATS

    lift, evaluate = (" ".join(run(c, "--help").out.split()) for c in ("lift", "evaluate"))
    assert [name for name in FORMATS if name not in lift] == []
    assert [name for name in SPLITS if name not in evaluate] == []


def test_the_help_lists_the_methods_and_rules_of_a_recalibration(run):
    from poseterior.recalibration import METHODS
    from poseterior.recalibration.conformal_rules import RULES

    shown = " ".join(run("recalibrate", "--help").out.split())
    assert [name for name in (*METHODS, *RULES) if name not in shown] == []
    for command in ("lift", "evaluate"):
        assert "--recalibration" in run(command, "--help").out


def test_help_needs_neither_torch_nor_numpy():
    code = (
        "import sys; from poseterior.cli import parse\n"
        "try: parse(['lift', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lfit"],
        ["lift"],
        ["lift", "a.json"],
        ["lift", "a.json", "--out", "b.npz", "--hypotheses", "many"],
        ["lift", "a.json", "--out", "b.npz", "--image-size", "640"],
        ["train", "coupling_flow", "--out", "r", "--resume", "True"],
        ["data", "human36m"],
    ],
)
def test_a_wrong_command_line_ends_with_2(run, arguments):
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


def test_info_tells_versions_lifters_skeletons_and_formats(run):
    import torch

    from poseterior import __version__
    from poseterior.data.keypoint_files import FORMATS
    from poseterior.geometry.skeleton import SKELETONS
    from poseterior.lifters import LIFTERS

    ended = run("info")
    assert (ended.code, ended.err) == (0, "")
    repairs = ("closed_form", "isotonic", "temperature", "ccnet")
    for word in (__version__, torch.__version__, *LIFTERS, *repairs, *SKELETONS, *FORMATS):
        assert word in ended.out

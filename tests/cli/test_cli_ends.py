"""How commands end: stopped by a signal, without a reader, on a full disk; demo from end to end."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from cli_files import assert_refused, observations, predictions, save

from poseterior.cli import console, outcome

COMMAND = [sys.executable, "-m", "poseterior"]
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def stops(run, tmp_path, monkeypatch):
    """Runs a command that gets a signal when its first rows are done."""

    def command(number, *arguments):
        @contextmanager
        def bar(what):
            yield lambda done, total: signal.raise_signal(number)

        monkeypatch.setattr(console, "bar", bar)
        # What runs the tests in the background may have had SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        before, handler = everything(tmp_path), signal.getsignal(signal.SIGTERM)
        ended = run(*arguments)
        assert_refused(ended, code=130)
        assert everything(tmp_path) == before
        assert signal.getsignal(signal.SIGTERM) is handler

    return command


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_leave_nothing_behind(stops, tiny_lifter, tmp_path, number):
    seen = save(tmp_path / "seen.npz", observations(100))
    drawn = save(tmp_path / "drawn.npz", predictions(100, 5))
    stops(number, "lift", seen, "--out", tmp_path / "o.npz", "--lifter", tiny_lifter,
          "--hypotheses", 5)  # fmt: skip
    stops(number, "score", drawn, "--json", tmp_path / "o.json", "--report", tmp_path / "o.html")
    stops(number, "evaluate", tiny_lifter, "--observations", seen, "--json", tmp_path / "o.json",
          "--hypotheses", 5)  # fmt: skip


def _until(holds, process: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def _stopped(process: subprocess.Popen, number: signal.Signals) -> str:
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.startswith("poseterior: ")
    assert err.count("\n") == 1
    return err


def test_a_process_that_lifts_is_terminated(tiny_lifter, tmp_path):
    source = save(tmp_path / "in.npz", observations(20_000))
    out = tmp_path / "o.npz"
    arguments = ["lift", source, "--out", out, "--lifter", tiny_lifter, "--hypotheses", "100"]
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=-1, stderr=-1, text=True)
    _until(lambda: len(everything(tmp_path)) > 2, process)  # a hidden folder with columns in it
    _stopped(process, signal.SIGTERM)
    assert everything(tmp_path) == {"in.npz"}


def test_a_process_that_trains_saves_its_step(cmu, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", "simple_baseline", "--root", cmu, "--out", out, "--steps", "1000000"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdout=said, stderr=subprocess.PIPE, text=True
        )
        log = out / "log.jsonl"
        _until(lambda: log.exists() and log.stat().st_size > 0, process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count("\n") == 1
    step = json.loads((out / "training.json").read_text())["step"]
    assert f"stopped at step {step} of 1000000" in err
    assert len(everything(out)) == 5  # and nothing half-written


@pytest.mark.parametrize("arguments", ["info", "lift --help"])
def test_nobody_reads_the_output(arguments):
    """As `poseterior info | true`: no traceback, no words of Python's at its end."""
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [*COMMAND, *arguments.split()], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_standard_output_on_a_full_disk():
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*COMMAND, "lift", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in ended.stderr


@contextmanager
def files_of_at_most(size: int):
    """What a full disk does to a writer: no file may grow beyond that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk(run, tiny_lifter, cmu, tmp_path):
    seen = save(tmp_path / "seen.npz", observations(100))
    drawn = save(tmp_path / "drawn.npz", predictions())
    before = everything(tmp_path)
    with files_of_at_most(4000):
        lift = run("lift", seen, "--out", tmp_path / "o.npz", "--lifter", tiny_lifter)
        json = run("score", drawn, "--json", tmp_path / "o.json")
        report = run("score", drawn, "--report", tmp_path / "o.html")
        train = run("train", "simple_baseline", "--root", cmu, "--out", tmp_path / "r",
                    "--steps", 2)  # fmt: skip
    for ended in (lift, json, report):
        assert_refused(ended, str(tmp_path / "o."), "File too large")
    assert_refused(train._replace(out=""), str(tmp_path / "r"), "File too large")
    assert everything(tmp_path) - before <= {"r", "r/log.jsonl"}


def test_no_memory_is_one_line_too(capsys):
    def command():
        raise RuntimeError("[enforce fail] can't allocate memory: you tried to allocate 9 bytes")

    assert outcome.run_to_exit_code(command) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_not_foreseen_is_raised():
    def command():
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        outcome.run_to_exit_code(command)


def test_demo_from_end_to_end(run, tmp_path):
    out = tmp_path / "new" / "demo"
    ended = run("demo", "--out", out, "--hypotheses", 20)
    assert (ended.code, ended.err) == (0, "")
    assert "90 poses" in ended.out
    assert str(out / "report.html") in ended.out
    assert everything(out) == {
        "posterior.npz", "report.json", "report.html",
        "reliability.png", "per_joint.png", "errors.png", "poses.png",
    }  # fmt: skip
    numbers = json.loads((out / "report.json").read_text())
    assert (numbers["poses"], numbers["hypotheses"], numbers["skeleton"]) == (90, 20, "h36m_17")
    for key in ("mpjpe_mean_mm", "min_mpjpe_mm", "ece_median", "energy_score_mm", "nll"):
        assert np.isfinite(numbers[key]), key
    with np.load(out / "posterior.npz", allow_pickle=False) as file:
        assert file["hypotheses"].shape == (90, 20, 17, 3)
        assert file["valid"].all()
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")

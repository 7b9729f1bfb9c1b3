"""`poseterior train ccnet`: a confidence network on a frozen detector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseterior.errors import InputError, known, require

if TYPE_CHECKING:
    from poseterior.detectors.feature_detector import FeatureDetector

__all__ = ["NETWORK", "OPTIONS", "train_confidence"]

NETWORK = "ccnet"
OPTIONS = ("loss", "inputs", "head", "visibility_weight")  # of the network
_OTHERS = ("protocol", "keypoints", "body", "drawn_poses", "base")  # no use here
_Train = Any  # `poseterior.cli.train.Train`, whose file imports this one


def train_confidence(command: _Train) -> None:
    """Let the detector see the people, train on that, and print how it does on split val."""
    _check(command)

    from poseterior.cli.console import bars
    from poseterior.cli.training_job import TrainingJob
    from poseterior.studies.confidence_data import SPLITS, confidence_training

    options = _options(command)
    detector = _opened(command)
    steps = (f"looking at people of {split}" for split in SPLITS)
    with _saying_how_to_go_on(command.out), bars(*steps) as advance:
        made = confidence_training(
            detector, command.data, command.root, command.out, options, command.seed, advance
        )
    settings = {"seed": command.seed, "validate_every": command.validate_every}
    job = TrainingJob(
        data=made.data,
        settings=settings if command.steps is None else settings | {"steps": command.steps},
        device=command.device,
        resume=command.resume,
        fabric=None,
        about={"data": command.data},
    )
    job.show(job.fit(made.network, command.preset, command.out), command.out)


def _check(command: _Train) -> None:
    """Now, before the detector looks at anything."""
    from poseterior.studies.confidence_data import SPLITS, seen_folder
    from poseterior.training.begin import begun, occupied
    from poseterior.training.recipes import RECIPES

    known("--preset", command.preset, RECIPES[NETWORK])
    for name in _OTHERS:
        option, given = f"--{name.replace('_', '-')}", getattr(command, name)
        require(given is None, option, "", expected=f"no such option for {NETWORK}", found=given)
    expected = f"1, for {NETWORK} is too small to share"
    require(command.devices == 1, "--devices", "", expected=expected, found=command.devices)
    out = command.out
    looked = any(seen_folder(out, split) for split in SPLITS)
    if command.resume:
        there = begun(out) or looked
        require(there, out, "", expected="a run to resume", found="none")
    else:
        new = not (occupied(out) or looked)
        require(new, out, "", expected="a new folder, or --resume", found="a run there")


def _options(command: _Train) -> dict[str, Any]:
    """Those that are given, checked."""
    from poseterior.confidence.ccnet import CCNetConfig

    options = {name: getattr(command, name) for name in OPTIONS}
    options = {name: value for name, value in options.items() if value is not None}
    CCNetConfig(1, **options)
    return options


def _opened(command: _Train) -> FeatureDetector:
    from poseterior.detectors.feature_detector import as_feature_detector
    from poseterior.training.detectors import open_any_detector

    if command.detector is None:
        expected = "a run of `train sbl` or `train rle`, or a ViTPose's folder"
        raise InputError("--detector", "", expected=expected, found="none")
    return as_feature_detector(open_any_detector(command.detector, command.device), "--detector")


@contextmanager
def _saying_how_to_go_on(out: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as stopped:
        text = f"stopped while the detector was looking, kept in {out}: --resume to go on"
        raise KeyboardInterrupt(text) from stopped

"""`poseterior confidence`: make the scores of 2D keypoints mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from poseterior.cli.options import MOST, Count, Json, Report, check_range

__all__ = ["Confidence"]

_SHOWN = {
    "map": "mAP",
    "mar": "mAR",
    "ap50": "AP at 0.5",
    "ap75": "AP at 0.75",
    "ause": "AUSE, people",
    "pearson": "Pearson, people",
    "ause_keypoint": "AUSE, keypoints",
    "pearson_keypoint": "Pearson, keypoints",
    "brier_keypoint": "Brier, keypoints",
    "ece_keypoint": "ECE, keypoints",
}


@dataclass(frozen=True)
class Confidence:
    """Repair the scores of COCO results to expected OKS, and say what that does."""

    results: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RESULTS.json")]
    """A list of detections in COCO's format."""
    annotations: Path
    """COCO's annotations of their images."""
    method: Annotated[str, tyro.conf.arg(metavar="closed_form|isotonic|temperature")]
    """From covariances in the file, or fitted to each joint's OKS, conditional on the size."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FIXED.json", help_behavior_hint="")] = None
    """Write the detections with repaired scores."""
    fit_on: Annotated[
        tuple[Path, Path] | None,
        tyro.conf.arg(metavar="RES.json ANN.json", help_behavior_hint=""),
    ] = None
    """Fit on results of other images; else on folds of these, each repaired by the others."""
    area: Annotated[str, tyro.conf.arg(metavar="mean|predicted|true")] = "predicted"
    """Of closed_form: what stands for the annotated area."""
    aggregate: Annotated[str, tyro.conf.arg(metavar="visibility|threshold")] = "visibility"
    """From keypoints to people: weighted by visibility, or the mean of those above 0.2."""
    detector: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="vitpose|rtmpose|ultralytics|openpose|deeplabcut|sleap", help_behavior_hint=""
        ),
    ] = None
    """Whose scores they are, for the notes."""
    folds: Count = 5
    """Folds of images, without --fit-on."""
    precision: Annotated[float, tyro.conf.arg(metavar="SHARE")] = 0.9
    """Of the recommended threshold: how many detections are to be right, at OKS 0.5."""
    json: Json = None
    report: Report = None
    seed: Count = 0
    """Seed of the folds."""

    def run(self) -> None:
        """Repair, write what was asked for and print the main numbers."""
        from poseterior.batch.confidence import ConfidenceOptions, repair_confidence
        from poseterior.cli.console import one_thread, show_notes
        from poseterior.cli.reporting import check_outputs, naming

        check_range(0, MOST, seed=self.seed)
        inputs = (self.results, self.annotations, *(self.fit_on or ()))
        check_outputs(self.out, self.json, self.report, inputs=inputs)
        options = ConfidenceOptions(
            method=self.method, area=self.area, aggregate=self.aggregate, detector=self.detector,
            folds=self.folds, precision=self.precision, seed=self.seed,
        )  # fmt: skip
        with one_thread(), naming(self.out):
            told = repair_confidence(self.results, self.annotations, self.out, options, self.fit_on)
        self._write(told)
        show_notes(told["notes"])
        show_confidence(told)

    def _write(self, told: Mapping[str, Any]) -> None:
        from poseterior.batch.score import save_result
        from poseterior.cli.reporting import naming
        from poseterior.report.keypoint_confidence_page import write_keypoint_confidence

        writers = (
            (self.json, lambda path: save_result(told, path)),
            (self.report, lambda path: write_keypoint_confidence(path, told)),
        )
        for path, write in writers:
            if path is not None:
                with naming(path):
                    write(path)


def show_confidence(told: Mapping[str, Any]) -> None:
    """What was, what is, and the threshold to take."""
    before, after = told["before"], told["after"]
    print(f"{told['detections']} detections in {told['images']} images, {told['people']} people; "
          f"{told['method']}")  # fmt: skip
    print(f"{'':27}{'before':>8}{'after':>9}")
    for key, name in _SHOWN.items():
        print(f"  {name:24}{_number(before[key]):>9}{_number(after[key]):>9}")
    for part in after.get("parts", ()):
        values = (each["parts"][part]["map"] for each in (before, after))
        print(f"  {'mAP, ' + part:24}" + "".join(f"{_number(value):>9}" for value in values))
    print(_threshold(after["threshold"]))


def _threshold(told: Mapping[str, Any]) -> str:
    wanted = f"{told['precision_wanted']:.0%} right at OKS {told['oks']}"
    if told["score"] is None:
        return f"no score makes {wanted}"
    return (
        f"score >= {told['score']:.3f} for {wanted}: "
        f"{told['detections']} detections, {told['recall']:.0%} of the people"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"

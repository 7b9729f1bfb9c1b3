"""`poseterior lift`: 2D keypoints, images or a video in, hypotheses out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from poseterior.cli.keypoint_input import InputPath, KeypointInput
from poseterior.cli.options import (
    Box,
    Count,
    DetectorName,
    Folder,
    LifterName,
    Recalibration,
    Report,
    check_draws,
)
from poseterior.errors import require

__all__ = ["Lift"]


@dataclass(frozen=True)
class Lift(KeypointInput):
    """Lift 2D keypoints, images or a video to 3D hypotheses, written as one predictions file."""

    input: InputPath
    """Keypoints (COCO, OpenPose, MMPose, AlphaPose, DeepLabCut, .npz); with --detector images."""
    out: Path
    """The predictions .npz to write."""
    hypotheses: Count = 200
    """Poses to draw for each observation."""
    lifter: LifterName = "coupling_flow"
    """A lifter that comes with the package, or the folder of a run."""
    seed: Count = 0
    """Seed of all draws."""
    detector: DetectorName = None
    """What finds keypoints in images; the models' weights must be on this machine."""
    finder: Annotated[str, tyro.conf.arg(metavar="rtdetr|DIR")] = "rtdetr"
    """What finds people in images, unless there is a --box."""
    box: Box = None
    """Where the one person is, px, in every image."""
    ccnet: Folder = None
    """A run of `train ccnet` on the --detector: confidences become the OKS that it expects."""
    device: Annotated[str, tyro.conf.arg(metavar="cpu|cuda")] = "cpu"
    """Where the detector runs."""
    recalibration: Recalibration = None
    report: Report = None
    bfloat16: bool = False
    """Multiply matrices in bfloat16: faster where the processor has it, about 2 mm off."""

    def run(self) -> None:
        """Lift and say how many observations could not be."""
        check_draws(self.hypotheses, self.seed)

        import torch

        from poseterior.cli.lift_images import check_no_images, lift_images
        from poseterior.cli.reporting import check_outputs

        inputs = (self.input, self.map, self.recalibration)
        check_outputs(self.out, self.report, inputs=inputs)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            if self.detector is not None:
                lift_images(self)
                return
            if self.format is None:
                check_no_images(self.input)
            for option, given in (("--box", self.box), ("--ccnet", self.ccnet)):
                require(given is None, option, "", expected="a --detector too", found="none")
            self._lift_keypoints()

    def _lift_keypoints(self) -> None:
        from poseterior.batch.lift import lift
        from poseterior.batch.observed import conversion_note
        from poseterior.cli.console import bar, show_notes
        from poseterior.cli.lifters import opened_lifter

        source = self.source()
        lifter = opened_lifter(self.lifter, self.recalibration, self.hypotheses, source)
        with bar("lifting") as advance:
            done = lift(source, lifter, self.out, self.hypotheses, self.seed, progress=advance)
        notes = dict(source.notes) | conversion_note(source.skeleton, lifter.skeleton)
        show_notes(notes)
        print(
            f"{done.path}: {done.poses} poses, {self.hypotheses} hypotheses each; "
            f"{done.invalid} could not be lifted (valid = False)"
        )
        if self.report is not None:
            from poseterior.cli.lift_images import write_page

            write_page(self.report, self.out, self.input.name, notes)

"""`poseterior lift`: 2D keypoints, images or a video in, hypotheses out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from poseterior.cli.options import (
    Box,
    Count,
    DetectorName,
    HeatmapPx,
    LifterName,
    Name,
    Px,
    Recalibration,
    Report,
    Size,
    check_draws,
)
from poseterior.errors import require

if TYPE_CHECKING:
    from poseterior.data.confidence_covariance import CovarianceRule
    from poseterior.data.keypoint_source import KeypointSource

__all__ = ["Lift"]


@dataclass(frozen=True)
class Lift:
    """Lift 2D keypoints, images or a video to 3D hypotheses, written as one predictions file."""

    input: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="IN")]
    """Keypoints (COCO, OpenPose, MMPose, AlphaPose, DeepLabCut, .npz); with --detector images."""
    out: Path
    """The predictions .npz to write."""
    hypotheses: Count = 200
    """Poses to draw for each observation."""
    lifter: LifterName = "coupling_flow"
    """A lifter that comes with the package, or the folder of a run."""
    seed: Count = 0
    """Seed of all draws."""
    format: Name = None
    """coco, openpose, mmpose, alphapose, deeplabcut or npz; recognised if not given."""
    skeleton: Name = None
    """Skeleton of the input, where the file does not tell (`poseterior info` lists them)."""
    map: Annotated[Path | None, tyro.conf.arg(metavar="NAMES.json", help_behavior_hint="")] = None
    """JSON {"their joint": "our joint"}, for files that name joints their own way."""
    image_size: Size = None
    """Width and height of the image in px, where the file does not tell."""
    focal: Px = None
    """Focal length in px; if not given a photo's by EXIF, else 1.15 times the longer side."""
    sigma_confident: HeatmapPx = None
    """Where the file has no covariances: error of a confident joint, heatmap px; 0.55."""
    sigma_uncertain: HeatmapPx = None
    """As above, as the confidence reaches 0; 8."""
    detector: DetectorName = None
    """What finds keypoints in images; the models' weights must be on this machine."""
    finder: Annotated[str, tyro.conf.arg(metavar="rtdetr|DIR")] = "rtdetr"
    """What finds people in images, unless there is a --box."""
    box: Box = None
    """Where the one person is, px, in every image."""
    device: Annotated[str, tyro.conf.arg(metavar="cpu|cuda")] = "cpu"
    """Where the detector runs."""
    person: Annotated[
        str | None, tyro.conf.arg(metavar="largest|all|ID", help_behavior_hint="")
    ] = None
    """Whom to lift in each frame; the largest if not given, and every row of our .npz."""
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
            require(self.box is None, "--box", "", expected="a --detector too", found="none")
            self._lift_keypoints()

    def _lift_keypoints(self) -> None:
        from poseterior.batch.lift import lift
        from poseterior.batch.observed import conversion_note
        from poseterior.cli.console import bar, show_notes
        from poseterior.cli.lifters import opened_lifter

        source = self._source()
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

    def _source(self) -> KeypointSource:
        from poseterior.data.keypoint_files import read_keypoints, select_person
        from poseterior.data.keypoint_source import table_source

        own = self.format == "npz" or (self.format is None and self.input.suffix == ".npz")
        if own and self.person in (None, "all"):
            return self._observations()
        table = read_keypoints(
            self.input,
            self.format,
            skeleton=self.skeleton,
            joint_map=self.map,
            image_size=self.image_size,
            focal=self.focal,
            rule=self._rule(),
        )
        return table_source(select_person(table, self.person or "largest"), str(self.input))

    def _rule(self) -> CovarianceRule:
        from poseterior.data.confidence_covariance import CovarianceRule

        given = {
            "sigma_confident": self.sigma_confident,
            "sigma_uncertain": self.sigma_uncertain,
        }
        return CovarianceRule(**{name: v for name, v in given.items() if v is not None})

    def _observations(self) -> KeypointSource:
        """Our own file, read row by row: it may be larger than memory."""
        from poseterior.data.observations import open_observations

        source = open_observations(self.input, self.image_size, self.focal, self._rule())
        own = f"the skeleton {source.skeleton.name} that {self.input} names"
        same = self.skeleton in (None, source.skeleton.name)
        require(same, "--skeleton", "", expected=own, found=self.skeleton)
        require(self.map is None, "--map", "", expected=f"none beside {own}", found=self.map)
        return source

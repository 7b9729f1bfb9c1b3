"""`poseterior lift`: 2D keypoints in, hypotheses out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from poseterior.data.keypoint_source import KeypointSource

__all__ = ["Lift"]


@dataclass(frozen=True)
class Lift:
    """Lift 2D keypoints to 3D hypotheses, written as one predictions file."""

    input: tyro.conf.Positional[Path]
    """Keypoints: an observations .npz, COCO, MMPose or AlphaPose JSON, a folder of OpenPose
    JSON, DeepLabCut CSV or H5."""
    out: Path
    """The predictions .npz to write."""
    hypotheses: int = 200
    """How many poses to draw for each observation."""
    lifter: str = "coupling_flow"
    """Name of a lifter that comes with the package, or the folder of a run."""
    seed: int = 0
    """Seed of all draws."""
    format: str | None = None
    """Format of the input; recognised from its content if not given."""
    skeleton: str | None = None
    """Skeleton of the input's keypoints, where the file does not tell."""
    map: Path | None = None
    """JSON file {their joint: our joint}, for files that name joints their own way."""
    image_size: tuple[float, float] | None = None
    """Width and height of the image in px, where the file does not tell."""
    focal: float | None = None
    """Focal length in px; assumed from the image size if not given."""
    person: str = "largest"
    """Which person of each frame: largest, all, or a person's number."""
    bfloat16: bool = False
    """Multiply matrices in bfloat16: faster, about 1 mm off (see docs/performance.md)."""

    def run(self) -> None:
        """Lift and say how many observations could not be."""
        import torch

        from poseterior.batch.lift import lift
        from poseterior.cli.console import bar, show_notes
        from poseterior.cli.reporting import require_writable
        from poseterior.training.shipped import open_lifter

        require_writable(self.out)
        source, lifter = self._source(), open_lifter(self.lifter)
        precision = torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16)
        with bar("lifting") as advance, precision:
            done = lift(source, lifter, self.out, self.hypotheses, self.seed, progress=advance)
        show_notes(source.notes)
        print(
            f"{done.path}: {done.poses} poses, {self.hypotheses} hypotheses each; "
            f"{done.invalid} could not be lifted and are marked valid = False"
        )

    def _source(self) -> KeypointSource:
        from poseterior.data.keypoint_files import read_keypoints, select_person
        from poseterior.data.keypoint_source import table_source
        from poseterior.data.observations import open_observations
        from poseterior.errors import require

        require(
            self.input.exists(), self.input, "", expected="a file or folder", found="nothing there"
        )
        if self.format == "npz" or (self.format is None and self.input.suffix == ".npz"):
            # Read row by row: these may be larger than memory.
            return open_observations(self.input, self.image_size, self.focal)
        table = read_keypoints(
            self.input,
            self.format,
            skeleton=self.skeleton,
            joint_map=self.map,
            image_size=self.image_size,
            focal=self.focal,
        )
        return table_source(select_person(table, self.person), str(self.input))

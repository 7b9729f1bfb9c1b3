"""The options of every command that reads 2D keypoints, and the source that they open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from poseterior.cli.options import HeatmapPx, Name, Px, Size
from poseterior.errors import require

if TYPE_CHECKING:
    from poseterior.data.confidence_covariance import CovarianceRule
    from poseterior.data.keypoint_source import KeypointSource

__all__ = ["InputPath", "KeypointInput"]

InputPath = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="IN")]


@dataclass(frozen=True, kw_only=True)
class KeypointInput:
    """What a keypoint file does not tell, and whom to take of it."""

    input: InputPath
    out: Path  # here so that the help lists it first
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
    person: Annotated[
        str | None, tyro.conf.arg(metavar="largest|all|ID", help_behavior_hint="")
    ] = None
    """Whom to lift in each frame; the largest if not given, and every row of our .npz."""

    def source(self) -> KeypointSource:
        """The keypoints of the input, in the persons that are asked for."""
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

"""`poseterior mesh`: 2D keypoints in, bodies out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from poseterior.cli.keypoint_input import InputPath, KeypointInput
from poseterior.cli.options import Count, Folder, Report, check_draws, check_range
from poseterior.errors import InputError

if TYPE_CHECKING:
    from poseterior.data.keypoint_source import KeypointSource
    from poseterior.posterior import Lifter

__all__ = ["Mesh"]

LifterRun = Annotated[str | None, tyro.conf.arg(metavar="NAME|RUN", help_behavior_hint="")]
BodyName = Annotated[
    str | None, tyro.conf.arg(metavar="anny|anny_light|FILE", help_behavior_hint="")
]
FrameList = Annotated[str | None, tyro.conf.arg(metavar="0,10|0:100:10", help_behavior_hint="")]
Glb = Annotated[Path | None, tyro.conf.arg(metavar="DIR|FILE.glb", help_behavior_hint="")]


@dataclass(frozen=True)
class Mesh(KeypointInput):
    """Lift 2D keypoints to bodies with meshes, written as one file of their parameters."""

    input: InputPath
    """Keypoints (COCO, OpenPose, MMPose, AlphaPose, DeepLabCut, .npz)."""
    out: Path
    """The .npz of bodies to write."""
    hypotheses: Count = 200
    """Bodies to draw for each observation; all of a posterior that is a set of fewer."""
    lifter: LifterRun = None
    """A lifter over bodies: one that comes with the package, or the folder of a run."""
    body: BodyName = None
    """Another topology of the lifter's body to store and show; the lifter's if not given."""
    representatives: Count = 5
    """Bodies that stand for the posterior of each person, in meshes and on the page."""
    frames: FrameList = None
    """Whose meshes to write and show; else meshes of all of up to 10 frames, or of the first."""
    glb: Glb = None
    """Write meshes as GLB: one file, or one for each person and frame."""
    obj: Folder = None
    """Write meshes as OBJ, one for each representative."""
    report: Report = None
    seed: Count = 0
    """Seed of all draws."""

    def run(self) -> None:
        """Lift, then write the meshes and the page that were asked for."""
        check_draws(self.hypotheses, self.seed)
        check_range(1, self.hypotheses, representatives=self.representatives)
        self._check_outputs()

        from poseterior.batch.mesh_frames import frames_in, source_frames
        from poseterior.batch.mesh_lift import check_body, lift_bodies, lifter_body
        from poseterior.cli.console import bar
        from poseterior.cli.mesh_shown import show
        from poseterior.meshes.bodies import open_body

        asked = None if self.frames is None else frames_in(self.frames)
        lifter = _opened(self.lifter)
        body = own = lifter_body(lifter)
        if self.body is not None:
            body = open_body(self.body)
            check_body(body, own)
        source = self._keypoints()
        if asked is not None:
            source_frames(source).asked(asked)
        with bar("lifting") as advance:
            done = lift_bodies(
                source, lifter, self.out, self.hypotheses, self.seed, progress=advance, body=body
            )
        notes = _told(source, lifter)
        print(
            f"{done.path}: {done.poses} rows of {body.name}, {done.invalid} could not be lifted "
            "(valid = False)"
        )
        show(self, source, body, lifter, asked, notes)

    def _check_outputs(self) -> None:
        from poseterior.batch.mesh_meshes import is_glb_file
        from poseterior.cli.reporting import check_outputs

        whole = self.glb is not None and is_glb_file(self.glb)
        body = Path(self.body) if self.body is not None else None
        check_outputs(
            self.out, self.report, self.glb if whole else None, folder=self.obj,
            inputs=(self.input, self.map, body),
        )  # fmt: skip
        check_outputs(folder=None if whole else self.glb)

    def _keypoints(self) -> KeypointSource:
        from poseterior.data.frames import media_kind

        kind = None if self.format is not None else media_kind(self.input)
        if kind is not None and not (self.input.is_dir() and any(self.input.glob("*.json"))):
            raise InputError(self.input, "", expected="2D keypoints", found=kind)
        return self.source()


def _told(source: KeypointSource, lifter: Lifter) -> dict[str, str]:
    """What had to be assumed, once it is on standard error."""
    from poseterior.batch.observed import conversion_note
    from poseterior.cli.console import show_notes

    notes = dict(source.notes) | conversion_note(source.skeleton, lifter.skeleton)
    show_notes(notes)
    return notes


def _opened(name: str | None) -> Lifter:
    """The lifter of that name or folder, or the first over bodies that comes with the package."""
    from poseterior.meshes.regressors.mesh_lifter import MeshLifter
    from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
    from poseterior.training.shipped import open_lifter, shipped_lifters

    if name is None:
        over_bodies = (each for each, kind in MESH_LIFTERS.items() if issubclass(kind, MeshLifter))
        shipped = sorted(set(over_bodies) & set(shipped_lifters()))
        if not shipped:
            expected = "the folder of a run, such as of `poseterior train prohmr`"
            found = "none, and no lifter over bodies comes with the package yet"
            raise InputError("--lifter", "", expected=expected, found=found)
        name = shipped[0]
    return open_lifter(name)

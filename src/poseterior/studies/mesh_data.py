"""What the studies of body meshes train on and score: bodies in motion, plain and ambiguous."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from poseterior.data.cmu import cmu_root
from poseterior.data.keypoint_source import MemorySource
from poseterior.errors import known, require
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes.bodies import open_body
from poseterior.meshes.motion.body_motion import body_fingerprint, body_motion
from poseterior.meshes.motion.body_source import BodySource
from poseterior.meshes.motion.fixed_bodies import FixedBodies, fixed_observations
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.pose_prior import ControlSource, PosePrior
from poseterior.posterior import Lifter
from poseterior.studies.study_data import AS_FIXED, StudyData
from poseterior.studies.training_data import TrainingData
from poseterior.training.updates import Source

__all__ = ["BODY", "MeshData", "body_training_data", "mesh_data"]

# The body that everything of a study is: what a lifter says of another cannot be compared.
BODY = "anny_light"
# Of the training observations, those that miss a part of the body, as all of the ambiguous set do.
_AMBIGUOUS = 0.5


@dataclass(frozen=True)
class MeshData(StudyData):
    """The data of a study of meshes; `test` are the plain observations as poses.

    Attributes:
        plain, ambiguous: the same bodies, all of them seen, and with parts hidden (paper 004,
            appendix B).
        control: as `source`, of poses in the place of bodies: for a pose prior.
    """

    plain: FixedBodies | None = None
    ambiguous: FixedBodies | None = None
    control: Callable[[int, int], Source] | None = None

    @property
    def tests(self) -> dict[str, FixedBodies]:
        """The two sets by name."""
        assert self.plain is not None
        assert self.ambiguous is not None
        return {"plain": self.plain, "ambiguous": self.ambiguous}


def _require_cmu(name: str, options: Mapping[str, object]) -> None:
    known("--data", name, ["cmu"])
    for option, value in options.items():
        expected = "no such option where bodies are posed"
        require(value is None, f"--{option}", "", expected=expected, found=value)


def body_training_data(
    lifter: Lifter, name: str, root: Path | None, options: Mapping[str, object], out: Path
) -> TrainingData:
    """What a mesh regressor, or the pose prior, is trained on and validated with.

    Args:
        lifter: posed is its own body; that of the studies for the pose prior.
        name: cmu.
        root: folder of the data; if None, the one that its environment variable names.
        options: none are known.
        out: folder of the run, which keeps the fitted rotations in `motion`.

    Raises:
        InputError: as of `mesh_data`.
    """
    _require_cmu(name, options)
    body = lifter.body if isinstance(lifter, MeshLifter) else open_body(BODY)
    folder, cache = cmu_root(root), out / "motion"
    train, held_out = (body_motion(body, folder, split, cache) for split in ("train", "val"))

    def bodies(size: int, seed: int) -> BodySource:
        return BodySource(body, train.rotations, size, seed, ambiguous=_AMBIGUOUS)

    def control(size: int, seed: int) -> ControlSource:
        return ControlSource(bodies(size, seed), body)

    def seen(poses: int) -> MemorySource:
        return _as_poses(fixed_observations(body, held_out, poses=poses, seed=1))

    return TrainingData(
        source=control if isinstance(lifter, PosePrior) else bodies,
        held_out=seen,
        about={
            "body": {"name": body.name, "fingerprint": body_fingerprint(body)},
            "motion": {"frames": len(train)},
        },
    )


def _as_poses(fixed: FixedBodies) -> MemorySource:
    labels = {"clip": fixed.clip, "frame": fixed.frame}
    return MemorySource(fixed.keypoints, fixed.target, labels, "bodies")


def mesh_data(name: str, root: Path | None, options: Mapping[str, object], out: Path) -> MeshData:
    """Bodies posed by motion capture.

    Args:
        name: cmu.
        root: folder of the data; if None, the one that its environment variable names.
        options: none are known.
        out: folder of the study, which keeps the fitted rotations.

    Raises:
        InputError: another name, an option, or anything bad in the files.
    """
    _require_cmu(name, options)
    body, folder = open_body(BODY), cmu_root(root)
    cache = out / "motion"
    train, test = (body_motion(body, folder, split, cache) for split in ("train", "test"))
    plain, hidden = (fixed_observations(body, test, hidden=h) for h in (False, True))

    def bodies(size: int, seed: int) -> BodySource:
        return BodySource(body, train.rotations, size, seed, ambiguous=_AMBIGUOUS, **AS_FIXED)

    return MeshData(
        name="cmu",
        source=bodies,
        control=lambda size, seed: ControlSource(bodies(size, seed), body),
        test=_as_poses(plain),
        skeleton=H36M_17,
        about={
            "body": {"name": BODY, "fingerprint": body_fingerprint(body)},
            "train": {"frames": len(train)},
            "test": {"bodies": len(plain.frame)},
        },
        every=4,
        plain=plain,
        ambiguous=hidden,
    )

"""What the studies of body meshes train on and score: bodies in motion, plain and ambiguous."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from poseterior.errors import InputError, known, require
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes.bodies import body_name, open_body
from poseterior.meshes.motion.body_motion import body_fingerprint
from poseterior.meshes.motion.body_source import BodySource
from poseterior.meshes.motion.drawn_poses import DrawnPoses
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.pose_prior import ControlSource, PosePrior
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.posterior import Lifter
from poseterior.studies.body_data import BodyData, Scored, as_poses
from poseterior.studies.mesh_cmu import cmu_bodies
from poseterior.studies.mesh_human36m import human36m_bodies
from poseterior.studies.mesh_threedpw import threedpw_bodies
from poseterior.studies.study_data import AS_FIXED, StudyData
from poseterior.studies.training_data import TrainingData
from poseterior.training.updates import Source

__all__ = ["BODY", "BODY_DATA", "MeshData", "body_training_data", "mesh_data"]

# The body that everything of a study is, if no other is asked for: what a lifter says of another
# cannot be compared.
BODY = "anny_light"
# Of the training observations, those that miss a part of the body, as all of the ambiguous set do.
_AMBIGUOUS = 0.5

BODY_DATA: dict[str, Callable[[SkinnedBody, Path | None, Mapping[str, object], Path], BodyData]] = {
    "cmu": cmu_bodies,
    "human36m": human36m_bodies,
    "3dpw": threedpw_bodies,
}


@dataclass(frozen=True)
class MeshData(StudyData):
    """The data of a study of meshes; `test` are the plain observations as poses.

    Attributes:
        plain, ambiguous: the same people, all of them seen, and with parts hidden (paper 004,
            appendix B).
        control: as `source`, of poses in the place of bodies: for a pose prior.
        protocol: what rows say of how they were scored, or None.
    """

    plain: Scored | None = None
    ambiguous: Scored | None = None
    control: Callable[[int, int], Source] | None = None
    protocol: str | None = None

    @property
    def scored(self) -> dict[str, Scored]:
        """The two sets by name."""
        assert self.plain is not None
        assert self.ambiguous is not None
        return {"plain": self.plain, "ambiguous": self.ambiguous}

    @property
    def tests(self) -> dict[str, FixedBodies]:
        """The same, with bodies; `InputError` where a data set tells joints only."""
        found = {name: test for name, test in self.scored.items() if isinstance(test, FixedBodies)}
        if len(found) < len(self.scored):
            expected = "data that tell bodies (cmu, 3dpw)"
            raise InputError("--data", "", expected=expected, found=f"{self.name}: joints only")
        return found


def body_training_data(
    lifter: Lifter, name: str, root: Path | None, options: Mapping[str, object], out: Path
) -> TrainingData:
    """What a mesh regressor, or the pose prior, is trained on and validated with.

    Args:
        lifter: posed is its own body; for the pose prior that of the options or the studies'.
        name: cmu, human36m or 3dpw.
        root: folder of the data; if None, the one that its environment variable names.
        options: `body`; `protocol` and `keypoints` of human36m; `drawn_poses`, the share of the
            bodies whose pose is drawn (`drawn_poses.DrawnPoses`), none if None.
        out: folder of the run, which keeps the fitted rotations in `motion`.

    Raises:
        InputError: as of `mesh_data`.
    """
    opened = BODY_DATA[known("--data", name, BODY_DATA)]
    body = lifter.body if isinstance(lifter, MeshLifter) else open_body(_body_name(options))
    share = _share(options)
    data = opened(body, root, options, out / "motion")
    rotations = data.train()
    prior = DrawnPoses.fitted(body, rotations) if share else None

    def bodies(size: int, seed: int) -> BodySource:
        return BodySource(
            body, rotations, size, seed, ambiguous=_AMBIGUOUS, unknown=data.unknown,
            prior=prior, from_prior=share,
        )  # fmt: skip

    def control(size: int, seed: int) -> ControlSource:
        return ControlSource(bodies(size, seed), body)

    return TrainingData(
        source=control if isinstance(lifter, PosePrior) else bodies,
        held_out=data.held_out,
        about={
            "body": {"name": body.name, "fingerprint": body_fingerprint(body)},
            "motion": {"frames": len(rotations)} | ({"drawn_poses": share} if share else {}),
            **data.about,
        },
    )


def _share(options: Mapping[str, object]) -> float:
    """Of the bodies, those whose pose is drawn."""
    given = options.get("drawn_poses")
    share = 0.0 if given is None else float(str(given))
    require(0 <= share <= 1, "--drawn-poses", "", expected="0 to 1", found=given)
    return share


def mesh_data(name: str, root: Path | None, options: Mapping[str, object], out: Path) -> MeshData:
    """Bodies posed by motion, and observations to score: `cmu`, `human36m` or `3dpw`.

    Args:
        name: the data set's; those of `cmu` are simulated.
        root: folder of the data; if None, the one that its environment variable names.
        options: `body`, by name or file, that of the studies if None; `protocol` and `keypoints`
            of human36m.
        out: folder of the study, which keeps the fitted rotations.

    Raises:
        InputError: another name, an option that the data set does not have, a body that is not
            its own, or anything bad in the files.
    """
    opened = BODY_DATA[known("--data", name, BODY_DATA)]
    which = _body_name(options)
    body = open_body(which)
    data = opened(body, root, options, out / "motion")
    rotations = data.train()
    plain, hidden = data.test()

    def bodies(size: int, seed: int) -> BodySource:
        return BodySource(
            body, rotations, size, seed, ambiguous=_AMBIGUOUS, unknown=data.unknown, **AS_FIXED
        )

    return MeshData(
        name=name,
        source=bodies,
        control=lambda size, seed: ControlSource(bodies(size, seed), body),
        test=as_poses(plain),
        skeleton=H36M_17,
        about={
            "body": {"name": body.name, "fingerprint": body_fingerprint(body)},
            "train": {"frames": len(rotations)},
            "test": {"bodies": len(plain.frame)},
            **data.about,
        },
        config={"body": which},
        every=data.every,
        plain=plain,
        ambiguous=hidden,
        protocol=data.protocol,
    )


def _body_name(options: Mapping[str, object]) -> str:
    """The body asked for, else that of the studies."""
    given = options.get("body")
    return BODY if given is None else body_name(str(given))

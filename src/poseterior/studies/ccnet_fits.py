"""Bodies fitted to what a detector sees of rendered people, by what its keypoints are weighed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.data.convert import convert_keypoints
from poseterior.errors import require
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.keypoints import Keypoints
from poseterior.meshes.fitting.fitting import fit_body
from poseterior.meshes.fitting.fitting_prior import BodyPrior, GivenPrior
from poseterior.meshes.fitting.flow_prior import FlowPrior
from poseterior.meshes.fitting.generic_prior import GenericPrior
from poseterior.meshes.motion.fixed_bodies import FixedBodies, landmark_target
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.rendering.people import RenderedPeople
from poseterior.studies.ccnet_bench import Said, ccnet_of, people_data, said_of, seen_of
from poseterior.studies.ccnet_bodies import TrueBodies, rendered_again, true_bodies
from poseterior.studies.ccnet_seen import SeenPeople
from poseterior.studies.workshop import Workshop
from poseterior.training.shipped import open_lifter

__all__ = ["PRIORS", "WEIGHTS", "Fitter", "all_fits", "detected"]

# How a fit weighs keypoints, and the `fit_body` way of it.
WEIGHTS = {
    "uniform": "uniform", "original": "confidence", "ccnet": "confidence",
    "ccnet_visibility": "confidence", "covariance": "covariance",
}  # fmt: skip
PRIORS = ("flow", "generic")
_LIFTER = "prohmr"
_PEOPLE = {"small": 300, "paper": 3000}
_BLOCK = 25
_MOTIONS = 4096  # bodies that the generic prior is fitted to, evenly from all


@dataclass(frozen=True)
class _Converted:
    """A prior whose network takes keypoints of another skeleton than is fitted to."""

    prior: BodyPrior
    lifter: MeshLifter

    @property
    def body(self) -> Any:
        return self.prior.body

    def given(self, keypoints: Keypoints) -> GivenPrior:
        return self.prior.given(convert_keypoints(keypoints, self.lifter.skeleton))


@dataclass(frozen=True, eq=False)
class Fitter:
    """What fits need of N people.

    Attributes:
        lifter: where fits begin, and its body.
        test: what the detector saw, with its covariances and confidences, and the true bodies.
        rows: (N,) of the split that they are.
        confidence: by the names of `WEIGHTS` that are confidences, (N, 17).
        motion: (F, K, 3, 3) rotations of bodies that no test person has.
    """

    lifter: MeshLifter
    test: FixedBodies
    rows: NDArray[np.int64]
    confidence: dict[str, Tensor]
    motion: Tensor

    @classmethod
    def of(cls, workshop: Workshop, name: str, every: int) -> Fitter:
        """People of the test split, evenly, as many as there is time for.

        Raises:
            InputError: the folder's people are not rendered, or of another body than the lifter's.
        """
        data = people_data(workshop)
        people = data.people["test"]
        step = max(every, math.ceil(len(people) / _PEOPLE[workshop.preset]))
        rows = np.arange(0, len(people), step)
        source = rendered_again(data.root, workshop.out / "motion")
        lifter = _lifter(source)
        truth = true_bodies(source, people, "test", rows.tolist())
        seen = seen_of(workshop, name)
        said = said_of(ccnet_of(workshop, name), seen)
        keypoints = detected(seen, people.affine, rows, truth)
        test = FixedBodies(
            keypoints, truth.parameters, landmark_target(truth.body, truth.parameters, H36M_17),
            np.array([f"test_{row}" for row in rows]), rows,
        )  # fmt: skip
        motion = source.rotations["train"]
        chosen = torch.linspace(0, len(motion) - 1, min(_MOTIONS, len(motion))).round().long()
        return cls(lifter, test, rows, _confidences(seen, said, rows), motion[chosen])

    def prior(self, name: str) -> BodyPrior:
        """One of `PRIORS`: of the flow's network, or of bodies in motion."""
        if name == "flow":
            return _Converted(FlowPrior(self.lifter), self.lifter)
        return GenericPrior.fitted(self.lifter.body, self.motion)

    def regressed(self) -> BodyParameters:
        """(N,) what the lifter says, its mode."""
        parts = [self._mode(self.test.keypoints[part]) for part in self._parts()]
        return _joined(parts)

    def fitted(self, prior: BodyPrior, weights: str, begins: bool) -> BodyParameters:
        """(N,) bodies; of a prior that `begins` elsewhere than the lifter, the lifter begins."""
        keypoints, found = self.test.keypoints, []
        confidence = self.confidence.get(weights)
        if confidence is not None:
            keypoints = replace(keypoints, confidence=confidence)
        for part in self._parts():
            some = keypoints[part]
            start = self._mode(some).map(lambda value: value[None]) if begins else None
            fit = fit_body(self.lifter.body, some, prior, WEIGHTS[weights], start)
            found.append(fit.parameters)
        return _joined(found)

    def _parts(self) -> list[slice]:
        return [slice(k, k + _BLOCK) for k in range(0, len(self.rows), _BLOCK)]

    @torch.no_grad()
    def _mode(self, keypoints: Keypoints) -> BodyParameters:
        posterior: Any = self.lifter(convert_keypoints(keypoints, self.lifter.skeleton))
        mode: BodyParameters = posterior.centre_parameters
        return mode


def all_fits(fitter: Fitter, prior: str) -> Iterator[tuple[str, BodyParameters]]:
    """Fits with one of `PRIORS`, by all `WEIGHTS`."""
    made = fitter.prior(prior)
    for weights in WEIGHTS:
        yield weights, fitter.fitted(made, weights, begins=prior != "flow")


def detected(
    seen: SeenPeople, affine: NDArray[np.float64], rows: NDArray[np.int64], truth: TrueBodies
) -> Keypoints:
    """What a detector saw of people, in px of their images.

    Args:
        seen: of all people of a split, with covariances, as they are (not augmented).
        affine: (M, 3) of all, as of `PeopleCrops`.
        rows: (N,) which of them.
        truth: of those N, for the cameras.
    """
    scale = np.asarray(seen["scale"])[rows, None, None]
    corner = (affine[rows, :2] - affine[rows, 2:] / 2)[:, None]
    pixels = corner + scale * (np.asarray(seen["pixels"])[rows] + 0.5)
    covariance = scale[..., None] ** 2 * np.asarray(seen["covariance"])[rows]
    confidence = torch.from_numpy(np.asarray(seen["confidence"])[rows]).float()
    return Keypoints(
        torch.from_numpy(pixels).float(), torch.from_numpy(covariance).float(),
        torch.ones_like(confidence).bool(), COCO_17, image_size=truth.size,
        intrinsics=truth.intrinsics, confidence=confidence,
    )  # fmt: skip


def _confidences(seen: SeenPeople, said: Said, rows: NDArray[np.int64]) -> dict[str, Tensor]:
    values = {
        "original": np.asarray(seen["confidence"]),
        "ccnet": said.keypoints,
        "ccnet_visibility": said.keypoints * said.visibility,
    }
    return {name: torch.from_numpy(value[rows]).float() for name, value in values.items()}


def _lifter(source: RenderedPeople) -> MeshLifter:
    lifter: Any = open_lifter(_LIFTER)
    name = source.studio.body.name
    same = lifter.body.name == name
    require(same, "render.json", "body", expected=f"{lifter.body.name}, of {_LIFTER}", found=name)
    found: MeshLifter = lifter
    return found


def _joined(parts: list[BodyParameters]) -> BodyParameters:
    names = vars(parts[0])
    return BodyParameters(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})

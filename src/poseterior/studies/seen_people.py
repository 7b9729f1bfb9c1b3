"""The people of the fitting study: one body at one instant, seen by one to four cameras."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.simulated_detector import DetectorNoise, observe
from poseterior.geometry.camera import project
from poseterior.geometry.rotations import from_axis_angle
from poseterior.keypoints import Keypoints
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.seeding import generator_from
from poseterior.studies.mesh_scored import part_of

__all__ = ["KEYPOINTS", "SeenPeople", "seen_people"]

KEYPOINTS = ("true", "detected")
# Of the views' streams: those of the fixed observations are 0 to 2.
_STREAM = 100


@dataclass(frozen=True, eq=False)
class SeenPeople:
    """M people, each seen by V cameras; bodies are in the axes of their first camera.

    Attributes:
        test: their bodies, and what the first camera saw of them.
        views: V observations (M,) of the same instants, the first that of `test`.
        cameras: of each the rotation (M, 3, 3) and translation (M, 3) from the first one's axes.
    """

    test: FixedBodies
    views: tuple[Keypoints, ...]
    cameras: tuple[tuple[Tensor, Tensor], ...]

    def __len__(self) -> int:
        return len(self.test.frame)

    @property
    def keypoints(self) -> Keypoints:
        """What the first camera saw."""
        return self.views[0]

    @property
    def instants(self) -> list[list[int]]:
        """Of each view, the frames."""
        return [self.test.frame.tolist()] * len(self.views)

    def __getitem__(self, part: slice) -> SeenPeople:
        cameras = tuple((turn[part], move[part]) for turn, move in self.cameras)
        return SeenPeople(
            part_of(self.test, part), tuple(view[part] for view in self.views), cameras
        )


def seen_people(
    body: SkinnedBody,
    test: FixedBodies,
    keypoints: str = "detected",
    views: int = 1,
    seed: int = 0,
) -> SeenPeople:
    """The test bodies seen by their own camera and by up to three others.

    The others stand around the root joint, a quarter turn from each other about the first one's
    vertical, as far away and with the same lens.

    Detected keypoints are the simulated detector's, with covariances that are those of its error,
    and confidences that tell these as well as one number can (`CovarianceRule.confidence`). True
    ones lie where the joints are, as certain as the rule thinks of confident joints: what a
    network would be told of keypoints without covariances.

    Args:
        body: of the test bodies.
        test: M of them, nothing of them hidden or cropped.
        keypoints: one of `KEYPOINTS`.
        views: V; more of them add cameras and change none.
        seed: of the other cameras' detector.
    """
    intrinsics = test.keypoints.intrinsics
    assert intrinsics is not None  # of `seen_bodies`
    skeleton = test.keypoints.skeleton
    root = body.landmarks_of(test.parameters, skeleton)[:, skeleton.root]
    seen, cameras = [], []
    for view in range(views):
        turn = from_axis_angle(torch.tensor([0.0, view * torch.pi / 2, 0.0]))
        pose, draw = test.target @ turn.mT, generator_from(seed, _STREAM + view)
        own = observe(pose, root, intrinsics, skeleton, DetectorNoise(), draw)
        own = own if view else test.keypoints
        seen.append(_true(own, pose + root[:, None]) if keypoints == "true" else _detected(own))
        cameras.append((turn.expand(len(root), 3, 3), root - root @ turn.mT))
    return SeenPeople(test, tuple(seen), tuple(cameras))


def _detected(keypoints: Keypoints) -> Keypoints:
    score = CovarianceRule().confidence(keypoints.pixels, keypoints.covariance, keypoints.valid)
    return replace(keypoints, confidence=score)


def _true(keypoints: Keypoints, landmarks: Tensor) -> Keypoints:
    assert keypoints.intrinsics is not None  # of `seen_people`
    pixels = project(landmarks, keypoints.intrinsics)
    covariance = CovarianceRule()(pixels, None, keypoints.valid)
    certain = torch.ones_like(pixels[..., 0])
    return replace(keypoints, pixels=pixels, covariance=covariance, confidence=certain)

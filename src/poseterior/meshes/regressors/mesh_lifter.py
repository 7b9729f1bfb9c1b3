"""What the mesh regressors share: an observation in, features and the person's frame out."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import Conditions, condition, feature_count
from poseterior.lifters.residual import ResidualNetwork
from poseterior.meshes.bodies import open_body
from poseterior.meshes.body_vector import BodyVector
from poseterior.meshes.mesh_posterior import MeshPosterior
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.image_backbone import Observation, crop_conditions, open_backbone
from poseterior.meshes.regressors.image_crops import ImageCrops
from poseterior.meshes.regressors.mesh_losses import (
    LossWeights,
    distance,
    gather_bodies,
    image_points,
    parameter_losses,
    reprojection,
)
from poseterior.posterior import Lifter

__all__ = ["MeshConfig", "MeshLifter"]


class MeshConfig(Protocol):
    """What every mesh regressor's config has."""

    @property
    def body(self) -> str:
        """A body by name or file, as of `open_body`."""
        ...

    @property
    def backbone(self) -> str:
        """What sees the observation: `keypoints`, or a ResNet as of `open_backbone`."""
        ...


class MeshLifter(Lifter):
    """A lifter whose posterior is over bodies: `MeshPosterior`.

    It is trained on `BodyParameters` in the place of poses: `losses(keypoints, bodies,
    generator)`, bodies (B,) in camera axes. Networks work in the person's axes.

    With a ResNet for a backbone it takes `ImageCrops` in the place of keypoints. The backbone is
    trained with the rest and its weights are part of the lifter's: those of its folder are where
    training begins, and the folder tells a checkpoint what the network looks like.
    """

    def __init__(self, config: MeshConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config: Any = config
        self.skeleton = skeleton
        self.body = open_body(config.body)
        self.vector = BodyVector(self.body)
        self.backbone = open_backbone(config.backbone)

    def forward(self, keypoints: Observation) -> MeshPosterior:
        """The posterior over bodies given an observation with batch shape (B,)."""
        raise NotImplementedError

    def new_encoder(self) -> ResidualNetwork:
        """From the features of `conditions` to those that heads take."""
        sizes, seen = self.config.sizes, self.backbone
        known = feature_count(len(self.skeleton)) if seen is None else seen.features + 1
        return ResidualNetwork(known, sizes.width, sizes.blocks, sizes.dropout)

    def conditions(self, keypoints: Observation) -> Conditions:
        """The observation in the person's frame: `InputError` if it is not the backbone's."""
        kind = Keypoints if self.backbone is None else ImageCrops
        require(
            isinstance(keypoints, kind), self.name, "observation",
            expected=f"{kind.__name__}, for the backbone {self.config.backbone}",
            found=type(keypoints).__name__,
        )  # fmt: skip
        if isinstance(keypoints, ImageCrops):
            assert self.backbone is not None
            return crop_conditions(keypoints, self.backbone(keypoints.crops), self.skeleton)
        return condition(keypoints, self.skeleton)

    def relative(self, landmarks: Tensor) -> Tensor:
        """Landmarks (..., J, 3) relative to the root joint."""
        root = self.skeleton.root
        return landmarks - landmarks[..., root : root + 1, :]

    def total_loss(
        self,
        bodies: BodyParameters,
        target: BodyParameters,
        conditions: Conditions,
        weights: LossWeights,
    ) -> dict[str, Tensor]:
        """Paper 004, Eq. 8, of M hypotheses (M, B) and targets (B,), all in the person's axes.

        The best of each observation is that whose joints are nearest (Eq. 1); only it is made
        a mesh.
        """
        w, valid = weights, conditions.valid
        landmarks = self.body.landmarks_of(bodies, self.skeleton)
        with torch.no_grad():
            truth = self.body.landmarks_of(target, self.skeleton)
        best, index = distance(self.relative(landmarks), self.relative(truth)).min(0)
        chosen = gather_bodies(bodies, index)
        theta, beta = parameter_losses(chosen, target)
        points = image_points(landmarks)
        seen = reprojection(points, conditions.points, valid, conditions)
        chosen_points = points[index, torch.arange(len(index), device=index.device)]
        all_valid = torch.ones_like(valid)
        terms = {
            "best": w.best * best,
            "theta": w.theta * theta,
            "beta": w.beta * beta,
            "vertices": w.vertices * self.surface_distance(chosen, target),
            "reprojection": w.reprojection * seen.sum(0),
            "best_reprojection": w.best_reprojection
            * reprojection(chosen_points, image_points(truth), all_valid, conditions),
        }
        return {name: term.mean() for name, term in terms.items()}

    def surface_distance(self, prediction: BodyParameters, target: BodyParameters) -> Tensor:
        """(...): mean distance of the meshes' vertices, metres, their root joints put together."""
        return distance(self.mesh_about_root(prediction), self.mesh_about_root(target))

    def mesh_about_root(self, bodies: BodyParameters) -> Tensor:
        """(..., V, 3) metres, vertices relative to the root joint."""
        root = self.body.root_at_rest(bodies.betas) + bodies.transl
        return self.body.vertices(bodies) - root[..., None, :]

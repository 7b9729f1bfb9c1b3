"""The conditional flow as the prior of a fit (paper 002).

Its volume is constant, so that the latents of least |z|² / 2 plus evidence are the 6D rotations of
least -log p plus evidence as well; latents are what is fitted, for in them the prior is exactly
quadratic.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.meshes.fitting.fitting_prior import GivenPrior, place_latents, placed
from poseterior.meshes.mesh_posterior import LatentBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.prohmr import BodyFlowPosterior

__all__ = ["FlowPrior"]

# Standard deviation of betas about those that a network says.
_SHAPE = 0.5


class _GivenFlow:
    """Latents are the flow's, then offsets of the betas and of the place that it comes with."""

    def __init__(self, lifter: MeshLifter, keypoints: Keypoints) -> None:
        self.body = lifter.body
        self._conditions = lifter.conditions(keypoints)
        posterior = lifter(keypoints)
        require(
            isinstance(posterior, LatentBodies),
            "FlowPrior", "lifter", expected="one with latents, such as prohmr", found=lifter.name,
        )  # fmt: skip
        self.lifter, self.posterior = lifter, posterior
        centre = posterior.centre_parameters
        self._latents = posterior._like.shape[-1]
        self.like = centre.betas.new_empty(len(centre), self._latents + self.body.betas + 3)

    def decode(self, latents: Tensor) -> BodyParameters:
        own, shape, place = self._split(latents)
        bodies = self.posterior.decode(own)
        root = self.body.root_at_rest(bodies.betas) + bodies.transl
        betas = bodies.betas + _SHAPE * shape
        transl = placed(root, place) - self.body.root_at_rest(betas)
        return BodyParameters.of(bodies.rotations, betas, transl)

    def more(self, bodies: BodyParameters) -> Tensor:
        return bodies.betas[..., :0]

    @torch.no_grad()
    def encode(self, bodies: BodyParameters) -> Tensor:
        require(
            isinstance(self.posterior, BodyFlowPosterior),
            "FlowPrior", "start", expected="latents: only a flow has those of given bodies",
            found=type(self.posterior).__name__,
        )  # fmt: skip
        assert isinstance(self.posterior, BodyFlowPosterior)
        turned = self.lifter.vector.to_person(bodies, self._conditions)
        columns = self.lifter.vector.encode_rotations(turned)
        own, _ = self.posterior.flow.call_and_ladj(columns - self.posterior._lifter.start)
        plain = self.posterior.decode(own)
        root = self.body.root_at_rest(plain.betas) + plain.transl
        moved = self.body.root_at_rest(bodies.betas) + bodies.transl
        shape = (bodies.betas - plain.betas) / _SHAPE
        return torch.cat([own, shape, place_latents(root, moved)], -1)

    def starts(self) -> Tensor:
        return torch.zeros_like(self.like)[None]

    def _split(self, latents: Tensor) -> tuple[Tensor, ...]:
        return latents.split([self._latents, self.body.betas, 3], -1)


class FlowPrior:
    """The posterior of a trained `prohmr` (or `mesh_cvae`) as the prior of a fit (paper 002).

    Fitting starts from the image of z = 0, the mode of the flow. Shape and place, which the flow
    has no latents of, vary about what the network says: betas by 0.5, the depth by 30 %, sideways
    by 0.3 m, standard deviations.

    The network has seen keypoints already; where they are the ones that are fitted, they count
    twice, and the posterior is the narrower for it.
    """

    def __init__(self, lifter: MeshLifter) -> None:
        self.lifter, self.body = lifter, lifter.body

    @torch.no_grad()
    def given(self, keypoints: Keypoints) -> GivenPrior:
        return _GivenFlow(self.lifter, keypoints)

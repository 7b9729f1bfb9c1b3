"""The posterior about a fit: Laplace's Gaussian over latents, and importance weights.

At the least u* of E (`fitting_energy.py`), with H the Gauss-Newton Hessian there, the body's
latents are N(u*, H^-1): exact where landmarks are linear in the latents and the error is squared,
and the prior, exactly, where nothing was seen. Bodies are what the prior makes of them, so
rotations stay rotations.

Weights w_i ∝ exp(-E(u_i)) / q(u_i) of draws u_i from q make the draws those of exp(-E) whatever
q is; how many they are worth is (sum w)² / sum w².
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import known
from poseterior.meshes.fitting.fitting_energy import FitEnergy
from poseterior.meshes.mesh_posterior import BodySet, LatentBodies
from poseterior.meshes.parameters import BodyParameters

__all__ = ["PROPOSALS", "LaplaceBodies", "reweighted"]

PROPOSALS = ("laplace", "prior")


class LaplaceBodies(LatentBodies):
    """Bodies about the best; `centre_parameters` is the best, `latent_centre` its joints.

    Attributes:
        energy: E.
        best: (B, D) u*.
        factor: (B, D, D) lower triangular, float64, factor factor' the precision H.
    """

    def __init__(self, energy: FitEnergy, best: Tensor, hessian: Tensor) -> None:
        self.energy, self.best = energy, best
        self.factor = torch.linalg.cholesky(hessian)
        super().__init__(self._decode, best, energy.body, energy.skeleton)

    def latents(self, normal: Tensor) -> Tensor:
        """Latents u (N, B, D) of standard normal numbers."""
        upper = self.factor.mT
        offset = torch.linalg.solve_triangular(upper, normal[..., None].to(upper), upper=True)
        return self.best + offset[..., 0].to(normal)

    @property
    def covariance(self) -> Tensor:
        """(B, D, D) of the latents."""
        return torch.cholesky_inverse(self.factor)

    def log_density(self, latents: Tensor) -> Tensor:
        """(N, B) nats of latents, but for D log(2 pi) / 2."""
        off = (latents - self.best).to(self.factor)
        whitened = (self.factor.mT @ off[..., None])[..., 0]
        log_det = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return log_det - 0.5 * whitened.square().sum(-1)

    def _decode(self, normal: Tensor) -> BodyParameters:
        return self.energy.prior.decode(self.latents(normal))


@dataclass(frozen=True, eq=False)
class Reweighted:
    """Draws that stand for exp(-E), and what they are worth.

    Attributes:
        posterior: the draws and their weights.
        effective_number: (B,) between 1 and the number of draws; far below it the weights have
            collapsed onto a few, and the posterior is too narrow.
        latents: (N, B, D) of the draws.
    """

    posterior: BodySet
    effective_number: Tensor
    latents: Tensor


@torch.no_grad()
def reweighted(
    laplace: LaplaceBodies,
    count: int,
    generator: torch.Generator | None = None,
    proposal: str = "laplace",
) -> Reweighted:
    """`count` draws weighed by what Laplace's approximation, or the prior, has wrong.

    Args:
        laplace: of a fit.
        count: N.
        generator: on the fit's device.
        proposal: 'laplace', or 'prior': the flow's own samples, weighed by the likelihood of
            the keypoints, which few of them survive.

    Raises:
        InputError: another proposal.
    """
    known("proposal", proposal, PROPOSALS)
    mean = laplace.best
    normal = torch.randn(
        (count, *mean.shape), generator=generator, dtype=mean.dtype, device=mean.device
    )
    latents = laplace.latents(normal) if proposal == "laplace" else normal
    density = (
        laplace.log_density(latents) if proposal == "laplace" else -0.5 * normal.square().sum(-1)
    )
    weights = (-laplace.energy(latents) - density).softmax(0).to(mean)
    bodies = laplace.energy.prior.decode(latents)
    posterior = BodySet(bodies, laplace.body, laplace.skeleton, weights)
    return Reweighted(posterior, 1 / weights.square().sum(0), latents)

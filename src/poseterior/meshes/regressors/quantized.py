"""n-quantised best-of-M: a few bodies for many, the likely ones first (paper 004, Section 4.1).

Best-of-M learning says nothing of which of its M hypotheses are likely. A prior over poses p
does, and weighs them (Eq. 2); weighted K-means of their control joints then gives any n <= M
(Eq. 3).

    w_i = p(X_i) / sum_k p(X_k)
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.meshes.mesh_posterior import BodySet
from poseterior.meshes.regressors.pose_prior import PosePrior
from poseterior.posterior import Lifter
from poseterior.quantization import Quantized, quantized

__all__ = ["PriorWeighted", "prior_weighted", "prior_weights", "quantized_bodies"]


class PriorWeighted(Lifter):
    """A lifter whose sets of bodies are weighed by a prior over poses (Eq. 2).

    Args:
        lifter: its posteriors are `BodySet`s.
        prior: over its control joints.
        power: as of `prior_weights`.
    """

    def __init__(self, lifter: Lifter, prior: PosePrior, power: float = 1.0) -> None:
        super().__init__()
        self.lifter, self.prior, self.power = lifter, prior, power
        self.config, self.skeleton = lifter.config, lifter.skeleton

    def forward(self, keypoints: Keypoints) -> BodySet:
        bodies = self.lifter(keypoints)
        assert isinstance(bodies, BodySet)
        return prior_weighted(bodies, self.prior, self.power)


def prior_weights(log_prob: Tensor, power: float = 1.0) -> Tensor:
    """Eq. 2: weights of hypotheses from their log densities, never leaving log space.

    Densities of poses differ by tens of nats: weights may collapse onto one hypothesis
    (`Quantized.effective_number`). A `power` below 1 keeps more of them.

    Args:
        log_prob: (M, *batch) nats; -inf or NaN is a hypothesis that cannot be.
        power: of the densities, 0 to 1: 1 is the paper's, 0 weighs all that can be alike.

    Returns:
        (M, *batch), summing to 1 over the first axis; equal where no hypothesis can be.

    >>> prior_weights(torch.tensor([-900.0, -900.0, -901.0986, -torch.inf]))
    tensor([0.4286, 0.4286, 0.1429, 0.0000])
    """
    require(0 <= power <= 1, "prior_weights", "power", expected="in [0, 1]", found=power)
    most = torch.finfo(log_prob.dtype).max
    log_prob = log_prob.nan_to_num(nan=-torch.inf, posinf=most, neginf=-torch.inf)
    possible = log_prob > -torch.inf
    raised = torch.where(possible, power * log_prob, -torch.inf)  # 0 times inf is NaN
    return torch.where(possible.any(0), raised, 0.0).softmax(0)


def prior_weighted(bodies: BodySet, prior: PosePrior, power: float = 1.0) -> BodySet:
    """The same bodies, as likely as the prior says of their control joints (Eq. 2)."""
    return BodySet(
        bodies.parameters, bodies.body, bodies.skeleton,
        _weights(_control(bodies), prior, power),
    )  # fmt: skip


def quantized_bodies(
    bodies: BodySet,
    count: int,
    prior: PosePrior | None = None,
    generator: torch.Generator | None = None,
    power: float = 1.0,
) -> tuple[BodySet, Quantized]:
    """`count` bodies that stand for all, and the clusters that they stand for (Eq. 3).

    A mean of skeletons is no body, so each centre is given by its nearest hypothesis.

    Args:
        bodies: M for each of a batch.
        count: n, at most M.
        prior: weighs them by Eq. 2; without one, their own weights do.
        generator: of the seeds of K-means, on the bodies' device.
        power: as of `prior_weights`.

    Returns:
        n bodies with the clusters' weights, and the clusters of control joints.

    Raises:
        InputError: a count outside 1 to M, bodies that are not finite.
    """
    control = _control(bodies)
    weights = bodies.weights if prior is None else _weights(control, prior, power)
    found = quantized(control, count, weights, generator)
    columns = torch.arange(found.members.shape[1], device=found.members.device)
    chosen = bodies.parameters.detach()[found.members, columns]
    return BodySet(chosen, bodies.body, bodies.skeleton, found.weights), found


@torch.no_grad()
def _control(bodies: BodySet) -> Tensor:
    """(M, B, J, 3): control joints."""
    return bodies.poses(bodies.parameters)


@torch.no_grad()
def _weights(control: Tensor, prior: PosePrior, power: float) -> Tensor:
    return prior_weights(prior.log_prob(control), power)

"""RealNVP: an exact density on R^n with no condition (Dinh et al., ICLR 2017; paper 004, Eq. 4).

With an invertible f from data to a latent, p(x) = |det df/dx| N(f(x); 0, I), and f a chain of
affine couplings (paper 004, Appendix F), whose determinants are products of their scales.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from zuko.transforms import PermutationTransform

from poseterior.flows.coupling import Chain, ConditionalAffine, SoftClampedCoupling

__all__ = ["RealNVP"]


class RealNVP(nn.Module):
    """Blocks of a fixed permutation and two affine couplings, after one elementwise affine map.

    The scales are soft-clamped as those of all our couplings. Untrained, it is
    N(0, `initial_scale`² I).

    Args:
        features: n, at least 2.
        blocks: each of two couplings, one for either half, and a permutation before them.
        hidden, depth: width and number of hidden layers of a coupling's network.
        alpha: the log of a coupling's scale is within (-alpha, alpha).
        initial_scale: standard deviation before training.
    """

    permutations: Tensor
    nothing: Tensor

    def __init__(
        self,
        features: int,
        blocks: int,
        hidden: int,
        depth: int = 1,
        alpha: float = 2.0,
        initial_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.features = features
        self.affine = ConditionalAffine(features, 1)
        self.couplings = nn.ModuleList(
            SoftClampedCoupling(features, 1, hidden, depth, alpha, first)
            for _ in range(blocks)
            for first in (True, False)
        )
        generator = torch.Generator().manual_seed(0)
        orders = [torch.randperm(features, generator=generator) for _ in range(blocks)]
        self.register_buffer("permutations", torch.stack(orders))
        # The couplings are conditional: here the condition is always the same.
        self.register_buffer("nothing", torch.zeros(1, 1), persistent=False)
        limit = self.affine.alpha
        raw = limit * math.tan(math.pi * math.log(initial_scale) / (2 * limit))
        nn.init.constant_(self.affine.linear.bias[features:], raw)

    def transform(self) -> Chain:
        """From data (..., B, n) to latents."""
        transforms = [self.affine(self.nothing)]
        for i, order in enumerate(self.permutations):
            first, second = self.couplings[2 * i], self.couplings[2 * i + 1]
            transforms += [
                PermutationTransform(order), first(self.nothing), second(self.nothing)
            ]  # fmt: skip
        return Chain(*transforms)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats (...) of vectors (..., n)."""
        flat = value.reshape(-1, self.features)
        latent, log_det = self.transform().call_and_ladj(flat)
        normal = -0.5 * (latent.square().sum(-1) + self.features * math.log(2 * math.pi))
        return (normal + log_det).reshape(value.shape[:-1])

    @torch.no_grad()
    def sample(self, shape: Iterable[int], generator: torch.Generator | None = None) -> Tensor:
        """Vectors (*shape, n), without gradient."""
        like = self.affine.linear.bias
        size = (*shape, self.features)
        latent = torch.randn(size, generator=generator, dtype=like.dtype, device=like.device)
        found: Tensor = self.transform().inv(latent.reshape(-1, self.features))
        return found.reshape(size)

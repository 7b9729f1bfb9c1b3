"""`cvae`: the conditional variational autoencoder of Sharma et al., ICCV 2019.

"Monocular 3D human pose estimation by generation and ordinal ranking". Hypotheses are decoded
from latents drawn from the prior N(0, I); `ordinal.py` ranks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from poseterior.errors import require
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition, feature_count
from poseterior.lifters.ordinal import OrdinalNetwork, ordinal_scores
from poseterior.posterior import Lifter, Posterior, drop_root, insert_root

__all__ = ["CVAE", "CVAEConfig", "DecodedPosterior"]

# Poses are divided by this, about the standard deviation of a joint's coordinate in metres:
# the published weights are for standardised poses.
_UNIT_M = 0.25
# Hypotheses decoded at a time: memory stays bounded whatever the batch.
_ROWS = 8192


@dataclass(frozen=True)
class CVAEConfig:
    """Sizes and weights as published (from the authors' code where the paper is silent).

    Attributes:
        latent: dimensions of z.
        condition: units of the condition in the decoder; both networks are latent + condition
            wide.
        residual_blocks, dropout: of encoder and decoder.
        hypotheses: latents drawn in training, as many from the encoder as from the prior.
        reconstruction_weight: of the mean squared error of both.
        prior_share: of that error, what counts latents drawn from the prior.
        kl_weight: of the divergence from the prior, averaged over the latent's dimensions.
        ordinal: whether to train the predictor of joint relations that `rank` needs.
        ordinal_width: of its network.
    """

    latent: int = 256
    condition: int = 768
    residual_blocks: int = 2
    dropout: float = 0.5
    hypotheses: int = 10
    reconstruction_weight: float = 100.0
    prior_share: float = 0.5
    kl_weight: float = 10.0
    ordinal: bool = False
    ordinal_width: int = 256

    @property
    def width(self) -> int:
        """Width of the residual blocks."""
        return self.latent + self.condition


class DecodedPosterior(Posterior):
    """The image of z ~ N(0, I) under a network: samples without a density.

    Args:
        decode: latents (H, B', L) and a slice of B' of the batch -> free joints (H, B', 3(J-1))
            in metres, in a frame of the observation's own.
        latent: L.
        rotation: (B, 3, 3) from camera axes to that frame.
        skeleton: the joints.
    """

    has_latent_centre = True

    def __init__(
        self,
        decode: Callable[[Tensor, slice], Tensor],
        latent: int,
        rotation: Tensor,
        skeleton: Skeleton,
    ) -> None:
        super().__init__(skeleton, rotation.shape[:-2])
        self.decode, self.latent, self.rotation = decode, latent, rotation

    @torch.no_grad()
    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        shape = torch.Size(sample_shape)
        poses = self.rotation.new_empty(shape.numel(), *self.batch_shape, *self.event_shape)
        for some, rows in _chunks(*poses.shape[:2]):
            part = poses[some, rows]
            latents = part.new_empty(*part.shape[:2], self.latent).normal_(generator=generator)
            part.copy_(self._poses(latents, rows))
        return poses.reshape(*shape, *poses.shape[1:])

    @property
    def latent_centre(self) -> Tensor:
        """The decoded z = 0."""
        zero = self.rotation.new_zeros(1, *self.batch_shape, self.latent)
        return self._poses(zero, slice(None))[0]

    def _poses(self, latents: Tensor, rows: slice) -> Tensor:
        return insert_root(self.decode(latents, rows), self.skeleton) @ self.rotation[rows]


def _chunks(hypotheses: int, batch: int) -> Iterator[tuple[slice, slice]]:
    """Slices of hypotheses and of the batch that cover all, at most `_ROWS` of both together."""
    for start in range(0, batch, _ROWS):
        rows = slice(start, min(start + _ROWS, batch))
        step = max(1, _ROWS // (rows.stop - start))
        for first in range(0, hypotheses, step):
            yield slice(first, first + step), rows


def _layer(features: int, width: int, dropout: float) -> nn.Sequential:
    linear = nn.Linear(features, width)
    nn.init.kaiming_normal_(linear.weight)
    return nn.Sequential(linear, nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout))


class _Residual(nn.Module):
    """A linear layer after residual blocks of two layers each: (N, width) -> (N, outputs)."""

    def __init__(self, width: int, outputs: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(_layer(width, width, dropout), _layer(width, width, dropout))
            for _ in range(blocks)
        )
        self.last = nn.Linear(width, outputs)

    def forward(self, hidden: Tensor) -> Tensor:
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.last(hidden)


class CVAE(Lifter):
    """Encoder q(z | pose, condition) and decoder pose(z, condition), z ~ N(0, I) a priori.

    With K latents each from encoder and prior, L = 100 (0.5 |x - mean decode(z_q)|² +
    0.5 |x - mean decode(z_p)|²) + 10 KL(q || N(0, I)): means over coordinates and latent
    dimensions, x the free joints in the person's frame. That it is the mean of the K decoded
    poses that is compared is the authors' code; without it nothing would be left of diversity
    where latents come from the prior. Unlike theirs, the encoder's outputs are plain linear
    (they pass them through ReLU and dropout), the condition holds covariances and validity
    beside the 2D pose, and all poses are divided by one length, not each coordinate by its
    own standard deviation.
    """

    name = "cvae"
    Config = CVAEConfig
    _SMALL = CVAEConfig(latent=64, condition=192, dropout=0.0, hypotheses=2, kl_weight=2.5)
    PRESETS: ClassVar[dict[str, CVAEConfig]] = {
        "small": _SMALL,
        "paper": CVAEConfig(),
        "small_ordinal": replace(_SMALL, ordinal=True),
        "paper_ordinal": CVAEConfig(ordinal=True),
    }

    def __init__(self, config: CVAEConfig | None = None, skeleton: Skeleton = H36M_17) -> None:
        super().__init__()
        self.config, self.skeleton = config or CVAEConfig(), skeleton
        c, features, size = self.config, feature_count(len(skeleton)), 3 * (len(skeleton) - 1)
        self.encoder = nn.Sequential(
            _layer(features + size, c.width, c.dropout),
            _Residual(c.width, 2 * c.latent, c.residual_blocks, c.dropout),
        )
        self.context = _layer(features, c.condition, c.dropout)
        self.decoder = _Residual(c.width, size, c.residual_blocks, c.dropout)
        self.relations = (
            OrdinalNetwork(features, len(skeleton), c.ordinal_width) if c.ordinal else None
        )

    def forward(self, keypoints: Keypoints) -> DecodedPosterior:
        """Poses decoded from the prior."""
        conditions = condition(keypoints, self.skeleton)
        context = self.context(conditions.features)
        return DecodedPosterior(
            lambda latents, rows: _UNIT_M * self._decode(latents, context[rows]),
            self.config.latent, conditions.rotation, self.skeleton,
        )  # fmt: skip

    def losses(
        self, keypoints: Keypoints, pose: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Weighted reconstruction, generation and KL terms, and the relations' cross-entropy."""
        c, conditions = self.config, condition(keypoints, self.skeleton)
        with torch.autocast(pose.device.type, enabled=False):
            person = conditions.to_person(pose)
        target = drop_root(person, self.skeleton) / _UNIT_M
        encoded = self.encoder(torch.cat([conditions.features, target], -1)).float()
        mean, log_variance = encoded.chunk(2, -1)
        shape = (2, c.hypotheses, *mean.shape)
        noise = torch.randn(shape, generator=generator, device=mean.device)
        latents = torch.cat([mean + (0.5 * log_variance).exp() * noise[0], noise[1]])
        decoded = self._decode(latents, self.context(conditions.features))
        error = (decoded.unflatten(0, (2, -1)).mean(1) - target).square().mean((1, 2))
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        terms = {
            "reconstruction": c.reconstruction_weight * (1 - c.prior_share) * error[0],
            "generation": c.reconstruction_weight * c.prior_share * error[1],
            "kl": c.kl_weight * kl,
        }
        if self.relations is not None:
            terms["ordinal"] = self.relations.loss(conditions.features, person)
        return terms

    @torch.no_grad()
    def rank(self, keypoints: Keypoints, hypotheses: Tensor) -> Tensor:
        """`ordinal_scores` (H, B) of hypotheses (H, B, J, 3), metres, camera axes.

        Nearer means along the direction from the camera to the person. `InputError` if the
        lifter was made without `ordinal`.
        """
        require(
            self.relations is not None,
            "cvae", "config.ordinal", expected="True, as in the preset small_ordinal", found=False,
        )  # fmt: skip
        assert self.relations is not None
        conditions = condition(keypoints, self.skeleton)
        person = conditions.to_person(hypotheses)
        return ordinal_scores(person, self.relations(conditions.features))

    def _decode(self, latents: Tensor, context: Tensor) -> Tensor:
        """Free joints (H, B, 3(J-1)) in units of `_UNIT_M` of latents (H, B, L)."""
        context = context.float().expand(len(latents), *context.shape)
        free = self.decoder(torch.cat([latents, context], -1).flatten(0, 1)).float()
        return free.unflatten(0, latents.shape[:2])

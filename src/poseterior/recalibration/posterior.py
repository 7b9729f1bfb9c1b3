"""Recalibrated posteriors, and lifters that give them: scored like any other."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.posterior import Lifter, Posterior
from poseterior.recalibration.latent_temperature import LatentTemperature
from poseterior.recalibration.recalibration import Recalibration

__all__ = ["Recalibrated", "RecalibratedLifter"]


class Recalibrated(Posterior):
    """A posterior (B,) whose hypotheses are repaired.

    Hypotheses are repaired among each other, as many at a time as the recalibration was fitted
    on: `sample((H,))` draws H of the base and repairs them, fewer are the first of H, more come
    from several such sets. It has no density and no exact mode. `latent_centre` is the
    base's, as a repaired file carries it over.

    Args:
        base: the posterior to repair, with one batch dimension.
        recalibration: of samples, fitted for the base's skeleton.
        keypoints: (B,) what was observed, for methods that adapt to it.
    """

    def __init__(
        self, base: Posterior, recalibration: Recalibration, keypoints: Keypoints | None = None
    ) -> None:
        super().__init__(base.skeleton, base.batch_shape)
        require(
            base.skeleton == recalibration.skeleton, "recalibration", "skeleton",
            expected=recalibration.skeleton.name, found=base.skeleton.name,
        )  # fmt: skip
        self.base, self.recalibration, self.keypoints = base, recalibration, keypoints
        self.has_latent_centre = base.has_latent_centre

    def sample(
        self, sample_shape: Iterable[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        shape = torch.Size(sample_shape)
        sets = -(-shape.numel() // self.recalibration.hypotheses)
        drawn = [self._repaired(generator) for _ in range(max(1, sets))]
        samples = torch.cat(drawn)[: shape.numel()]
        return samples.reshape(*shape, *samples.shape[1:])

    def _repaired(self, generator: torch.Generator | None) -> Tensor:
        samples = self.base.sample((self.recalibration.hypotheses,), generator)
        rows = self._rows(samples.transpose(0, 1).to("cpu"))
        return self.recalibration.apply(rows).hypotheses.transpose(0, 1).to(samples)

    def _rows(self, hypotheses: Tensor) -> PredictionRows:
        """Hypotheses (B, H, J, 3) as the rows of a file."""
        seen = self.keypoints
        observed = {} if seen is None else {
            "observed_keypoints": seen.pixels.cpu(),
            "observed_covariance": seen.covariance.cpu(),
            "observed_valid": seen.valid.cpu(),
        }  # fmt: skip
        valid = torch.ones(len(hypotheses), dtype=torch.bool)
        return PredictionRows(0, hypotheses, valid, {}, **observed)

    @property
    def latent_centre(self) -> Tensor:
        """The base's, before repair."""
        return self.base.latent_centre


class RecalibratedLifter(Lifter):
    """A trained lifter whose posteriors are repaired; not to be trained on.

    Args:
        base: the lifter.
        recalibration: a `LatentTemperature` must have been set on the base.
        made_by: what tells of the recalibration in the provenance of what is lifted.
    """

    name = "recalibrated"

    def __init__(
        self, base: Lifter, recalibration: Recalibration, made_by: dict[str, object] | None = None
    ) -> None:
        super().__init__()
        require(
            base.skeleton == recalibration.skeleton, "recalibration", "skeleton",
            expected=recalibration.skeleton.name, found=base.skeleton.name,
        )  # fmt: skip
        self.base, self.recalibration, self.made_by = base, recalibration, made_by
        self.config, self.skeleton = base.config, base.skeleton

    def forward(self, keypoints: Keypoints) -> Posterior:
        """The repaired posterior given keypoints with batch shape (B,)."""
        posterior: Posterior = self.base(keypoints)
        if isinstance(self.recalibration, LatentTemperature):
            return posterior
        return Recalibrated(posterior, self.recalibration, keypoints)

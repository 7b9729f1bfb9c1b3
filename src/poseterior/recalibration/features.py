"""What a joint's misfit may depend on: numbers of one pose's posterior and of what was observed.

| feature      | of a joint                                                                     |
|--------------|--------------------------------------------------------------------------------|
| `spread`     | log of the rms distance (m) of its hypotheses from their mean                  |
| `reach`      | log of the distance (m) of its mean from the root                              |
| `covariance` | log of its detection's standard deviation, in metres at the person             |
| `unseen`     | 1 where it was not detected                                                    |

Pixels become metres by the person's size: the rms extent of the mean pose across the image over
that of the detected keypoints. So neither a camera nor a distance is needed, and a picture of
twice the resolution is the same picture.
"""

from __future__ import annotations

from types import MappingProxyType

import torch
from torch import Tensor

from poseterior.data.prediction_fields import PredictionRows
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.weighted import normalised, weighted_mean

__all__ = ["FEATURES", "OBSERVED", "features"]

FEATURES = ("spread", "reach", "covariance", "unseen")
# The arrays of a file that those need which the observation tells.
OBSERVED = MappingProxyType(
    {"covariance": ("observed_covariance", "observed_keypoints"), "unseen": ("observed_valid",)}
)
_LEAST_M = 0.01
_LEAST_PX2 = 1e-4


def features(rows: PredictionRows, skeleton: Skeleton) -> Tensor:
    """(m, K, F) float64 of the K free joints, in the order of `FEATURES`; NaN where untold."""
    free = list(skeleton.free)
    weights = normalised(rows.weights)
    mean = weighted_mean(rows.hypotheses, weights)
    squares = (rows.hypotheses - mean[:, None]).square_()[:, :, free]
    variance = weighted_mean(squares, weights).sum(-1)
    unseen = torch.full(mean.shape[:2], torch.nan, dtype=torch.float64)
    if rows.observed_valid is not None:
        unseen = (~rows.observed_valid).double()
    columns = (
        variance.clamp(min=1e-12).log() / 2,
        mean[:, free].norm(dim=-1).clamp(min=_LEAST_M).log(),
        _log_sigma(rows, mean)[:, free],
        unseen[:, free],
    )
    return torch.stack(columns, dim=-1)


def _log_sigma(rows: PredictionRows, mean: Tensor) -> Tensor:
    """(m, J) log of the detections' standard deviations, NaN where there was none."""
    if rows.observed_covariance is None or rows.observed_keypoints is None:
        return torch.full(mean.shape[:2], torch.nan, dtype=torch.float64)
    variance = rows.observed_covariance.double().diagonal(dim1=-2, dim2=-1).mean(-1)
    sigma = variance.clamp(min=_LEAST_PX2).log() / 2
    seen = torch.ones_like(sigma, dtype=torch.bool)
    if rows.observed_valid is not None:
        seen = rows.observed_valid
    metres = _extent(mean[..., :2], torch.ones_like(seen))
    pixels = _extent(rows.observed_keypoints.double(), seen)
    return torch.where(seen, sigma + (metres / pixels).log()[:, None], torch.nan)


def _extent(points: Tensor, counts: Tensor) -> Tensor:
    """(m,) rms distance of points (m, J, 2) that count from their mean."""
    points = torch.where(counts[..., None], points, 0.0)
    chance = counts.double()[..., None]
    total = chance.sum(1, keepdim=True).clamp(min=1)
    centre = (points * chance).sum(1, keepdim=True) / total
    spread = ((points - centre).square() * chance).sum((1, 2)) / total[:, 0, 0]
    return spread.clamp(min=_LEAST_PX2**2).sqrt()

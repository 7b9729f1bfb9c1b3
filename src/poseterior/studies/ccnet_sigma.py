"""Does a detector's own spread follow its error? (paper 001, Figure 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from poseterior.studies.ccnet_seen import SeenPeople

__all__ = ["sigma_and_error"]

_BINS, _DOTS = 12, 1500


def sigma_and_error(seen: SeenPeople, seed: int = 0) -> dict[str, Any]:
    """Sigma of each labelled keypoint's Gaussian against its 2D error, px of the crop.

    Sigma is the fourth root of the covariance's determinant, the error the distance from the
    truth. A Gaussian that is right has a root mean square error of sqrt(2) sigma.

    Returns:
        `spearman`, rank correlation of all; `bins` of equal counts: medians of sigma, and
        `quartiles` of the error in each; `dots`, some keypoints drawn at random; `visible`, whose
        v is 2.
    """
    labelled = seen.labelled
    true, covariance = np.asarray(seen["true"])[labelled], seen["covariance"][labelled]
    sigma = np.linalg.det(covariance).clip(min=0.0) ** 0.25
    error = np.linalg.norm(seen["pixels"][labelled] - true[:, :2], axis=-1)
    good = np.isfinite(sigma)
    sigma, error, visible = sigma[good], error[good], true[good, 2] == 2
    order = np.array_split(np.argsort(sigma, kind="stable"), min(_BINS, len(sigma)))
    some = np.random.default_rng(seed).permutation(len(sigma))[:_DOTS]
    return {
        "spearman": float(spearmanr(sigma, error).statistic),
        "bins": [float(np.median(sigma[rows])) for rows in order],
        "quartiles": [np.quantile(error[rows], [0.25, 0.5, 0.75]).tolist() for rows in order],
        "dots": [[float(sigma[n]), float(error[n])] for n in some],
        "visible": visible[some].tolist(),
    }

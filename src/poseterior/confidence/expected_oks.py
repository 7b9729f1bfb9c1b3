"""Expected OKS: how alike a keypoint will be to an annotation that is known only as a Gaussian.

Paper 003, Section 4.2. The annotation is p ~ N(mean, covariance), the prediction a fixed point,
and the similarity of one keypoint exp(-|prediction - p|² / (2 l²)), with l² the tolerance of
`poseterior.metrics.oks.tolerance`. This is the confidence that ranks as OKS does on average,
and a person's is the mean of its counted keypoints' (Eq. 6 is linear, so correlations between
keypoints do not matter).

Computed in double precision whatever comes in, given back in the precision of what came in,
and differentiable in every argument.
"""

from __future__ import annotations

import torch
from torch import Tensor

from poseterior.errors import require

__all__ = ["expected_oks", "expected_oks_at_mean", "expected_oks_isotropic"]


def expected_oks(prediction: Tensor, mean: Tensor, covariance: Tensor, tolerance: Tensor) -> Tensor:
    """E exp(-|prediction - p|² / (2 l²)) for p ~ N(mean, S), (...) from 0 to 1.

        l² / sqrt(det(S + l² I)) * exp(-dᵀ (S + l² I)⁻¹ d / 2),  d = prediction - mean

    Eq. 11 for any covariance: the product of two Gaussians integrates to a Gaussian in d whose
    covariance is the sum (Lemma A.1), here scaled by 2 pi l², what the similarity integrates to.

    Args:
        prediction: (..., 2) px.
        mean: (..., 2) px, of the annotation.
        covariance: (..., 2, 2) px², of the annotation; may be zero, then this is the keypoint's
            OKS.
        tolerance: (...) px², the l² of Eq. 7.

    Raises:
        InputError: a tolerance that is not positive, or a covariance that is not positive
            semi-definite.

    >>> here, tolerance = torch.zeros(2), torch.tensor(9.0)
    >>> expected_oks(here, here, torch.diag(torch.tensor([16.0, 0.0])), tolerance)  # 9 / (5 * 3)
    tensor(0.6000)
    """
    kind = torch.result_type(prediction, covariance)
    d, s, l2 = (prediction - mean).double(), covariance.double(), tolerance.double()
    _require_positive(tolerance)
    sxx, syy, sxy = s[..., 0, 0], s[..., 1, 1], (s[..., 0, 1] + s[..., 1, 0]) / 2
    own = sxx * syy - sxy.square()
    # Rounding in what came in may leave a singular covariance a little below zero.
    slack = 1e-6 * (sxx * syy).abs()
    sound = (sxx >= 0) & (syy >= 0) & (own >= -slack) | s.isnan().any(-1).any(-1)
    expected = "positive semi-definite"
    require(bool(sound.all()), "expected_oks", "covariance", expected=expected, found=covariance)
    a, c = sxx + l2, syy + l2
    determinant = own.clamp(min=0.0) + l2 * (sxx + syy + l2)  # no cancellation where S is narrow
    square = c * d[..., 0].square() + a * d[..., 1].square() - 2 * sxy * d[..., 0] * d[..., 1]
    return (l2 / determinant.sqrt() * (-square / (2 * determinant)).exp()).to(kind)


def expected_oks_isotropic(
    prediction: Tensor, mean: Tensor, variance: Tensor, tolerance: Tensor
) -> Tensor:
    """Eq. 10 and 11: `expected_oks` with the covariance sigma² I, (...).

        l² / (sigma² + l²) * exp(-|d|² / (2 (sigma² + l²)))

    Args:
        prediction: (..., 2) px.
        mean: (..., 2) px.
        variance: (...) px², sigma² of each axis.
        tolerance: (...) px².

    Raises:
        InputError: a tolerance that is not positive, or a negative variance.

    >>> expected_oks_isotropic(torch.tensor([5.0, 0.0]), torch.zeros(2), torch.tensor(16.0),
    ...                        torch.tensor(9.0))  # 9 / 25 exp(-1 / 2)
    tensor(0.2184)
    """
    apart = (prediction - mean).double().square().sum(-1)
    both = variance.double() + tolerance.double()
    decay = (-apart / (2 * both)).exp()
    kind = torch.result_type(prediction, variance)
    return (expected_oks_at_mean(variance.double(), tolerance) * decay).to(kind)


def expected_oks_at_mean(variance: Tensor, tolerance: Tensor) -> Tensor:
    """Eq. 12: l² / (sigma² + l²) (...), the expected OKS where the prediction is the mean.

    The most that any prediction can expect of this annotation.

    Args:
        variance: (...) px².
        tolerance: (...) px².

    Raises:
        InputError: a tolerance that is not positive, or a negative variance.

    >>> expected_oks_at_mean(torch.tensor(16.0), torch.tensor([4.0, 16.0, 64.0]))
    tensor([0.2000, 0.5000, 0.8000])
    """
    _require_positive(tolerance)
    ok = not bool((variance < 0).any())
    require(ok, "expected_oks", "variance", expected="no negative number", found=variance)
    l2 = tolerance.double()
    return (l2 / (variance.double() + l2)).to(variance.dtype)


def _require_positive(tolerance: Tensor) -> None:
    ok = bool((tolerance > 0).all())
    require(ok, "expected_oks", "tolerance", expected="positive numbers", found=tolerance)

"""The rotation R (det +1) that maximises trace(Rᵀ M), batched, without decompositions.

With f = |M|², D = det M and e = |cof M|², the largest eigenvalue λ of the quaternion matrix
of M (Horn, JOSA A 1987) is the maximum, and the largest root of

    P(λ) = λ⁴ - 2f λ² - 8D λ + f² - 4e.

All four roots are real, so Newton's iteration falls to it from any upper bound. The rotation
follows without the eigenvector (Markley, J. Astronautical Sciences 41, 1993):

    R = ((κ + f) M + λ cof M - M Mᵀ M) / ζ,   κ = (λ² - f) / 2,   ζ = κ λ - D = P'(λ) / 8.

ζ is the product of the sums of two (signed) singular values: zero where R is not unique.
There the polynomial has a double root; `rotation_by_svd` serves those few.

Here the matrix axes come first, (3, 3, ...), so that every operation is elementwise over
contiguous batches.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cofactors", "rotation_by_polynomial", "rotation_by_svd"]

# The rotation's error is about 1e-16 / ζ² for |M| near 1: at most 1e-9 above this.
_CLEAR = 1e-3
_ITERATIONS, _STEP = 30, 1e-9


def rotation_by_polynomial(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations (3, 3, ...), maxima (...) and where both are sharp (...) bool.

    `matrix` (3, 3, ...) is float64 of singular values that add up to at most 1, as of two sets
    of unit norm. Where the last is False (the rotation is hardly unique, or something is not
    finite) the others mean nothing.
    """
    cofactor = cofactors(matrix)
    square = matrix.square().sum((0, 1))
    determinant = (matrix[0] * cofactor[0]).sum(0)
    root, settled = _largest_root(square, determinant, cofactor.square().sum((0, 1)))
    kappa = (root.square() - square) / 2
    zeta = kappa * root - determinant
    gram = (matrix[:, None] * matrix[None]).sum(2)
    cubed = (gram[:, :, None] * matrix[None]).sum(1)
    rotation = ((kappa + square) * matrix + root * cofactor - cubed) / zeta
    return rotation, root, settled & (zeta > _CLEAR)


def cofactors(matrix: Tensor) -> Tensor:
    """Cofactor matrix of (3, 3, ...): the rows' cross products."""
    rows = [torch.linalg.cross(matrix[(k + 1) % 3], matrix[(k + 2) % 3], dim=0) for k in range(3)]
    return torch.stack(rows)


def _largest_root(square: Tensor, determinant: Tensor, cofactor_square: Tensor) -> tuple:
    """Largest root of P, and where Newton's iteration has settled on it."""
    constant = square.square() - 4 * cofactor_square
    root = (square + 12**0.5 * cofactor_square.sqrt()).sqrt()  # never below the largest root
    for _ in range(_ITERATIONS):
        falling = root.square() - square
        slope = 4 * (root * falling - 2 * determinant)
        value = root * (root * (falling - square) - 8 * determinant) + constant
        step = value / slope
        root = root - step
        # A double root is only crept up to: leave those to the SVD.
        settled = step.abs() < _STEP
        if (settled | ~(slope > 8 * _CLEAR)).all():
            break
    return root, settled


def rotation_by_svd(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The same for any finite matrices (N, 3, 3), by SVD: rotations (N, 3, 3), maxima (N,)."""
    left, values, right = torch.linalg.svd(matrix)
    sign = torch.linalg.det(left @ right).sign()
    left = torch.cat([left[..., :2], left[..., 2:] * sign[:, None, None]], dim=-1)
    return left @ right, values[:, 0] + values[:, 1] + sign * values[:, 2]

"""The one Procrustes: the similarity that lays a prediction over its target.

Minimises sum_j |s R x_j + t - y_j|² over scale s, rotation R (det +1, never a reflection)
and translation t (Umeyama, TPAMI 1991): both sets centred, the rotation of the sum of
y_j x_jᵀ (`optimal_rotation.py`), s its maximum over |x|².
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from poseterior.errors import InputError, require
from poseterior.geometry.optimal_rotation import rotation_by_polynomial, rotation_by_svd

__all__ = ["Degenerate", "Similarity", "aligned_distances", "procrustes", "similarity"]

Degenerate = Literal["raise", "mask"]

# A set whose extent across its longest axis is below this fraction of it is a line: ten
# micrometres on a body, more than rounding to float32 makes of a true line.
_LINE = 1e-5
# A set smaller than this fraction of its distance from the origin is a point.
_POINT = 1e-6
# Sets solved at once where there are many: a few MB of working memory.
_CHUNK = 8192


class Similarity(NamedTuple):
    """x -> scale * rotation @ x + translation, any batch shape `...`, float64.

    Attributes:
        rotation: (..., 3, 3), det +1.
        scale: (...), not negative.
        translation: (..., 3), in the unit of the target.
        valid: (...) bool; where False the set was degenerate and the rest is NaN.
    """

    rotation: Tensor
    scale: Tensor
    translation: Tensor
    valid: Tensor

    def apply(self, positions: Tensor) -> Tensor:
        """Positions (..., J, 3) moved, in their own dtype."""
        turned = positions.double() @ self.rotation.mT
        moved = self.scale[..., None, None] * turned + self.translation[..., None, :]
        return moved.to(positions.dtype)


@torch.no_grad()
def similarity(
    prediction: Tensor,
    target: Tensor,
    *,
    valid: Tensor | None = None,
    degenerate: Degenerate = "raise",
) -> Similarity:
    """The similarity that aligns predictions to targets, least squares, in float64.

    A measurement, not a loss: no gradient flows through it.

    Args:
        prediction: (..., J, 3), any leading dimensions that broadcast with the target's, so
            that hypotheses (H, B, J, 3) align to (B, J, 3), or (M, H, J, 3) to (M, 1, J, 3).
        target: (..., J, 3).
        valid: (..., J) bool, the joints to align by; all if None. The others may be NaN.
        degenerate: what to do about a set that has no alignment: fewer than three distinct
            joints, all joints on a line, or not finite. "raise", or "mask": `valid` False and
            NaN, which no mean mistakes for a perfect score.

    Raises:
        InputError: for shapes that do not match, or a degenerate set unless masked.

    >>> square = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    >>> turned = 2 * square[:, [1, 0, 2]] * torch.tensor([-1.0, 1, 1]) + 5
    >>> found = similarity(square, turned)
    >>> round(found.scale.item(), 6), found.translation.tolist()
    (2.0, [5.0, 5.0, 5.0])
    """
    found = _solve(*_checked(prediction, target, valid, degenerate))[0]
    _refuse(found.valid, degenerate)
    return found


def procrustes(
    prediction: Tensor,
    target: Tensor,
    *,
    valid: Tensor | None = None,
    degenerate: Degenerate = "raise",
) -> Tensor:
    """Predictions (..., J, 3) laid over their targets; arguments as of `similarity`."""
    return _in_chunks(_aligned, prediction, target, valid, degenerate)


def aligned_distances(
    prediction: Tensor,
    target: Tensor,
    *,
    valid: Tensor | None = None,
    degenerate: Degenerate = "raise",
) -> Tensor:
    """Distance (..., J) of each joint from its target after alignment: PA-MPJPE's terms.

    The same numbers as `(procrustes(prediction, target) - target).norm(dim=-1)`, in less time
    and memory; arguments as of `similarity`.
    """
    return _in_chunks(_distances, prediction, target, valid, degenerate)


Solved = tuple[Tensor, Tensor]


@torch.no_grad()
def _in_chunks(
    function: Callable[[Tensor, Tensor, Tensor | None], Solved],
    prediction: Tensor,
    target: Tensor,
    valid: Tensor | None,
    degenerate: Degenerate,
) -> Tensor:
    """`function` over slices of the longest batch axis that stay in the processor's cache."""
    x, y, mask = _checked(prediction, target, valid, degenerate)
    shape = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    shape = shape if mask is None else torch.broadcast_shapes(shape, mask.shape[:-1])
    if shape.numel() <= _CHUNK:
        result, good = function(x, y, mask)
    else:
        axis = max(range(len(shape)), key=shape.__getitem__)
        rows = max(1, _CHUNK * shape[axis] // shape.numel())
        parts = [
            function(cut(x), cut(y), None if mask is None else cut(mask))
            for start in range(0, shape[axis], rows)
            for cut in [partial(_rows, axis=axis, start=start, rows=rows)]
        ]
        result, good = (torch.cat(part, axis) for part in zip(*parts, strict=True))
    _refuse(good, degenerate)
    return result


def _rows(values: Tensor, axis: int, start: int, rows: int) -> Tensor:
    count = min(rows, values.shape[axis] - start)
    return values if values.shape[axis] == 1 else values.narrow(axis, start, count)


def _aligned(prediction: Tensor, target: Tensor, valid: Tensor | None) -> Solved:
    found, x, _, mean, work = _solve(prediction, target, valid)
    laid = _laid(found, x, work).add_(mean[:, None])
    return laid.movedim((0, 1), (-1, -2)).to(prediction.dtype).contiguous(), found.valid


def _distances(prediction: Tensor, target: Tensor, valid: Tensor | None) -> Solved:
    found, x, y, _, work = _solve(prediction, target, valid)
    squares = _laid(found, x, work).sub_(y).square_()
    return squares.sum(0).sqrt_().movedim(0, -1).to(prediction.dtype), found.valid


def _laid(found: Similarity, x: Tensor, work: Tensor) -> Tensor:
    """Centred positions (3, J, ...) turned and scaled, in `work`."""
    scaled = (found.scale[..., None, None] * found.rotation).movedim((-2, -1), (0, 1))
    for k in range(3):
        torch.mul(scaled[k, 0], x[0], out=work[k])
        work[k].addcmul_(scaled[k, 1], x[1]).addcmul_(scaled[k, 2], x[2])
    return work


def _solve(
    prediction: Tensor, target: Tensor, valid: Tensor | None
) -> tuple[Similarity, Tensor, Tensor, Tensor, Tensor]:
    """The similarity, both sets centred as (3, J, ...), the target's mean (3, ...), and memory
    (3, J, ...) to write to: fresh memory costs more time than the arithmetic.
    """
    x, x_mean = _centred(prediction, valid)
    y, y_mean = _centred(target, valid)
    sets = _measured(x, x_mean, valid), _measured(y, y_mean, valid)
    work = x.new_empty((*x.shape[:2], *torch.broadcast_shapes(x.shape[2:], y.shape[2:])))
    rotation, root, good = _rotation(*sets, work)
    rotation = torch.where(good, rotation, torch.nan)
    scale = torch.where(good, root * sets[1].norm / sets[0].norm, torch.nan)
    translation = y_mean - scale * (rotation * x_mean).sum(1)
    rotation, translation = rotation.movedim((0, 1), (-2, -1)), translation.movedim(0, -1)
    return Similarity(rotation, scale, translation, good), x, y, y_mean, work


class _Centred(NamedTuple):
    """A centred set: positions (3, J, ...), norm (...), whether it is but a point (...)."""

    positions: Tensor
    norm: Tensor
    is_point: Tensor


def _checked(
    prediction: Tensor, target: Tensor, valid: Tensor | None, degenerate: Degenerate
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The arguments with equally many leading dimensions; `InputError` if they do not match."""
    require(
        degenerate in ("raise", "mask"),
        "alignment", "degenerate", expected="'raise' or 'mask'", found=repr(degenerate),
    )  # fmt: skip
    joints = tuple(prediction.shape[-2:])
    require(
        len(joints) == 2 and joints[1] == 3 and prediction.is_floating_point(),
        "alignment", "prediction", expected="(..., J, 3) floating", found=_described(prediction),
    )  # fmt: skip
    shapes = [prediction.shape, target.shape] + ([] if valid is None else [(*valid.shape, 3)])
    try:
        fits = torch.broadcast_shapes(*shapes)[-2:] == joints == tuple(target.shape[-2:])
    except RuntimeError:
        fits = False
    require(
        fits, "alignment", "target", expected=f"to match {tuple(prediction.shape)}",
        found=" and valid ".join(str(tuple(shape)) for shape in shapes[1:]),
    )  # fmt: skip
    rank = max(len(shape) for shape in shapes)
    prediction, target = (_padded(values, rank) for values in (prediction, target))
    return prediction, target, None if valid is None else _padded(valid, rank - 1)


def _described(values: Tensor) -> str:
    return f"{tuple(values.shape)} {values.dtype}"


def _padded(values: Tensor, rank: int) -> Tensor:
    return values.reshape((1,) * (rank - values.ndim) + tuple(values.shape))


def _centred(positions: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Positions (..., J, 3) as float64 (3, J, ...) minus their mean (3, ...)."""
    source = positions.movedim((-1, -2), (0, 1))
    columns = torch.empty(source.shape, dtype=torch.float64, device=source.device).copy_(source)
    if valid is None:
        mean = columns.mean(1)
    else:
        kept = valid.movedim(-1, 0)
        mean = torch.where(kept, columns, 0.0).sum(1) / kept.sum(0)
    return columns.sub_(mean[:, None]), mean


def _measured(columns: Tensor, mean: Tensor, valid: Tensor | None) -> _Centred:
    if valid is not None:
        columns = torch.where(valid.movedim(-1, 0), columns, 0.0)
    norm = columns.square().sum((0, 1)).sqrt()
    is_point = norm <= _POINT * len(columns[0]) ** 0.5 * mean.square().sum(0).sqrt()
    return _Centred(columns, norm, is_point)


def _rotation(x: _Centred, y: _Centred, work: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rotation (3, 3, ...), largest root (...) and where neither set is degenerate (...)."""
    rows = [torch.mul(y.positions[k], x.positions, out=work).sum(1) for k in range(3)]
    matrix = torch.stack(rows)
    matrix /= x.norm * y.norm
    rotation, root, good = rotation_by_polynomial(matrix)
    unclear = ~good
    if unclear.any():
        good[unclear] = _is_body(x, unclear) & _is_body(y, unclear)
        rest = matrix[:, :, good & unclear].movedim(-1, 0)
        turned, root[good & unclear] = rotation_by_svd(rest)
        rotation[:, :, good & unclear] = turned.movedim(0, -1)
    return rotation, root, good


def _is_body(points: _Centred, chosen: Tensor) -> Tensor:
    """Which of the chosen sets (N,) are finite and neither a point nor on a line."""
    columns, point = (
        values.expand((*values.shape[: values.ndim - chosen.ndim], *chosen.shape))[..., chosen]
        for values in (points.positions, points.is_point)
    )
    finite = columns.isfinite().all(0).all(0)
    extents = torch.linalg.svdvals(torch.where(finite, columns, 0.0).movedim(-1, 0))
    return finite & ~point & (extents[:, 1] > _LINE * extents[:, 0])


def _refuse(good: Tensor, degenerate: Degenerate) -> None:
    if degenerate == "mask" or good.all():
        return
    first = tuple((~good).nonzero()[0].tolist())
    raise InputError(
        "alignment", "prediction or target",
        expected="finite sets of three joints or more that do not lie on one line",
        found=f"{int((~good).sum())} of {good.numel()} degenerate, the first at {first}",
    )  # fmt: skip

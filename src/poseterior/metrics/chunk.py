"""What `ScoreAccumulator.update` is given: rows of a predictions file, checked and cut up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics.weighted import hypotheses_last, row_pieces

__all__ = ["Chunk"]


@dataclass(frozen=True, eq=False)
class Chunk:
    """M poses of a predictions file, and what is known of each; lengths in metres.

    Attributes:
        hypotheses: (M, H, J, 3).
        target: (M, J, 3).
        group: (M,) int64, the pose's group of clips.
        weights: (M, H) or None.
        mode: (M, J, 3) or None.
        latent_centre: (M, J, 3) or None.
        target_log_prob: (M,) nats, or None.
        valid_joints: (M, J) bool, or None where all are.
        log_prob: (M, H) nats of the hypotheses, or None.
        observed: (M, J) bool, joints that the observation had; None where it is not known.
    """

    hypotheses: Tensor
    target: Tensor
    group: Tensor
    weights: Tensor | None = None
    mode: Tensor | None = None
    latent_centre: Tensor | None = None
    target_log_prob: Tensor | None = None
    valid_joints: Tensor | None = None
    log_prob: Tensor | None = None
    observed: Tensor | None = None

    def check(self, skeleton: Skeleton) -> None:
        """Raise `InputError` for a shape that does not fit, or a value that is not finite."""
        given = tuple(self.hypotheses.shape)
        joints = len(skeleton)
        fits = len(given) == 4 and given[1] > 0 and given[2:] == (joints, 3)
        require(fits, "score", "hypotheses", expected=f"shape (M, H, {joints}, 3)", found=given)
        poses, count = given[:2]
        shapes = {
            "target": (poses, joints, 3), "group": (poses,), "weights": (poses, count),
            "mode": (poses, joints, 3), "latent_centre": (poses, joints, 3),
            "target_log_prob": (poses,), "valid_joints": (poses, joints),
            "log_prob": (poses, count), "observed": (poses, joints),
        }  # fmt: skip
        for name, expected in shapes.items():
            value = getattr(self, name)
            if value is not None:
                found = tuple(value.shape)
                require(found == expected, "score", name, expected=f"shape {expected}", found=found)

    def pieces(self) -> Iterator[Chunk]:
        """Pieces small enough for the processor's cache, their values checked and masked."""
        for rows in row_pieces(self.hypotheses):
            yield self.rows(rows)._masked()

    def rows(self, rows: slice | Tensor) -> Chunk:
        """Some of the poses: a slice, or (M,) bool."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: v[rows] for name, v in values.items() if v is not None})

    def _masked(self) -> Chunk:
        """Joints that are not valid zeroed, so that nothing in them can spread; H last."""
        changed = {"hypotheses": hypotheses_last(self.hypotheses)}
        for name in ("target", "mode", "latent_centre", "target_log_prob", "log_prob"):
            value = getattr(self, name)
            if value is not None:
                changed[name] = value
        if self.valid_joints is not None:
            joints = self.valid_joints[..., None]
            some = joints.any(1)[:, 0]
            kept = {"hypotheses": joints[:, None], "target_log_prob": some,
                    "log_prob": some[:, None]}  # fmt: skip
            changed = {
                name: torch.where(kept.get(name, joints), value, 0.0)
                for name, value in changed.items()
            }
        for name, value in changed.items():
            wrong = int((~value.isfinite()).sum())
            require(
                wrong == 0, "score", name, expected="finite numbers", found=f"{wrong} not finite"
            )
        return replace(self, **changed)

"""Training data of observed pairs: 2D detections with the 3D poses they are of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.keypoints import Keypoints
from poseterior.seeding import generator_from

__all__ = ["PairedSource"]


@dataclass(frozen=True, eq=False)
class PairedSource:
    """Batches of pairs drawn with replacement, each a function of (seed, index) alone.

    Attributes:
        keypoints: batch shape (N,), of the pose's skeleton.
        pose: (N, J, 3) metres, camera axes, root at the origin.
        batch_size: pairs in a batch.
        seed: of all draws.

    `InputError` for shapes that do not fit, no pairs, poses that are not finite or not
    root-relative.
    """

    keypoints: Keypoints
    pose: Tensor
    batch_size: int
    seed: int = 0

    def __post_init__(self) -> None:
        batch, skeleton = tuple(self.keypoints.batch_shape), self.keypoints.skeleton
        some = len(batch) == 1 and batch[0] > 0
        expected = "(N,) with N at least 1"
        require(some, "pairs", "keypoints", expected=expected, found=batch)
        shape, found = (*batch, len(skeleton), 3), tuple(self.pose.shape)
        require(found == shape, "pairs", "pose", expected=f"shape {shape}", found=found)
        finite = bool(self.pose.isfinite().all())
        require(finite, "pairs", "pose", expected="finite", found="joints that are not known")
        off = float(self.pose[:, skeleton.root].abs().max())
        require(
            off < 1e-4, "pairs", "pose", expected="root at the origin", found=f"{off:.4g} m off"
        )

    def batch(self, index: int) -> tuple[Keypoints, Tensor]:
        """Keypoints with batch shape (B,) and poses (B, J, 3), metres, camera axes."""
        generator = generator_from(self.seed, index)
        rows = torch.randint(len(self.pose), (self.batch_size,), generator=generator)
        return self.keypoints[rows], self.pose[rows]

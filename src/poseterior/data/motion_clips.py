"""`MotionClips`: motion capture as training and evaluation take it, many clips in one array."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["MotionClips"]


@dataclass(frozen=True, eq=False)
class MotionClips:
    """Clips of motion capture, one after the other; checked when made.

    Attributes:
        positions: (F, J, 3) float32 metres, right-handed world, z up, root kept in place.
        clip: (F,) int64 index into `clip_names`; the frames of a clip are consecutive in time.
        clip_names: one name a clip, each with at least one frame.
        fps: frames a second.
        skeleton: the joints' names and order.
        source: file or folder, for messages and provenance.
    """

    positions: Tensor
    clip: Tensor
    clip_names: tuple[str, ...]
    fps: float
    skeleton: Skeleton
    source: str

    def __post_init__(self) -> None:
        frames, joints = len(self.positions), len(self.skeleton)
        self._require(frames > 0, "positions", "at least one frame", "none")
        shape = tuple(self.positions.shape)
        expected = (frames, joints, 3)
        self._require(shape == expected, "positions", f"shape {expected}", shape)
        dtype = self.positions.dtype
        self._require(dtype == torch.float32, "positions", "float32", dtype)
        self._require(self.fps > 0, "fps", "above 0", self.fps)
        finite = self.positions.isfinite().flatten(1).all(1)
        first_bad = int(finite.int().argmin())
        self._require(bool(finite.all()), "positions", "finite", f"not so in frame {first_bad}")
        self._check_clips(frames)

    def _check_clips(self, frames: int) -> None:
        shape = tuple(self.clip.shape)
        self._require(shape == (frames,), "clip", f"shape {(frames,)}", shape)
        names = self.clip_names
        self._require(len(set(names)) == len(names), "clip_names", "distinct names", names)
        low, high = int(self.clip.min()), int(self.clip.max())
        inside = low >= 0 and high < len(names)
        self._require(inside, "clip", f"0 to {len(names) - 1}", f"{low} to {high}")
        runs = torch.unique_consecutive(self.clip)
        whole = sorted(runs.tolist()) == list(range(len(names)))
        self._require(
            whole, "clip", f"{len(names)} clips, each in one piece", f"{len(runs)} pieces"
        )

    def _require(self, condition: bool, field: str, expected: object, found: object) -> None:
        require(condition, self.source, field, expected=expected, found=found)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def minutes(self) -> float:
        """How long all clips last."""
        return len(self) / self.fps / 60

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when a position, a clip or a name does."""
        digest = hashlib.sha256(repr((self.clip_names, self.fps, self.skeleton.joints)).encode())
        digest.update(self.clip.numpy().tobytes())
        digest.update(self.positions.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def of_clip(self, name: str) -> Tensor:
        """(T, J, 3): the frames of one clip; `InputError` if there is no such clip."""
        known = name in self.clip_names
        self._require(known, "clip", f"one of {', '.join(self.clip_names)}", name)
        return self.positions[self.clip == self.clip_names.index(name)]

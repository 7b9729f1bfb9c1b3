"""Crops of rendered people with exact labels, in splits that share nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseterior.errors import known, require
from poseterior.meshes.rendering.crops import crop_window
from poseterior.meshes.rendering.hits import Window
from poseterior.meshes.rendering.labels import Labels
from poseterior.meshes.rendering.random_scene import draw_people
from poseterior.meshes.rendering.scene import Scene
from poseterior.meshes.rendering.studio import Studio
from poseterior.meshes.rendering.textures import Surroundings

__all__ = ["LEAST_AREA", "SPLITS", "RenderedPeople", "Shot"]

SPLITS = ("train", "val", "test")
LEAST_AREA = 32.0**2  # px², where COCO's medium people begin
_TOGETHER = 64  # bodies of scenes that are posed at once
_TRIES = 100
_AROUND = 2**32  # in place of an index: the seed of a split's surroundings


@dataclass(frozen=True, eq=False)
class Shot:
    """One labelled person.

    Attributes:
        scene: in which they are.
        labels: see `Labels`.
        window: of the crop.
    """

    scene: Scene
    labels: Labels
    window: Window


@dataclass(eq=False)
class RenderedPeople:
    """People by split and number, each a function of (seed, split, number) alone.

    A scene in which less than `LEAST_AREA` of the person is seen, or no keypoint, is drawn anew.

    Attributes:
        studio: that draws them.
        rotations: of the motion of each split, (F, K, 3, 3), as `BodyMotion.rotations`.
        seed: of everything.
    """

    studio: Studio
    rotations: Mapping[str, Tensor]
    seed: int = 0
    _around: dict[str, Surroundings] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        joints = len(self.studio.body.tree)
        for split, rotations in self.rotations.items():
            shape = tuple(rotations.shape)
            fits = shape[1:] == (joints, 3, 3) and shape[0] > 0
            expected = f"shape (F, {joints}, 3, 3)"
            require(fits, "rotations", split, expected=expected, found=shape)

    def around(self, split: str) -> Surroundings:
        """The textures and backdrops of a split."""
        if split not in self._around:
            self._around[split] = Surroundings((self.seed, SPLITS.index(split), _AROUND))
        return self._around[split]

    def shots(self, split: str, start: int, stop: int) -> Iterator[Shot]:
        """Shots with numbers from `start` to before `stop`."""
        known("split", split, self.rotations)
        for first in range(start, stop, _TOGETHER):
            yield from self._block(split, list(range(first, min(first + _TOGETHER, stop))))

    def crop(self, shot: Shot) -> NDArray[np.uint8]:
        """(128, 96, 3) RGB."""
        return self.studio.crop(shot.scene, shot.window)

    @torch.no_grad()
    def _block(self, split: str, numbers: list[int]) -> list[Shot]:
        done: dict[int, Shot] = {}
        for attempt in range(_TRIES):
            left = [number for number in numbers if number not in done]
            if not left:
                break
            seeds = [(self.seed, SPLITS.index(split), number, attempt) for number in left]
            rotations, body = self.rotations[split], self.studio.body
            draws = [draw_people(rotations, body, seed) for seed in seeds]
            for number, scene in zip(
                left, self.studio.scenes(draws, self.around(split)), strict=True
            ):
                shot = self._shot(scene, split)
                if shot is not None:
                    done[number] = shot
        if len(done) < len(numbers):
            raise RuntimeError(f"no person to be seen in {_TRIES} scenes")
        return [done[number] for number in numbers]

    def _shot(self, scene: Scene, split: str) -> Shot | None:
        labels = self.studio.label(scene)
        if labels is None or labels.area < LEAST_AREA or not (labels.keypoints[:, 2] == 2).any():
            return None
        rng = np.random.default_rng((*scene.seed, 2)) if split == "train" else None
        return Shot(scene, labels, crop_window(labels.box, rng))

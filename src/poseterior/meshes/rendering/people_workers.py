"""Blocks of rendered people, by one process or several, always in the same order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.meshes.bodies import open_body
from poseterior.meshes.rendering.coco_json import coco_annotation, coco_image
from poseterior.meshes.rendering.people import RenderedPeople
from poseterior.meshes.rendering.studio import Studio

__all__ = ["BLOCK", "Block", "Recipe", "blocks"]

BLOCK = 64


@dataclass(frozen=True)
class Recipe:
    """All that a process needs to make people.

    Attributes:
        body: 'anny' or 'anny_light'.
        renderer: see `casters.open_caster`.
        rotations: by split, (F, K, 3, 3) float32.
        seed: of everything.
    """

    body: str
    renderer: str
    rotations: dict[str, NDArray[np.float32]]
    seed: int

    def people(self) -> RenderedPeople:
        """The source; `InputError` if there is no such renderer."""
        rotations = {split: torch.from_numpy(each) for split, each in self.rotations.items()}
        return RenderedPeople(Studio(open_body(self.body), self.renderer), rotations, self.seed)


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive people of a split.

    Attributes:
        start: the number of the first.
        crops: (n, 128, 96, 3) uint8.
        images, annotations: n each, as of `coco_json`.
    """

    start: int
    crops: NDArray[np.uint8]
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]


def blocks(
    people: RenderedPeople, recipe: Recipe, split: str, count: int, workers: int = 1
) -> Iterator[Block]:
    """The first `count` people of a split, `BLOCK` at a time.

    Args:
        people: of the recipe; what one worker uses.
        recipe: for the other processes.
        split: which.
        count: of people.
        workers: processes; each begins with the imports, some seconds.
    """
    starts = range(0, count, BLOCK)
    spans = [(split, start, min(start + BLOCK, count)) for start in starts]
    if workers == 1 or len(spans) == 1:
        for span in spans:
            yield _block(people, *span)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(spans)), _begin, (recipe,)) as pool:
        yield from pool.imap(_work, spans)


def _block(people: RenderedPeople, split: str, start: int, stop: int) -> Block:
    shots = list(people.shots(split, start, stop))
    numbered = list(enumerate(shots, start))
    return Block(
        start=start,
        crops=np.stack([people.crop(shot) for shot in shots]),
        images=[coco_image(shot, number) for number, shot in numbered],
        annotations=[coco_annotation(shot, number) for number, shot in numbered],
    )


# One source for each process of a pool, made when the process begins.
_OWN: list[RenderedPeople] = []


def _begin(recipe: Recipe) -> None:
    torch.set_num_threads(1)
    _OWN[:] = [recipe.people()]


def _work(span: tuple[str, int, int]) -> Block:
    return _block(_OWN[0], *span)

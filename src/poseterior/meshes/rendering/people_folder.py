"""Folders of rendered people: crops, annotations in COCO's format, and what made them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import poseterior
from poseterior.errors import require
from poseterior.meshes.rendering.coco_json import coco_file
from poseterior.meshes.rendering.crops import CROP, PADDING
from poseterior.meshes.rendering.labels import MARGINS, NEAR_TORSOS
from poseterior.meshes.rendering.people import LEAST_AREA, SPLITS, RenderedPeople
from poseterior.meshes.rendering.people_workers import Recipe, blocks

__all__ = ["check_new", "figures_of", "new_folder", "render_people"]

# (split, people done, people in all)
Progress = Callable[[str, int, int], None]
_LARGE = 96.0**2  # px², where COCO's large people begin
_FORMAT = 1


def render_people(
    out: str | os.PathLike[str],
    recipe: Recipe,
    counts: Mapping[str, int],
    frames: int = 0,
    workers: int = 1,
    made: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Render splits into a new folder, which is there when all of it is, or not at all.

    Args:
        out: the folder; its parent exists, it does not.
        recipe: what is rendered.
        counts: people of each of `SPLITS`; a split of 0 is left out.
        frames: so many whole images of each split, as PNG, in `frames_{split}`.
        workers: processes. Their number changes nothing but the time.
        made: more to be told in `render.json`.
        progress: told after each block.

    Returns:
        What `render.json` holds.

    Raises:
        InputError: the folder is there, cannot be made, or there is no renderer.
    """
    people = recipe.people()
    told = _told(people, recipe, counts) | dict(made or {})
    with new_folder(out) as folder:
        for split in SPLITS:
            if counts.get(split, 0):
                found = _split(folder, people, recipe, split, counts[split], workers, progress)
                told["figures"][split] = found
                _frames(folder, people, split, min(frames, counts[split]))
        _write_json(folder / "render.json", told)
    return told


def _split(
    folder: Path, people: RenderedPeople, recipe: Recipe,
    split: str, count: int, workers: int, progress: Progress | None,
) -> dict[str, Any]:  # fmt: skip
    path = folder / f"crops_{split}.npy"
    shape = (count, CROP[1], CROP[0], 3)
    crops = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for block in blocks(people, recipe, split, count, workers):
        stop = block.start + len(block.crops)
        crops[block.start : stop] = block.crops
        images += block.images
        annotations += block.annotations
        if progress is not None:
            progress(split, stop, count)
    crops.flush()
    what = f"rendered people, split {split}, seed {recipe.seed}"
    _write_json(folder / f"annotations_{split}.json", coco_file(images, annotations, what))
    return figures_of(annotations)


def figures_of(annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """Quartiles of the area in px², and shares: of medium and truncated people, of each v."""
    area = np.array([each["area"] for each in annotations])
    v = np.array([each["keypoints"][2::3] for each in annotations])
    return {
        "people": len(annotations),
        "area_quartiles_px2": [round(float(q), 1) for q in np.quantile(area, [0.25, 0.5, 0.75])],
        "medium_share": round(float((area < _LARGE).mean()), 4),
        "truncated_share": round(float(np.mean([each["truncated"] for each in annotations])), 4),
        "v_shares": [round(float((v == value).mean()), 4) for value in (0, 1, 2)],
        "mean_num_keypoints": round(float((v > 0).sum(1).mean()), 3),
    }


def _frames(folder: Path, people: RenderedPeople, split: str, count: int) -> None:
    from PIL import Image

    if count:
        (folder / f"frames_{split}").mkdir()
    for number, shot in enumerate(people.shots(split, 0, count)):
        frame = Image.fromarray(people.studio.frame(shot.scene))
        frame.save(folder / f"frames_{split}" / f"{number + 1:012d}.png")


def _told(people: RenderedPeople, recipe: Recipe, counts: Mapping[str, int]) -> dict[str, Any]:
    packages = ("torch", "numpy", "scipy", "pillow")
    return {
        "what": "poseterior rendered people",
        "format": _FORMAT,
        "seed": recipe.seed,
        "body": recipe.body,
        "renderer": people.studio.caster.name,
        "counts": {split: int(counts.get(split, 0)) for split in SPLITS},
        "poses": {split: len(recipe.rotations[split]) for split in SPLITS},
        "crop": {
            "width": CROP[0], "height": CROP[1], "padding": PADDING,
            "jittered": ["train"],
            "map": "x = x0 + scale u, from the index u of a crop's pixel to px of the image; "
            "pixel i has its centre at i in both",
        },
        "rules": {
            "least_area_px2": LEAST_AREA,
            "margins_m": [round(float(margin), 4) for margin in MARGINS],
            "near_torsos": NEAR_TORSOS,
        },
        "figures": {},
        "versions": {"poseterior": poseterior.__version__, **{p: version(p) for p in packages}},
    }  # fmt: skip


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def check_new(path: str | os.PathLike[str]) -> Path:
    """`InputError` now if `path` is there, or its parent is no folder that can be written to."""
    target = Path(path)
    require(not os.path.lexists(target), target, "", expected="a new folder", found="one there")
    parent = target.absolute().parent
    there = parent.is_dir() and os.access(parent, os.W_OK)
    expected, found = "a folder that can be written to", "none"
    require(there, parent, "", expected=expected, found=found)
    return target


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A hidden temporary folder that becomes `path` when the block ends, else is removed.

    Raises:
        InputError: as `check_new`.
    """
    target = check_new(path)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.absolute().parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""People of annotated photographs as a split of a folder that `PeopleCrops` opens.

One photograph is in memory at a time. Crops are those that detectors trained here cut for
themselves (`CropDetector.locate`) and `poseterior render` draws: the box, 1.25 times as large at
the crop's aspect ratio, black outside the photograph.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

import poseterior
from poseterior.data.coco.people import CocoPeople
from poseterior.data.coco.skeletons import annotated_skeleton
from poseterior.data.images import read_image
from poseterior.data.npz_writer import make_folder, replacing
from poseterior.detectors.crops import PADDING, Grid, cut, person_regions
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import Skeleton

__all__ = ["CROP", "cut_people"]

CROP = (96, 128)  # width, height: those of `poseterior render`
# (photographs done, photographs in all)
Progress = Callable[[int, int], None]


def cut_people(
    people: CocoPeople,
    images: str | os.PathLike[str],
    out: str | os.PathLike[str],
    split: str,
    size: tuple[int, int] = CROP,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Cut people out of their photographs, into a new split of a folder, all of it or nothing.

    Left out are crowds, people without a labelled keypoint, and those without an area or a box.
    Ids are those of the annotations; people of one photograph follow each other.

    Args:
        people: who is where, see `read_annotated`.
        images: the folder that their file names are in.
        out: the folder, made if need be; gets `annotations_SPLIT.json` and `crops_SPLIT.npy`.
        split: such as train.
        size: (width, height) px of the crops.
        progress: told after each photograph.

    Returns:
        What `info` in the annotations says: counts of `people` and `images`, who was left out,
        what was assumed.

    Raises:
        InputError: keypoints of a skeleton that is not known, nobody to cut out, a split that is
            there, a photograph that is missing, damaged or of another size than annotated, a box
            beyond it.
    """
    skeleton = annotated_skeleton(people.names, people.keypoints.shape[1], people.source)
    rows, left_out = _kept(people)
    grid = Grid.tiled(person_regions(_corners(people.box[rows]), size), size)
    about = {
        "description": f"people cut out of photographs, split {split}",
        "annotations": Path(people.source).name,
        "people": len(rows),
        "images": len(np.unique(people.image[rows])),
        "left_out": left_out,
        "crop": {"width": size[0], "height": size[1], "padding": PADDING},
        "assumed": people.notes,
        "poseterior": poseterior.__version__,
    }
    with _new_split(Path(out), split) as (annotations, crops):
        sizes = _write_crops(crops, people, rows, Path(images), grid, size, progress)
        _write_annotations(annotations, people, rows, grid, skeleton, sizes, about)
    return about


def _kept(people: CocoPeople) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Rows of those who are cut out, photograph by photograph, and how many are not, by reason."""
    unlabelled = people.ignored | ~people.labelled.any(1)
    unsized = (people.area <= 0) | (people.box[:, 2:] <= 0).any(1)
    reasons = {
        "crowds": people.crowd,
        "without_keypoints": unlabelled & ~people.crowd,
        "without_size": unsized & ~unlabelled & ~people.crowd,
    }
    rows = np.flatnonzero(~(people.crowd | unlabelled | unsized))
    told = {reason: int(some.sum()) for reason, some in reasons.items()}
    expected = "people with labelled keypoints, an area and a box"
    require(len(rows) > 0, people.source, "annotations", expected=expected, found=f"none: {told}")
    return rows[np.argsort(people.image[rows], kind="stable")], told


def _corners(boxes: NDArray[np.float64]) -> torch.Tensor:
    """(N, 4) x1, y1, x2, y2 of x, y, width, height."""
    return torch.from_numpy(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1))


@contextmanager
def _new_split(out: Path, split: str) -> Iterator[tuple[Path, Path]]:
    """Temporary paths of annotations and crops, which get their names when the block ends."""
    names = f"annotations_{split}.json", f"crops_{split}.npy"
    for name in names:
        new = not os.path.lexists(out / name)
        require(new, out / name, "", expected="a split that is not there yet", found="a file")
    make_folder(out)
    try:
        with ExitStack() as stack:
            annotations, crops = (stack.enter_context(replacing(out / name)) for name in names)
            yield annotations, crops
    except OSError as error:
        expected, found = "a folder that can be written to", error.strerror or error
        raise InputError(out, "", expected=expected, found=found) from error
    finally:
        with suppress(OSError):  # a folder that was made for nothing goes again
            out.rmdir()


def _write_crops(
    path: Path, people: CocoPeople, rows: NDArray[np.int64], images: Path,
    grid: Grid, size: tuple[int, int], progress: Progress | None,
) -> dict[int, tuple[int, int]]:  # fmt: skip
    """Write the crops; {image id: its (width, height)}."""
    sizes: dict[int, tuple[int, int]] = {}
    image_ids, starts = np.unique(people.image_ids[people.image[rows]], return_index=True)
    shape = (len(rows), size[1], size[0], 3)
    with path.open("wb") as stream:
        header = {"descr": npy.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False}
        npy.write_array_header_1_0(stream, {**header, "shape": shape})
        for done, image_id in enumerate(image_ids.tolist()):
            pixels = _photograph(people, image_id, images)
            sizes[image_id] = pixels.shape[1], pixels.shape[0]
            stop = starts[done + 1] if done + 1 < len(starts) else len(rows)
            for place in range(starts[done], stop):
                _check_box(people, rows[place], sizes[image_id])
                stream.write(np.ascontiguousarray(cut(pixels, grid, place, size)).data)
            if progress is not None:
                progress(done + 1, len(image_ids))
    return sizes


def _photograph(people: CocoPeople, image_id: int, images: Path) -> NDArray[np.uint8]:
    """Its pixels, upright, of the size that the annotations say."""
    name = people.image_names.get(image_id)
    if name is None:
        where = f"images: id {image_id}: file_name"
        raise InputError(people.source, where, expected="a file's name", found="nothing")
    pixels = read_image(images / name).pixels
    found = pixels.shape[1], pixels.shape[0]
    width, height = people.image_sizes.get(image_id, found)
    expected = f"{width} x {height} px, width and height of image {image_id} in {people.source}"
    told = f"{found[0]} x {found[1]} px"
    require(found == (width, height), images / name, "size", expected=expected, found=told)
    return pixels


def _check_box(people: CocoPeople, row: int, size: tuple[int, int]) -> None:
    """`InputError` for a box that shows nothing of its photograph."""
    x, y, width, height = people.box[row].tolist()
    inside = x < size[0] and y < size[1] and x + width > 0 and y + height > 0
    where = f"annotation with id {people.ids[row]}: bbox"
    expected = f"one that overlaps the image of {size[0]} x {size[1]} px"
    require(inside, people.source, where, expected=expected, found=people.box[row].tolist())


def _write_annotations(
    path: Path, people: CocoPeople, rows: NDArray[np.int64], grid: Grid, skeleton: Skeleton,
    sizes: dict[int, tuple[int, int]], about: dict[str, Any],
) -> None:  # fmt: skip
    """COCO's format, person by person."""
    category = {
        "id": 1, "name": "person", "supercategory": "person", "keypoints": skeleton.joints,
        "skeleton": [[parent + 1, joint + 1] for parent, joint in skeleton.edges],
    }  # fmt: skip
    images = [
        {"id": number, "file_name": people.image_names[number], "width": width, "height": height}
        for number, (width, height) in sizes.items()
    ]
    crop = torch.cat([grid.origin, grid.step[:, :1]], 1).tolist()
    with path.open("w", encoding="utf-8") as out:
        head = json.dumps({"info": about, "categories": [category], "images": images})
        out.write(head.removesuffix("}") + ', "annotations": [')
        for place, row in enumerate(rows):
            out.write(",\n" if place else "\n")
            out.write(json.dumps(_annotation(people, int(row)) | {"crop": crop[place]}))
        out.write("\n]}\n")


def _annotation(people: CocoPeople, row: int) -> dict[str, Any]:
    triples = [[x, y, int(v)] for x, y, v in people.keypoints[row].tolist()]
    return {
        "id": int(people.ids[row]),
        "image_id": int(people.image_ids[people.image[row]]),
        "category_id": 1,
        "keypoints": [number for triple in triples for number in triple],
        "num_keypoints": int(people.labelled[row].sum()),
        "area": float(people.area[row]),
        "bbox": people.box[row].tolist(),
        "iscrowd": 0,
    }

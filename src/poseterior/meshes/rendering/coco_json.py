"""Labels as COCO's `person_keypoints` files have them."""

from __future__ import annotations

from typing import Any

from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.rendering.people import Shot

__all__ = ["coco_annotation", "coco_file", "coco_image"]

_LIMBS = (
    ("ankle", "knee"), ("knee", "hip"), ("hip", "shoulder"), ("shoulder", "elbow"),
    ("elbow", "wrist"), ("eye", "ear"), ("ear", "shoulder"),
)  # fmt: skip
_ACROSS = (
    ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_eye", "right_eye"),
    ("nose", "left_eye"), ("nose", "right_eye"),
)  # fmt: skip


def coco_annotation(shot: Shot, number: int) -> dict[str, Any]:
    """The annotation of a shot, whose crop is row `number` of its split.

    Beyond COCO's own fields: `crop` [x0, y0, scale], by which x = x0 + scale u from the index u
    of the crop's pixels to px of the image; and `truncated`.
    """
    labels, window = shot.labels, shot.window
    points = labels.keypoints
    triples = [[round(x, 2), round(y, 2), int(v)] for x, y, v in points.tolist()]
    return {
        "id": number + 1,
        "image_id": number + 1,
        "category_id": 1,
        "keypoints": [value for triple in triples for value in triple],
        "num_keypoints": int((points[:, 2] > 0).sum()),
        "area": round(labels.area, 2),
        "bbox": [round(value, 2) for value in labels.box.tolist()],
        "iscrowd": 0,
        "crop": [round(value, 6) for value in (window.left, window.top, window.step)],
        "truncated": labels.truncated,
    }


def coco_image(shot: Shot, number: int) -> dict[str, Any]:
    """The image of a shot; its file is only there if it was asked for."""
    width, height = shot.scene.size
    return {
        "id": number + 1,
        "width": width,
        "height": height,
        "file_name": f"{number + 1:012d}.png",
    }


def coco_file(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], what: str
) -> dict[str, Any]:
    """The whole file of a split."""
    index = COCO_17.index
    limbs = [
        [index(f"{side}_{a}") + 1, index(f"{side}_{b}") + 1]
        for a, b in _LIMBS for side in ("left", "right")
    ]  # fmt: skip
    return {
        "info": {"description": what},
        "images": images,
        "annotations": annotations,
        "categories": [{
            "id": 1, "name": "person", "supercategory": "person",
            "keypoints": list(COCO_17.joints),
            "skeleton": limbs + [[index(a) + 1, index(b) + 1] for a, b in _ACROSS],
        }],
    }  # fmt: skip

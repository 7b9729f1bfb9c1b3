"""A person's keypoints with the hypotheses as the camera would see them, as a still `<svg>`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.batch.mesh_people import BodyPerson
from poseterior.keypoints import Keypoints
from poseterior.meshes.body import Body
from poseterior.meshes.parameters import BodyParameters
from poseterior.report.scene import ellipses

__all__ = ["mesh_image", "projected"]

Array = NDArray[Any]
_HYPOTHESES = 50
_NEAREST_M = 0.05


@torch.no_grad()
def projected(bodies: BodyParameters, body: Body, keypoints: Keypoints) -> Array:
    """(n, J, 2) px, the joints of bodies (n,) in camera axes; NaN for those behind the camera.

    Empty where the camera is unknown.
    """
    if keypoints.intrinsics is None:
        return np.zeros((0, len(keypoints.skeleton), 2))
    joints = body.landmarks_of(bodies, keypoints.skeleton).double()
    image = joints @ keypoints.intrinsics[0].double().mT
    depth = image[..., 2:]
    pixels = torch.where(depth > _NEAREST_M, image[..., :2] / depth, torch.nan)
    return pixels.numpy()


def mesh_image(person: BodyPerson, body: Body, keypoints: Keypoints) -> str:
    """Bones of up to 50 hypotheses, the likeliest, and of each representative; keypoints; ellipses.

    Args:
        person: with bodies in the axes of the keypoints' camera.
        body: theirs.
        keypoints: (1,), of the lifter's skeleton.
    """
    bones = [(p, j) for j, p in enumerate(keypoints.skeleton.parents) if p >= 0]
    likely = person.weights.argsort(descending=True, stable=True)[:_HYPOTHESES]
    some = projected(person.bodies[likely], body, keypoints)
    few = projected(person.representatives, body, keypoints)
    seen, pixels = keypoints.valid[0].numpy(), keypoints.pixels[0].double().numpy()
    box = _box([pixels[seen], *few])
    side = max(box[2:])
    parts = [f'<path d="{_strokes(some, bones)}" class="hypotheses2"/>']
    if keypoints.covariance is not None:
        parts += _ellipses(keypoints.covariance[0].double().numpy(), pixels, seen)
    parts += (
        f'<path d="{_strokes([pose], bones)}" class="mean2" data-representative="{n}"/>'
        for n, pose in enumerate(few)
    )
    parts += _dots(pixels, seen, keypoints.skeleton.joints, 0.009 * side)
    where = " ".join(f"{number:.1f}" for number in box)
    label = escape(f"2D keypoints of {person.name}")
    return f'<svg viewBox="{where}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _box(shown: list[Array]) -> tuple[float, float, float, float]:
    """Left, top, width and height of finite points, with a margin."""
    points = np.concatenate(shown)
    points = points[np.isfinite(points).all(-1)]
    low, high = points.min(0), points.max(0)
    margin = 0.1 * max(float((high - low).max()), 1.0)
    left, top = (low - margin).tolist()
    width, height = (high - low + 2 * margin).tolist()
    return left, top, width, height


def _strokes(poses: Iterable[Array], bones: Iterable[tuple[int, int]]) -> str:
    return "".join(
        f"M{pose[a, 0]:.1f} {pose[a, 1]:.1f}L{pose[b, 0]:.1f} {pose[b, 1]:.1f}"
        for pose in poses
        for a, b in bones
        if np.isfinite(pose[[a, b]]).all()
    )


def _ellipses(covariance: Array, pixels: Array, seen: Array) -> list[str]:
    return [
        f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{s[0]:g}" ry="{s[1]:g}" class="region2" '
        f'transform="rotate({s[2]:g} {x:.1f} {y:.1f})"/>'
        for (x, y), s in zip(pixels, ellipses(covariance, seen), strict=True)
        if s
    ]


def _dots(pixels: Array, seen: Array, joints: Iterable[str], radius: float) -> list[str]:
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.2f}" class="joint2">'
        f"<title>{escape(joint.replace('_', ' '))}: {x:.0f}, {y:.0f} px</title></circle>"
        for (x, y), known, joint in zip(pixels, seen, joints, strict=True)
        if known
    ]

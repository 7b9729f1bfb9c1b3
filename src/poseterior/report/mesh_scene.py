"""The meshes of a page as the numbers that its 3D scene draws, in few bytes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.batch.mesh_meshes import spread_limits
from poseterior.batch.mesh_people import BodyPerson
from poseterior.meshes.body import Body
from poseterior.report.mesh_words import percentages
from poseterior.report.scene import to_plot

__all__ = ["STEP_M", "mesh_scene", "packed"]

STEP_M = 1e-4  # of coordinates and spreads, which are stored in 16 bit
_MARGIN_M = 0.05


def packed(values: NDArray[Any], kind: str) -> str:
    """Little-endian numbers of a NumPy kind such as '<i2', clipped to what it holds, in base64."""
    limits = np.iinfo(np.dtype(kind))
    whole = np.rint(values).clip(limits.min, limits.max).astype(kind)
    return base64.b64encode(np.ascontiguousarray(whole).tobytes()).decode("ascii")


@torch.no_grad()
def mesh_scene(people: Sequence[BodyPerson], body: Body) -> dict[str, Any]:
    """Everything that the page's script draws, as JSON values.

    Vertices are those of each representative relative to its root joint, in upright plot axes
    and steps of 0.1 mm; spreads are those of the person's vertices, in the same steps.
    """
    meshes = [_about_root(person, body) for person in people]
    corners = np.concatenate([mesh.reshape(-1, 3) for mesh in meshes])
    low, high = corners.min(0) - _MARGIN_M, corners.max(0) + _MARGIN_M
    many = corners.shape[0] and meshes[0].shape[1] > 2**16
    return {
        "faces": packed(body.faces.cpu().numpy(), "<u4" if many else "<u2"),
        "wide": bool(many),
        "step": STEP_M,
        "limit": 1000 * spread_limits(people)[1],
        "ranges": np.stack([low, high], -1).round(3).tolist(),
        "people": [
            {
                "name": person.name,
                "shares": percentages(person.shares.tolist()),
                "spread": packed(person.spread.numpy() / STEP_M, "<u2"),
                "meshes": [packed(each / STEP_M, "<i2") for each in mesh],
            }
            for person, mesh in zip(people, meshes, strict=True)
        ],
    }


def _about_root(person: BodyPerson, body: Body) -> NDArray[Any]:
    """(n, V, 3) metres in plot axes."""
    points = body.vertices(person.representatives)
    root = body.joints(person.representatives)[..., :1, :]
    return to_plot((points - root).double().numpy())

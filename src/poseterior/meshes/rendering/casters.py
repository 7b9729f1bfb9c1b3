"""The renderer that this machine can use."""

from __future__ import annotations

import numpy as np

from poseterior.errors import InputError, known
from poseterior.meshes.rendering.gl_caster import GLCaster
from poseterior.meshes.rendering.hits import Caster
from poseterior.meshes.rendering.warp_caster import WarpCaster

__all__ = ["CASTERS", "open_caster"]

CASTERS = ("auto", "gl", "warp")


def open_caster(faces: np.ndarray, name: str = "auto") -> Caster:
    """OpenGL if there is any, else rays; or the one that is named.

    Args:
        faces: (F, 3) of the bodies that will be seen.
        name: one of `CASTERS`.

    Raises:
        InputError: what is asked for is not there; of 'auto', neither is.
    """
    known("renderer", name, CASTERS)
    if name == "warp":
        return WarpCaster(faces)
    try:
        return GLCaster(faces)
    except InputError as without_gl:
        if name == "gl":
            raise
        try:
            return WarpCaster(faces)
        except InputError:
            raise without_gl from None

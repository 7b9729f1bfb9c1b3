"""Every lifter that can be trained, saved and opened by name: over poses and over bodies."""

from __future__ import annotations

from poseterior.lifters import LIFTERS
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.posterior import Lifter

__all__ = ["KNOWN_LIFTERS"]

KNOWN_LIFTERS: dict[str, type[Lifter]] = LIFTERS | MESH_LIFTERS

"""Anny as its own package has it, the extra `[mesh]`: a model with all bones, and its caches.

Its topologies `smpl` and `smplx` download data for non-commercial use; none is opened here.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from poseterior.errors import InputError

__all__ = ["TOPOLOGIES", "coco_regressor", "open_anny"]

# By our names; the package's other topologies are not offered.
TOPOLOGIES = {"light": "notoes_collapse10pc", "default": "anny"}


def open_anny(topology: str) -> Any:
    """`anny.Anny` of one of `TOPOLOGIES`, float64, in whose package-own axes all of it is.

    The package parses its data once, in up to a minute, and keeps the result: in
    `ANNY_CACHE_DIR` if that is set, else in `poseterior/anny` of the user's cache folder
    (`XDG_CACHE_HOME`, `~/.cache`). `WARP_CACHE_PATH` likewise holds compiled kernels.

    Raises:
        InputError: the extra is not installed.
    """
    anny = _import_anny()
    models, kernels = _folder("ANNY_CACHE_DIR", "anny"), _folder("WARP_CACHE_PATH", "warp")
    with _models_in(anny, models), _kernels_in(kernels):
        return anny.Anny(topology=TOPOLOGIES[topology], skinning_method="lbs")


def coco_regressor(model: Any, joints: Iterable[str]) -> Tensor:
    """(J, V) weights of the vertices of the `default` topology in joints of COCO."""
    anny = importlib.import_module("anny")
    return anny.KeypointsRegressor.coco(model, labels=list(joints)).regression_weights


def _import_anny() -> ModuleType:
    try:
        return importlib.import_module("anny")
    except ImportError as error:
        raise InputError(
            "anny", error.name or "anny",
            expected="the extra: pip install 'poseterior[mesh]'", found="not installed",
        ) from error  # fmt: skip


def _folder(variable: str, name: str) -> Path:
    """The folder that the user's environment names, or one of ours."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poseterior" / name
    return Path(os.environ.get(variable) or own)


@contextmanager
def _kernels_in(folder: Path) -> Iterator[None]:
    """Warp's cache, which it reads from the environment when it starts."""
    name = "WARP_CACHE_PATH"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _models_in(anny: ModuleType, folder: Path) -> Iterator[None]:
    """The package's cache folder, which it reads from the environment once, on import."""
    before = anny.paths.get_anny_cache_path()
    anny.paths.set_anny_cache_path(folder)
    try:
        yield
    finally:
        anny.paths.set_anny_cache_path(before)

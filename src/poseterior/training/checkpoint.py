"""A model on disk: a folder with `model.safetensors` and `config.json`, no pickle anywhere.

Shipped weights and the folder of a training run are the same thing; a run holds besides what
`poseterior.training.state` keeps to go on. Every file appears whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

import poseterior
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import get_skeleton
from poseterior.posterior import Lifter
from poseterior.training.config_json import config_from_json, config_to_json

__all__ = [
    "CONFIG_FILE",
    "MODEL_FILE",
    "config_from_json",
    "config_to_json",
    "load_lifter",
    "load_weights",
    "make_folder",
    "read_config",
    "read_json",
    "read_tensors",
    "replace_file",
    "save_model",
    "write_json",
    "write_tensors",
]

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
FORMAT = 1
_FIELDS = ("format", "lifter", "config", "skeleton", "version", "provenance")


def save_model(
    lifter: Lifter,
    folder: str | Path,
    half: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a lifter's weights and config into `folder`, made if need be.

    `half` stores floating tensors as float16 (relative error 5e-4), except those that would
    overflow. `provenance` is any JSON object: data, seed, steps, versions. A kill at any
    instant leaves the old model, no model, or the new one; never one's weights with the
    other's config.
    """
    folder = Path(folder)
    make_folder(folder)
    description = {
        "format": FORMAT,
        "lifter": lifter.name,
        "config": config_to_json(lifter.config),
        "skeleton": lifter.skeleton.name,
        "version": poseterior.__version__,
        "provenance": dict(provenance or {}),
    }
    if not _describes(folder / CONFIG_FILE, description):
        (folder / MODEL_FILE).unlink(missing_ok=True)
    write_json(folder / CONFIG_FILE, description)
    weights = lifter.state_dict()
    write_tensors(
        folder / MODEL_FILE, {k: _halved(v) for k, v in weights.items()} if half else weights
    )


def load_lifter(folder: str | Path, lifters: Mapping[str, type[Lifter]]) -> Lifter:
    """The lifter saved in `folder`, in eval mode on the CPU; `lifters` maps names to classes.

    A lifter is built as `cls(config=config, skeleton=skeleton)`. `InputError` where the folder
    is no checkpoint, its lifter is not in `lifters`, a config field is unknown, missing or of a
    wrong type, a tensor is missing, unexpected or of a wrong shape, or a file is truncated.
    """
    folder = Path(folder)
    require(folder.is_dir(), folder, "", expected="a checkpoint folder", found=_what(folder))
    path = folder / CONFIG_FILE
    described = read_config(folder)
    require(
        described["format"] == FORMAT,
        path, "format", expected=FORMAT, found=repr(described["format"]),
    )  # fmt: skip
    name = described["lifter"]
    known = isinstance(name, str) and name in lifters
    require(known, path, "lifter", expected=f"one of {sorted(lifters)}", found=repr(name))
    cls = lifters[name]
    config: Any = config_from_json(cls.Config, described["config"], path)
    skeleton = get_skeleton(described["skeleton"], path)
    try:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn, then overwritten
            lifter = cls(config=config, skeleton=skeleton)
    except InputError:  # a file that the config names
        raise
    except (RuntimeError, ValueError) as error:  # sizes below zero or beyond the memory
        raise InputError(path, "config", expected="sizes that can be", found=error) from error
    load_weights(lifter, read_tensors(folder / MODEL_FILE), folder / MODEL_FILE)
    return lifter.eval()


def read_config(folder: str | Path) -> dict[str, Any]:
    """What `config.json` of a checkpoint says, its `provenance` too; `InputError` if it is none."""
    return read_json(Path(folder) / CONFIG_FILE, _FIELDS)


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], source: object) -> None:
    """Copy `weights` into a module's parameters and buffers, all of them and no others.

    Floating tensors take the module's dtype. `InputError` on a missing or unexpected name, a
    wrong shape or kind of number; the module is then unchanged.
    """
    own = module.state_dict()
    missing, extra = sorted(set(own) - set(weights)), sorted(set(weights) - set(own))
    require(not missing, source, "tensors", expected=f"{len(own)} names", found=f"no {missing}")
    require(not extra, source, "tensors", expected=f"{len(own)} names", found=f"unknown {extra}")
    for name, tensor in own.items():
        expected, found = (_kind(t) for t in (tensor, weights[name]))
        require(expected == found, source, name, expected=expected, found=found)
    module.load_state_dict(weights)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; `InputError` if it is absent, truncated or foreign."""
    require(path.is_file(), path, "", expected="a safetensors file", found=_what(path))
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(path, "", expected="a whole safetensors file", found=error) from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, whole or not at all."""
    # Cloned: tied parameters share storage, which the format does not allow.
    own = {k: v.detach().cpu().clone(memory_format=torch.contiguous_format)
           for k, v in tensors.items()}  # fmt: skip
    # Not `save_file`, which makes files that only their owner may read.
    replace_file(path, lambda temporary: temporary.write_bytes(save(own)))


def read_json(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """A JSON object with exactly these fields; `InputError` if it is anything else."""
    require(path.is_file(), path, "", expected="a JSON file of a checkpoint", found=_what(path))
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "", expected="a JSON object", found=error) from error
    ok = isinstance(data, dict) and set(data) == set(names)
    found = sorted(data) if isinstance(data, dict) else type(data).__name__
    require(ok, path, "", expected=f"an object with {sorted(names)}", found=found)
    return data


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON object, whole or not at all; NaN and infinities are refused (ValueError)."""
    text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def make_folder(folder: Path) -> None:
    """Make the folder and those above it; `InputError` where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, "", expected="a folder to write to", found=error) from error


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place of `path`.

    `InputError` where that cannot be done; `path` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(path, "", expected="a file to write", found=error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _describes(path: Path, description: Mapping[str, Any]) -> bool:
    """Whether the config file there is for weights of the same lifter and config."""
    try:
        found = read_config(path.parent)
    except InputError:
        return False
    return all(found[key] == description[key] for key in ("lifter", "config", "skeleton"))


def _halved(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return half if torch.equal(half.isfinite(), tensor.isfinite()) else tensor


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {'float' if tensor.is_floating_point() else tensor.dtype}"


def _what(path: Path) -> str:
    return ("a folder" if path.is_dir() else "a file") if path.exists() else "nothing there"

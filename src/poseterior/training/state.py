"""The state of a training on disk, saved as one: a kill at any instant leaves a whole one.

`training-STEP.safetensors` holds the tensors (weights, their average, the optimisers' state);
`training.json` names that file and holds the numbers. It is replaced last, so it always points
to a complete file; only then older files go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.training.checkpoint import read_json, read_tensors, write_json, write_tensors

__all__ = [
    "STATE_FILE",
    "Progress",
    "flatten_optimiser",
    "read_state",
    "restore_optimiser",
    "section",
    "write_state",
]

STATE_FILE = "training.json"
_FIELDS = ("lifter", "tensors", "step", "seconds", "sums", "count", "validation", "fit")


@dataclass
class Progress:
    """The numbers of a training's state.

    Attributes:
        step: updates done.
        seconds: wall time they took.
        sums, count: what the next line of the log averages.
        validation: the numbers of the last validation.
    """

    step: int = 0
    seconds: float = 0.0
    sums: dict[str, float] | None = None
    count: int = 0
    validation: dict[str, Any] | None = None


def write_state(
    folder: Path, lifter: str, progress: Progress, fit: Mapping[str, Any], **parts: Any
) -> None:
    """Save the progress, the config as JSON and the named mappings of tensors `parts`."""
    tensors = {f"{part}/{name}": t for part, named in parts.items() for name, t in named.items()}
    path = folder / f"training-{progress.step:09d}.safetensors"
    write_tensors(path, tensors)
    numbers = {**vars(progress), "lifter": lifter, "tensors": path.name, "fit": dict(fit)}
    write_json(folder / STATE_FILE, numbers)
    for pattern in ("training-*.safetensors", ".training-*.partial"):
        for old in folder.glob(pattern):
            if old != path:
                old.unlink(missing_ok=True)


def read_state(folder: Path, lifter: str) -> tuple[Progress, dict[str, Any], dict[str, Tensor]]:
    """Progress, config as JSON and tensors `part/name` of a run of that lifter.

    `InputError` where there is none, it is another lifter's, or a file is not whole.
    """
    path = folder / STATE_FILE
    require(path.is_file(), folder, "", expected="a run to resume", found=f"no {STATE_FILE}")
    data = read_json(path, _FIELDS)
    found = data["lifter"]
    require(found == lifter, path, "lifter", expected=repr(lifter), found=repr(found))
    name = data["tensors"]
    plain = isinstance(name, str) and Path(name).name == name
    require(plain, path, "tensors", expected="a file name", found=repr(name))
    _require_numbers(data, path)
    numbers = {key: data[key] for key in vars(Progress())}
    return Progress(**numbers), data["fit"], read_tensors(folder / name)


def section(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors `part/name`, by name."""
    start = f"{part}/"
    return {k.removeprefix(start): t for k, t in tensors.items() if k.startswith(start)}


def flatten_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as tensors `index/key`; its settings come from the config."""
    state = optimiser.state_dict()["state"]
    return {f"{i}/{key}": t for i, values in state.items() for key, t in values.items()}


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], source: object
) -> None:
    """The inverse of `flatten_optimiser`; `InputError` if the tensors are another model's."""
    shapes = [p.shape for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition("/")
        known = index.isdecimal() and int(index) < len(shapes)
        require(known, source, name, expected=f"one of {len(shapes)} parameters", found=index)
        shape = tensor.shape if key == "step" else shapes[int(index)]
        require(
            tensor.shape == shape, source, name, expected=tuple(shape), found=tuple(tensor.shape)
        )
        state.setdefault(int(index), {})[key] = tensor
    _require_whole(state.values(), source)
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _require_whole(states: Iterable[Mapping[str, Tensor]], source: object) -> None:
    adam = {"step", "exp_avg", "exp_avg_sq"}
    for keys in states:
        require(set(keys) == adam, source, "optimiser", expected=sorted(adam), found=sorted(keys))


def _require_numbers(data: Mapping[str, Any], path: Path) -> None:
    for name in ("step", "count"):
        ok = type(data[name]) is int and data[name] >= 0
        require(ok, path, name, expected="a whole number", found=repr(data[name]))
    for name in ("sums", "validation", "fit"):
        ok = isinstance(data[name], dict) or (data[name] is None and name != "fit")
        require(ok, path, name, expected="an object", found=repr(data[name]))
    numbers = {"seconds": data["seconds"], **(data["sums"] or {})}
    for name, number in numbers.items():
        ok = type(number) in (int, float)
        require(ok, path, name, expected="a number", found=repr(number))

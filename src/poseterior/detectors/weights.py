"""Models that others trained, from a folder or from the user's cache: never downloaded here.

A folder in the format of `transformers`: `config.json`, `preprocessor_config.json` and weights as
safetensors. Weights as a pickle are refused: opening one runs the code in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from poseterior.errors import InputError, require

__all__ = ["as_device", "load_model", "model_folder"]

_CONFIG, _PROCESSOR = "config.json", "preprocessor_config.json"
_WHOLE, _SHARDS = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")


def as_device(name: str | torch.device) -> torch.device:
    """A device of this machine; `InputError` for one that it does not have."""
    expected = "cpu, or an accelerator that PyTorch finds here, such as cuda"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = f"{name}: {str(error).splitlines()[0]}"
        raise InputError("device", "", expected=expected, found=found) from error
    require(device.type != "meta", "device", "", expected=expected, found=name)
    return device


def model_folder(source: str | os.PathLike[str], architecture: str) -> Path:
    """The folder of a model: `source` itself, or that repository in the user's cache.

    Args:
        source: a folder, or a repository of the Hugging Face hub, "owner/name".
        architecture: the `model_type` that the model's configuration must name.

    Raises:
        InputError: neither of these, with the command that fetches it; a folder that lacks a
            file; another architecture; weights that are only there as a pickle.
    """
    folder = Path(source) if Path(source).is_dir() else _cached(str(source))
    found = _json_object(folder / _CONFIG).get("model_type")
    require(
        found == architecture, folder / _CONFIG, "model_type", expected=architecture, found=found
    )
    require(
        (folder / _PROCESSOR).is_file(), folder, _PROCESSOR,
        expected="the file beside the weights, how images are prepared", found="nothing",
    )  # fmt: skip
    _require_safetensors(folder)
    return folder


def _require_safetensors(folder: Path) -> None:
    whole, index = (folder / name for name in (_WHOLE, _SHARDS))
    if whole.is_file():
        return
    if index.is_file():
        shards = _json_object(index).get("weight_map")
        names = shards.values() if isinstance(shards, dict) else ["no weight_map"]
        other = [name for name in names if not str(name).endswith(".safetensors")]
        require(not other, index, "weight_map", expected="files .safetensors", found=other[:1])
        return
    pickles = [path.name for kind in _PICKLES for path in sorted(folder.glob(kind))]
    found = f"{', '.join(pickles)}, which may run code and is not opened" if pickles else "nothing"
    raise InputError(folder, _WHOLE, expected="weights as safetensors", found=found)


def _cached(repository: str) -> Path:
    """The repository's snapshot in the Hugging Face cache, without asking the network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, _CONFIG)
    except HFValidationError:
        raise InputError(
            "model", "", expected="a folder, or a repository OWNER/NAME", found=repository
        ) from None
    if not isinstance(found, str):
        name = repository.rsplit("/", maxsplit=1)[-1]
        raise InputError(
            repository, "",
            expected=f"a folder, or a repository in the cache; fetch it: hf download {repository} "
            f"(with --local-dir {name} into a folder, to be named instead)",
            found="neither",
        )  # fmt: skip
    return Path(found).parent


def _json_object(path: Path) -> dict[str, Any]:
    require(
        path.is_file(), path.parent, path.name, expected="a model's folder", found="no such file"
    )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, "", expected="JSON", found=error) from error
    require(
        isinstance(config, dict), path, "", expected="a JSON object", found=type(config).__name__
    )
    return config


def load_model(kind: Any, processor: Any, folder: Path) -> tuple[Any, Any]:
    """A model class of transformers and its image processor from a folder, in eval mode, float32.

    Raises:
        InputError: damaged files, and weights that are missing or of another shape: the library
            would have drawn those at random.
    """
    with _quiet():
        try:
            prepare = processor.from_pretrained(folder, local_files_only=True)
            model, report = kind.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32,
                output_loading_info=True, ignore_mismatched_sizes=True,
            )  # fmt: skip
        except _unusable() as error:
            found = " ".join(str(error).split()) or type(error).__name__
            raise InputError(folder, "", expected=f"a {kind.__name__}", found=found) from error
    drawn = [*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])]
    require(
        not drawn, folder, "weights", expected=f"all of {kind.__name__}",
        found=f"{len(drawn)} missing or of another shape, such as {min(drawn, default='')}",
    )  # fmt: skip
    return model.eval().requires_grad_(False), prepare


def _unusable() -> tuple[type[Exception], ...]:
    """What transformers raises for folders that are damaged or contradict themselves."""
    from huggingface_hub.errors import StrictDataclassError

    builtin = (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError)
    return (*builtin, SafetensorError, StrictDataclassError)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers: no progress bars, no warnings; as before afterwards."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

"""ONNX files by onnxruntime: opened with errors that name the file, run on the CPU or a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from poseterior.detectors.extra import import_extra
from poseterior.errors import InputError, require

__all__ = ["open_onnx"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def open_onnx(path: Path, device: str | torch.device = "cpu") -> Any:
    """An `onnxruntime.InferenceSession` of a file.

    Raises:
        InputError: onnxruntime is not installed (with the command that installs it), the file
            is not there or no ONNX model, or the installed onnxruntime lacks the device.
    """
    onnxruntime = import_extra("onnxruntime")
    provider, given = _provider(str(device), onnxruntime.get_available_providers())
    require(path.is_file(), path, "", expected="an ONNX file", found="no such file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[(provider, given)])
    except Exception as error:
        # Its errors have no class in common but this one.
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        found = " ".join(str(error).split())
        raise InputError(path, "", expected="an ONNX model", found=found) from error
    # Where a GPU cannot be used after all, it falls back to the CPU, and logs that at most.
    used = session.get_providers()
    require(provider in used, "device", "", expected=f"{device} to work", found=", ".join(used))
    return session


def _provider(device: str, available: list[str]) -> tuple[str, dict[str, str]]:
    kind, _, index = device.partition(":")
    name = _PROVIDERS.get(kind, "")
    here = [kind for kind, provider in _PROVIDERS.items() if provider in available]
    expected = f"{' or '.join(here)}, which the installed onnxruntime has"
    require(
        name in available and (index or "0").isdecimal(), "device", "", expected=expected,
        found=device,
    )  # fmt: skip
    return name, {"device_id": index or "0"} if kind == "cuda" else {}

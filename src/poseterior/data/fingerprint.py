"""Few digits that tell tensors, or a file, from others: what a result was made with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["file_fingerprint", "tensors_fingerprint"]


def file_fingerprint(path: str | os.PathLike[str]) -> str:
    """16 hexadecimal digits of a file's content; `OSError` where it cannot be read."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def tensors_fingerprint(tensors: Mapping[str, Tensor], *settings: object) -> str:
    """16 hexadecimal digits that change with any number, name, shape or kind of tensors.

    Args:
        tensors: such as a `state_dict`; their order and device do not matter.
        settings: what else it changes with, by its `repr`.

    >>> tensors_fingerprint({"weight": torch.zeros(2)})
    '1937865645fb57e7'
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        flat: Any = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        digest.update(flat)
    for setting in settings:
        digest.update(repr(setting).encode())
    return digest.hexdigest()[:16]

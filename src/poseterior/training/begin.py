"""How a run begins: first weights from a seed, and what a folder already holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.training.checkpoint import MODEL_FILE
from poseterior.training.state import STATE_FILE

__all__ = ["begun", "new_lifter", "occupied"]


def begun(folder: Path) -> bool:
    """Whether there is a run to resume."""
    return (folder / STATE_FILE).exists()


def occupied(folder: Path) -> bool:
    """Whether a new run would write over one, or over weights."""
    return begun(folder) or (folder / MODEL_FILE).exists()


def new_lifter(cls: Any, config: Any, seed: int, skeleton: Skeleton = H36M_17) -> Any:
    """A lifter whose first weights come from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return cls(config, skeleton)

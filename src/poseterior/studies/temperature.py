"""The temperature of a flow's latent, chosen once and kept in the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from poseterior.batch.temperature import choose_temperature
from poseterior.data.keypoint_source import KeypointSource
from poseterior.training.checkpoint import read_json, write_json

__all__ = ["kept_temperature"]

_FILE = "temperature.json"


def kept_temperature(lifter: Any, source: KeypointSource, folder: Path) -> float:
    """The temperature kept in a run's folder, chosen now where there is none; it is set."""
    path = folder / _FILE
    if path.exists():
        temperature = float(read_json(path, ("temperature",))["temperature"])
        lifter.temperature.fill_(temperature)
        return temperature
    temperature = choose_temperature(lifter, source)
    write_json(path, {"temperature": temperature})
    return temperature

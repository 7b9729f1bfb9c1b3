"""`mesh_samples`: the least error of n bodies: drawn, quantised, anybody's (paper 002, Fig. 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from poseterior.meshes.mesh_posterior import MeshPosterior
from poseterior.meshes.parameters import BodyParameters
from poseterior.studies.mesh_data import mesh_data
from poseterior.studies.mesh_scored import CALIBRATION, Chosen
from poseterior.studies.mesh_table import DRAWN, body_rows, quantised_draws
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["MESH_SAMPLES"]

_COUNTS = {"small": (1, 5, 25, 100, 400), "paper": (1, 5, 10, 25, 100, 400, 1600, 4096)}


def _draws(workshop: Workshop) -> Chosen:
    return lambda posterior, count, generator: posterior.sample_parameters((count,), generator)


def _quantised(workshop: Workshop) -> Chosen:
    return quantised_draws(DRAWN[workshop.preset])


def _anybody(workshop: Workshop) -> Chosen:
    """Training bodies, seen by cameras of their own, whatever is observed."""
    data: Any = workshop.data

    def chosen(posterior: MeshPosterior, count: int, generator: torch.Generator) -> BodyParameters:
        seed = int(torch.randint(1 << 24, (), generator=generator))
        people = posterior.batch_shape.numel()
        _, bodies = data.source(count * people, seed).batch(0)
        return bodies.map(lambda value: value.unflatten(0, (count, people)))

    return chosen


@dataclass(frozen=True)
class _Draw:
    """A row: how n bodies are had."""

    name: str
    choose: Callable[[Workshop], Chosen]

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        """Train, or find, `prohmr`, and score."""
        trained = workshop.trained("prohmr")
        counts = _COUNTS[workshop.preset]
        rows = body_rows(
            {"method": self.name}, trained, self.choose(workshop), workshop, scoring, None, counts
        )
        if self.name == "training_bodies":  # its calibration would be that of `prohmr`
            rows = [row | dict.fromkeys(CALIBRATION) for row in rows]
        return rows


MESH_SAMPLES = Study(
    name="mesh_samples",
    title="The least error of n bodies: drawn, quantised, and of the training set",
    rows=tuple(
        Row(row.name, row.run)
        for row in (
            _Draw("prohmr", _draws),
            _Draw("prohmr_quantised", _quantised),
            _Draw("training_bodies", _anybody),
        )
    ),
    data=mesh_data,
)

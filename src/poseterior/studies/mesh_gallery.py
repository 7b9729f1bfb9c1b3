"""`mesh_gallery`: what posteriors over bodies look like (figures of papers 002 and 004).

Nobody is chosen by hand: people are drawn, each of another clip, and failures are the worst of the
test set, one of a clip. Of each the result keeps the parameters of all bodies that are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.pose_prior import PosePrior
from poseterior.meshes.regressors.prohmr import ProHMR
from poseterior.meshes.regressors.quantized import quantized_bodies
from poseterior.seeding import generator_from
from poseterior.studies.gallery_fitting import (
    fitted_people,
    fitting_failures,
    refined_by_views,
    regression_failures,
)
from poseterior.studies.gallery_people import (
    body_cell,
    nearest_of,
    person,
    picked,
    spread_over_clips,
    truth_cell,
    worst_of_clips,
)
from poseterior.studies.mesh_data import MeshData, mesh_data
from poseterior.studies.mesh_scored import errors_mm, every_nth
from poseterior.studies.mesh_table import by_prior, pose_prior
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["MESH_GALLERY"]

Cells = list[dict[str, Any]]
_PEOPLE, _SHOWN, _OF = 3, 5, 25
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SKELETONS = 7
_RULE = f"{_PEOPLE} people drawn at random, of as many clips; where parts are hidden, of each kind"


def _data(workshop: Workshop) -> MeshData:
    assert isinstance(workshop.data, MeshData)
    return workshop.data


def _with_truth(test: FixedBodies, cells: list[Cells]) -> list[dict[str, Any]]:
    return [person(test, n, [*each, truth_cell(test, n)]) for n, each in enumerate(cells)]


def _marked(cells: Cells) -> Cells:
    """The nearest to the truth has its role."""
    least = min(cells, key=lambda cell: cell["mpjpe_mm"])
    return [cell | {"role": "nearest"} if cell is least else cell for cell in cells]


def _set_cells(
    workshop: Workshop, test: FixedBodies, scoring: Scoring
) -> tuple[list[Cells], list[Cells]]:
    """Of each person the one answer of `hmr`, and bodies of `multi_bodies`, quantised."""
    one, lifter = (workshop.trained(name).lifter for name in ("hmr", "multi_bodies"))
    return _quantised_cells(one, lifter, pose_prior(workshop), test, scoring)


@torch.no_grad()
def _quantised_cells(
    one: Any, lifter: Any, prior: PosePrior, test: FixedBodies, scoring: Scoring
) -> tuple[list[Cells], list[Cells]]:
    body = lifter.body
    answers = one(test.keypoints).sample_parameters((1,))
    several = lifter(test.keypoints)
    generator = generator_from(scoring.seed)
    few, _ = quantized_bodies(several, _SHOWN, prior, generator)
    wrong = errors_mm(body, answers, test.parameters)[0].tolist()
    errors = errors_mm(body, few.parameters, test.parameters)
    density = prior.log_prob(few.poses(few.parameters))
    order = few.weights.argsort(dim=0, descending=True, stable=True)
    alone, sets = [], []
    for n in range(len(test.frame)):
        alone.append([body_cell("one answer", "answer", answers[0, n], mpjpe_mm=wrong[n])])
        cells = [
            body_cell(
                f"{100 * few.weights[k, n]:.0f}%", "sample", few.parameters[k, n],
                mpjpe_mm=float(errors[k, n]), share=float(few.weights[k, n]),
                log_prob=float(density[k, n]),
            )
            for k in order[:, n].tolist()
        ]  # fmt: skip
        sets.append(_marked(cells))
    return alone, sets


def _hypotheses(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    test = _data(workshop).tests["ambiguous"]
    test = picked(test, spread_over_clips(test, _PEOPLE, scoring.seed))
    alone, sets = _set_cells(workshop, test, scoring)
    cells = [[*a, *b] for a, b in zip(alone, sets, strict=True)]
    return {"method": "multi_bodies", "data": "ambiguous", "people": _with_truth(test, cells)}


def _failures(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    test = every_nth(_data(workshop).tests["ambiguous"], scoring.every)
    lifter: Any = workshop.trained("multi_bodies").lifter
    choose = by_prior(pose_prior(workshop))
    errors, bodies = nearest_of(lifter, choose, _OF, test, scoring.seed)
    rows = worst_of_clips(test, errors, _PEOPLE)
    worst, best = picked(test, rows), bodies[rows]
    alone, sets = _set_cells(workshop, worst, scoring)
    cells = []
    for n, error in enumerate(errors[rows].tolist()):
        nearest = body_cell(f"nearest of {_OF}", "nearest", best[n], mpjpe_mm=error)
        others = [cell | {"role": "sample"} for cell in sets[n]]
        cells.append([*alone[n], *others, nearest])
    return {
        "method": "multi_bodies", "data": "ambiguous", "people": _with_truth(worst, cells),
        "rule": f"of {len(errors)} the worst by the nearest of {_OF}, one of a clip",
    }  # fmt: skip


def _latents(lifter: ProHMR, count: int, people: int, seed: int) -> Tensor:
    shape = (count, people, lifter.vector.rotations)
    return torch.randn(shape, generator=generator_from(seed, 1))


@torch.no_grad()
def _decoded(lifter: ProHMR, test: FixedBodies, latents: Tensor) -> tuple[BodyParameters, Tensor]:
    """Bodies (N, B) of latents (N, B, D), and their errors in mm."""
    bodies = lifter(test.keypoints).decode(latents)
    return bodies, errors_mm(lifter.body, bodies, test.parameters)


def _flow(workshop: Workshop) -> ProHMR:
    lifter = workshop.trained("prohmr").lifter
    assert isinstance(lifter, ProHMR)
    return lifter


def _samples(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    lifter, test = _flow(workshop), _data(workshop).tests["ambiguous"]
    test = picked(test, spread_over_clips(test, _PEOPLE, scoring.seed))
    drawn = _latents(lifter, _SHOWN, len(test.frame), scoring.seed)
    latents = torch.cat([torch.zeros_like(drawn[:1]), drawn])
    bodies, errors = _decoded(lifter, test, latents)
    less = -0.5 * latents.square().sum(-1)
    cells = []
    for n in range(len(test.frame)):
        numbers = [{"mpjpe_mm": float(e), "log_prob": float(p)}
                   for e, p in zip(errors[:, n], less[:, n], strict=True)]  # fmt: skip
        mode = body_cell("mode, z = 0", "answer", bodies[0, n], **numbers[0])
        several = [
            body_cell(f"draw {k}", "sample", bodies[k, n], **numbers[k])
            for k in range(1, len(numbers))
        ]
        cells.append([mode, *_marked(several)])
    return {"method": "prohmr", "data": "ambiguous", "people": _with_truth(test, cells)}


def _walk(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    """Two directions for each of two people, from the mode to a draw."""
    lifter, test = _flow(workshop), _data(workshop).tests["ambiguous"]
    rows = spread_over_clips(test, 2, scoring.seed)
    test = picked(test, rows.repeat_interleave(2))
    ends = _latents(lifter, 1, len(test.frame), scoring.seed)
    latents = torch.tensor(_STEPS)[:, None, None] * ends
    bodies, errors = _decoded(lifter, test, latents)
    less = -0.5 * latents.square().sum(-1)
    moved = errors_mm(lifter.body, bodies, bodies[0])
    people = []
    for n in range(len(test.frame)):
        cells = [
            body_cell(
                f"{step:g} z" if step else "z = 0", "sample" if step else "answer", bodies[k, n],
                mpjpe_mm=float(errors[k, n]), moved_mm=float(moved[k, n]),
                log_prob=float(less[k, n]),
            )
            for k, step in enumerate(_STEPS)
        ]  # fmt: skip
        people.append(person(test, n, cells))
    rule = "2 people as above, in 2 directions each: those of draws z ~ N(0, I)"
    return {"method": "prohmr", "data": "ambiguous", "people": people, "rule": rule}


def _prior_samples(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    """Draws of the prior above true skeletons, all turned by 30 degrees from the camera."""
    prior, test = pose_prior(workshop), _data(workshop).tests["plain"]
    drawn = prior.sample((_SKELETONS,), generator_from(scoring.seed, 2))
    rows = spread_over_clips(test, _SKELETONS, scoring.seed)
    people = [
        {"title": title, "skeleton": prior.skeleton.name, "cells": _skeletons(prior, poses)}
        for title, poses in (("Draws of the prior", drawn), ("Test set", test.target[rows]))
    ]
    rule = f"{_SKELETONS} draws; {len(rows)} skeletons of the test set, each of another clip"
    return {"method": "pose_prior", "data": "plain", "people": people, "rule": rule}


@torch.no_grad()
def _skeletons(prior: PosePrior, poses: Tensor) -> Cells:
    """The likeliest first."""
    density = prior.log_prob(poses)
    features, _, _ = prior.frame.split(poses)
    turned = prior.frame.join(features, torch.full(features.shape[:-1], torch.pi / 6))
    return [
        {"label": "", "role": "sample", "log_prob": float(density[n]),
         "pose": turned[n].double().numpy().round(4).tolist()}
        for n in density.argsort(descending=True).tolist()
    ]  # fmt: skip


@dataclass(frozen=True)
class _Picture:
    """A row: one figure.

    Attributes:
        name: of the row and the file.
        title: what is seen.
        paper: whose figures it answers.
        make: its people, and how they were chosen where it is not at random.
    """

    name: str
    title: str
    paper: str
    make: Callable[[Workshop, Scoring], dict[str, Any]]

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        """Train, or find, what it needs, and lift the people."""
        made = self.make(workshop, scoring)
        found: dict[str, Any] = {
            "variant": self.name, "title": self.title, "paper": self.paper, "rule": _RULE,
            "body": _data(workshop).about.get("body", {}).get("name"), **made,
        }  # fmt: skip
        found["shown"] = len(made["people"])
        errors = [_least(each["cells"]) for each in made["people"]]
        known = [error for error in errors if error is not None]
        found["nearest_mm"] = sum(known) / len(known) if known else None
        return [found]


def _least(cells: Cells) -> float | None:
    return min((cell["mpjpe_mm"] for cell in cells if "mpjpe_mm" in cell), default=None)


_PICTURES = (
    _Picture("hypotheses", "Five bodies that stand for all, and the one nearest the truth",
             "004, Figures 1, 2 and 6", _hypotheses),
    _Picture("failures", "Where no body of 25 is near", "004, Section 6", _failures),
    _Picture("prior_samples", "Skeletons that the flow prior draws", "004, Figure 4",
             _prior_samples),
    _Picture("samples", "The mode of the flow, and draws beside it", "002, Figure 8", _samples),
    _Picture("latent_walk", "From the mode, z = 0, outwards", "002, Figure 9", _walk),
    _Picture("regression_failures", "Where regression fails, and fitting after it",
             "002, Figure 6", regression_failures),
    _Picture("fitting", "Fitting with the flow for a prior, and with a generic one",
             "002, Figure 10", fitted_people),
    _Picture("fitting_failures", "Where fitting fails", "002, Figure 7", fitting_failures),
    _Picture("views", "The same body fitted to more views", "002, Figure 5", refined_by_views),
)  # fmt: skip

MESH_GALLERY = Study(
    name="mesh_gallery",
    title="What posteriors over bodies look like",
    rows=tuple(Row(picture.name, picture.run) for picture in _PICTURES),
    data=mesh_data,
)

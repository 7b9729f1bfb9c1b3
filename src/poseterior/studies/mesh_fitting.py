"""`mesh_fitting`: bodies regressed and fitted, by which prior, weights and views (paper 002).

The same people as in `mesh_table`, of whole views, as many as `_PEOPLE`. What is fitted comes with
Laplace's posterior; of a regression its own posterior is scored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from poseterior.meshes.fitting.fitting import FittedBodies
from poseterior.meshes.fitting.fitting_evidence import WEIGHTS
from poseterior.meshes.fitting.fitting_prior import BodyPrior
from poseterior.meshes.fitting.fitting_views import fit_views
from poseterior.meshes.fitting.flow_prior import FlowPrior
from poseterior.meshes.fitting.generic_prior import GenericPrior
from poseterior.meshes.mesh_posterior import BodySet, MeshPosterior
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.quantized import PriorWeighted
from poseterior.metrics.bootstrap import ClipGroups, GroupSums
from poseterior.metrics.summary import ScoreAccumulator
from poseterior.seeding import generator_from
from poseterior.studies.mesh_data import MeshData, mesh_data
from poseterior.studies.mesh_scored import (
    CALIBRATION,
    errors_of,
    every_nth,
    with_intervals,
)
from poseterior.studies.mesh_table import METHODS, pose_prior
from poseterior.studies.scored import verdict
from poseterior.studies.seen_people import KEYPOINTS, SeenPeople, seen_people
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["MESH_FITTING", "Answer", "scored_people"]

_PEOPLE = {"small": 200, "paper": 1000}
_BLOCK = 25
_ERRORS = ("mpjpe_mm", "pa_mpjpe_mm", "vertex_mm")
_VIEWS = (2, 3, 4)
_ALIKE = ("true", "confidence")


class Answer(NamedTuple):
    """Bodies (B,) that a method says, its posterior, and the fit where it is one."""

    bodies: BodyParameters
    posterior: MeshPosterior
    fit: FittedBodies | None = None


# What a method says of people.
Method = Callable[[SeenPeople, torch.Generator], Answer]


@torch.no_grad()
def scored_people(
    lifter: MeshLifter, method: Method, people: SeenPeople, scoring: Scoring
) -> dict[str, Any]:
    """Errors of the bodies and calibration of the posterior, with intervals that resample clips.

    `mpjpe_mm`, `pa_mpjpe_mm` and `vertex_mm` as `mesh_scored.best_of` of one body.
    `effective_number` is the median of what `scoring.hypotheses` draws of Laplace's posterior are
    worth when they are weighed by importance. `seconds_per_person` are the processor's, of the
    method alone.

    Args:
        lifter: of the body, for its mesh.
        method: what is scored.
        people: all of them; they are taken 25 at a time.
        scoring: how many hypotheses, and the seed.
    """
    groups, sums = ClipGroups(), GroupSums(4)
    accumulator = ScoreAccumulator(people.keypoints.skeleton)
    seconds, worth = 0.0, []
    for start in range(0, len(people), _BLOCK):
        part = people[start : start + _BLOCK]
        draw = generator_from(scoring.seed, start)
        begun = time.process_time()
        answer = method(part, draw)
        seconds += time.process_time() - begun
        test, clip = part.test, part.test.clip.tolist()
        errors = errors_of(lifter, answer.bodies.map(lambda value: value[None]), test)
        sums.add(groups(clip, len(part)), torch.cat([errors, torch.ones(len(part), 1)], 1))
        poses, number = _hypotheses(answer, scoring.hypotheses, draw)
        accumulator.update(poses.movedim(0, 1), test.target, clip=clip)
        worth += number
    told = accumulator.compute()
    return with_intervals(sums.sums, _ERRORS) | {name: told[name] for name in CALIBRATION} | {
        "verdict": verdict(told),
        "coverage_90_interval": told["coverage_90_interval"],
        "intervals": {name: told["intervals"].get(name) for name in CALIBRATION},
        "effective_number": float(torch.cat(worth).median()) if worth else None,
        "poses": len(people),
        "seconds_per_person": seconds / len(people),
    }  # fmt: skip


def _hypotheses(
    answer: Answer, count: int, generator: torch.Generator
) -> tuple[Tensor, list[Tensor]]:
    """Poses (H, B, J, 3) of the posterior, one of a single body; of a fit what they are worth."""
    posterior = answer.posterior
    if answer.fit is not None:
        weighed = answer.fit.reweighted(count, generator)
        return posterior.poses(weighed.posterior.parameters), [weighed.effective_number]
    single = isinstance(posterior, BodySet) and len(posterior.weights) == 1
    return posterior.sample((1 if single else count,), generator), []


class _Case(NamedTuple):
    """What is known of each person, and how it is weighed."""

    keypoints: str
    weights: str | None = None
    views: int = 1


def _row(
    about: Mapping[str, Any],
    lifter: MeshLifter,
    method: Method,
    case: _Case,
    workshop: Workshop,
    scoring: Scoring,
) -> dict[str, Any]:
    """The row of a method, on plain test bodies, evenly in time, as many as there is time for."""
    data = workshop.data
    assert isinstance(data, MeshData)
    plain = data.tests["plain"]
    fewest = math.ceil(len(plain.frame) / _PEOPLE[workshop.preset])
    test = every_nth(plain, max(scoring.every, fewest))
    people = seen_people(lifter.body, test, case.keypoints, case.views, scoring.seed)
    told = {**about, "subset": f"{case.keypoints} keypoints", **case._asdict()}
    return told | scored_people(lifter, method, people, scoring)


@dataclass(frozen=True)
class _Regression:
    """What a regressor says of one view, nothing fitted."""

    name: str

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        """Train, or find, and score."""
        (known,) = (method for method in METHODS if method.name == self.name)
        lifter: Any = workshop.trained(self.name).lifter
        choose = known.choose(workshop)
        scored = PriorWeighted(lifter, pose_prior(workshop)) if known.weighted else lifter

        def method(people: SeenPeople, generator: torch.Generator) -> Answer:
            one = choose(lifter(people.keypoints), 1, generator)[0]
            return Answer(one, scored(people.keypoints))

        about = {"method": "regression", "variant": self.name}
        return [
            _row(about, lifter, method, _Case(keypoints), workshop, scoring)
            for keypoints in KEYPOINTS
        ]


def _by_flow(lifter: MeshLifter, data: Any) -> BodyPrior:
    return FlowPrior(lifter)


def _by_motion(lifter: MeshLifter, data: Any) -> BodyPrior:
    return GenericPrior.fitted(lifter.body, data.source(1, 0).rotations)


@dataclass(frozen=True)
class _Fit:
    """Bodies fitted with a prior.

    Attributes:
        name: of the rows.
        prior: of `prohmr` and the study's data.
        regressed: whether the fit begins at the regression, as published, or where its prior does.
    """

    name: str
    prior: Callable[[MeshLifter, Any], BodyPrior]
    regressed: bool = True

    def row(self, *cases: _Case) -> Row:
        """The row of the study that fits and scores these."""
        first = cases[0]
        said = f"{first.views} views" if first.views > 1 else first.weights

        def run(workshop: Workshop, scoring: Scoring) -> Rows:
            lifter: Any = workshop.trained("prohmr").lifter
            prior = self.prior(lifter, workshop.data)
            return [
                _row(
                    {"method": self.name, "variant": f"{self.name}, {said}"},
                    lifter, self._method(lifter, prior, case), case, workshop, scoring,
                )
                for case in cases
            ]  # fmt: skip

        return Row(f"{self.name}_{said}".replace(" ", "_"), run)

    def _method(self, lifter: MeshLifter, prior: BodyPrior, case: _Case) -> Method:
        def method(people: SeenPeople, generator: torch.Generator) -> Answer:
            posterior: Any = lifter(people.keypoints)
            mode = posterior.centre_parameters.map(lambda value: value[None])
            fit = fit_views(
                lifter.body, people.views, people.cameras, prior, case.weights or "covariance",
                mode if self.regressed else None, instants=people.instants,
            )  # fmt: skip
            return Answer(fit.parameters, fit.posterior, fit)

        return method


def _rows() -> tuple[Row, ...]:
    flow = _Fit("flow_prior", _by_flow, regressed=False)  # its own beginning is the mode
    generic = _Fit("generic_prior", _by_motion)
    alone = _Fit("generic_prior_alone", _by_motion, regressed=False)
    # All confidences of true keypoints are 1: weights by them would be uniform ones.
    cases = {
        weights: [_Case(kind, weights) for kind in KEYPOINTS if (kind, weights) != _ALIKE]
        for weights in WEIGHTS
    }
    return (
        *(Row(name, _Regression(name).run) for name in ("prohmr", "hmr", "multi_bodies")),
        *(fit.row(*each) for fit in (flow, generic) for each in cases.values()),
        alone.row(*cases["covariance"]),
        *(
            fit.row(_Case("detected", "covariance", views))
            for fit in (flow, generic)
            for views in _VIEWS
        ),
    )


def _doubt(row: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """A word for errors whose intervals meet."""
    first, second = (r["pa_mpjpe_mm_interval"] for r in (row, other))
    if first is None or second is None:
        return ""
    meet = max(first[0], second[0]) <= min(first[1], second[1])
    return ", but their intervals meet" if meet else ""


def _notes(rows: Rows) -> Sequence[str]:
    """What the table says of the paper's claims, from its own numbers."""
    at = {(row["variant"], row["keypoints"]): row for row in rows}
    said = [
        f"{row['poses']} people, of each one instant; fits come with Laplace's posterior, "
        "regressions with their own. Bodies are fitted 25 at a time."
        for row in rows[:1]
    ]
    pairs = (
        ("flow_prior, covariance", "prohmr", "the regression"),
        ("flow_prior, covariance", "generic_prior, covariance", "the generic prior"),
        ("flow_prior, covariance", "flow_prior, confidence", "weights by raw confidence"),
        ("flow_prior, covariance", "flow_prior, uniform", "uniform weights"),
        ("flow_prior, 4 views", "flow_prior, covariance", "one view"),
    )
    for name, against, words in pairs:
        ours, theirs = at.get((name, "detected")), at.get((against, "detected"))
        if ours and theirs:
            a, b = ours["pa_mpjpe_mm"], theirs["pa_mpjpe_mm"]
            than = "nearer than" if a < b else "not nearer than"
            said.append(
                f"{name}: {than} {words}{_doubt(ours, theirs)}: PA-MPJPE {a:.1f} and {b:.1f} mm, "
                "detected keypoints."
            )
    flow = at.get(("flow_prior, covariance", "detected"))
    generic = at.get(("generic_prior, covariance", "detected"))
    if flow and generic and flow["coverage_90"] is not None:
        said.append(
            "The flow has seen the keypoints before they are fitted: of one view its 90% regions "
            f"hold {100 * flow['coverage_90']:.0f}%, those with the generic prior "
            f"{100 * generic['coverage_90']:.0f}%."
        )
    return said


MESH_FITTING = Study(
    name="mesh_fitting",
    title="Bodies regressed and fitted: priors, weights, keypoints and views",
    rows=_rows(),
    notes=_notes,
    data=mesh_data,
)

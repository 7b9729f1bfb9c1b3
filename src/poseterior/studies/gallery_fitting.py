"""Pictures of `mesh_gallery` in which bodies are fitted (paper 002, Figures 5, 6, 7 and 10)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseterior.data.simulated_detector import DetectorNoise, observe
from poseterior.geometry.rotations import from_axis_angle
from poseterior.keypoints import Keypoints
from poseterior.meshes.fitting.fitting import fit_body
from poseterior.meshes.fitting.fitting_views import fit_views
from poseterior.meshes.fitting.flow_prior import FlowPrior
from poseterior.meshes.fitting.generic_prior import GenericPrior
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.prohmr import ProHMR
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.seeding import generator_from
from poseterior.studies.gallery_people import (
    body_cell,
    nearest_of,
    person,
    picked,
    spread_over_clips,
    truth_cell,
    worst_of_clips,
)
from poseterior.studies.mesh_scored import errors_mm, every_nth
from poseterior.studies.mesh_table import DRAWN, quantised_draws
from poseterior.studies.study import Scoring
from poseterior.studies.workshop import Workshop

__all__ = ["fitted_people", "fitting_failures", "refined_by_views", "regression_failures"]

_PEOPLE, _OF = 3, 25
# Every so many of the bodies that a study scores are fitted to look for the worst.
_FEWER = 4
# Training bodies that the generic prior is fitted to.
_MOTIONS = 4096
_VIEWS = (1, 2, 4)

Named = tuple[str, str, BodyParameters]  # label, role, bodies (B,)


def _flow(workshop: Workshop) -> ProHMR:
    lifter = workshop.trained("prohmr").lifter
    assert isinstance(lifter, ProHMR)
    return lifter


def _generic(workshop: Workshop, body: SkinnedBody) -> GenericPrior:
    """Of the bodies that the regressors are trained on."""
    data: Any = workshop.data
    _, bodies = data.source(_MOTIONS, workshop.seed).batch(0)
    return GenericPrior.fitted(body, bodies.rotations)


@torch.no_grad()
def _mode(lifter: ProHMR, test: FixedBodies) -> Named:
    return "regression", "answer", lifter(test.keypoints).centre_parameters


def _fits(workshop: Workshop, lifter: ProHMR, test: FixedBodies) -> list[Named]:
    body, generic = lifter.body, _generic(workshop, lifter.body)
    by_flow = fit_body(body, test.keypoints, FlowPrior(lifter)).parameters
    # SMPLify begins where the regression ends (paper 002, Figure 10).
    start = _mode(lifter, test)[2].map(lambda value: value[None])
    plainly = fit_body(body, test.keypoints, generic, start=start).parameters
    return [("fit, flow prior", "fitted", by_flow), ("fit, generic prior", "generic", plainly)]


def _people(body: SkinnedBody, test: FixedBodies, columns: list[Named]) -> list[dict[str, Any]]:
    """A line of each person: the columns' bodies with their errors, then the truth."""
    errors = [errors_mm(body, bodies.map(lambda v: v[None]), test.parameters)[0]
              for _, _, bodies in columns]  # fmt: skip
    return [
        person(test, n, [
            *(body_cell(label, role, bodies[n], mpjpe_mm=float(error[n]))
              for (label, role, bodies), error in zip(columns, errors, strict=True)),
            truth_cell(test, n),
        ])
        for n in range(len(test.frame))
    ]  # fmt: skip


def fitted_people(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    """Regression, a fit with its flow as the prior, a fit from it with a generic prior."""
    data: Any = workshop.data
    lifter, test = _flow(workshop), data.tests["plain"]
    test = picked(test, spread_over_clips(test, _PEOPLE, scoring.seed))
    columns = [_mode(lifter, test), *_fits(workshop, lifter, test)]
    return {"method": "prohmr", "data": "plain", "people": _people(lifter.body, test, columns)}


def regression_failures(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    """The worst of the plain observations by the nearest of 25, and what fits make of them."""
    data: Any = workshop.data
    lifter, test = _flow(workshop), every_nth(data.tests["plain"], scoring.every)
    choose = quantised_draws(DRAWN[workshop.preset])
    errors, bodies = nearest_of(lifter, choose, _OF, test, scoring.seed)
    rows = worst_of_clips(test, errors, _PEOPLE)
    worst = picked(test, rows)
    nearest = (f"nearest of {_OF}", "nearest", bodies[rows])
    columns = [_mode(lifter, worst), nearest, *_fits(workshop, lifter, worst)]
    return {
        "method": "prohmr", "data": "plain", "people": _people(lifter.body, worst, columns),
        "rule": f"of {len(errors)} the worst by the nearest of {_OF}, one of a clip",
    }  # fmt: skip


def fitting_failures(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    """The worst fits with the flow prior to ambiguous observations."""
    data: Any = workshop.data
    lifter = _flow(workshop)
    test = every_nth(data.tests["ambiguous"], _FEWER * scoring.every)
    fit = fit_body(lifter.body, test.keypoints, FlowPrior(lifter))
    errors = errors_mm(lifter.body, fit.parameters.map(lambda v: v[None]), test.parameters)[0]
    worst = picked(test, worst_of_clips(test, errors, _PEOPLE))
    columns = [_mode(lifter, worst), *_fits(workshop, lifter, worst)]
    return {
        "method": "prohmr", "data": "ambiguous", "people": _people(lifter.body, worst, columns),
        "rule": f"of {len(errors)} the worst fits with the flow prior, one of a clip",
    }  # fmt: skip


def refined_by_views(workshop: Workshop, scoring: Scoring) -> dict[str, Any]:
    """Fits to an ambiguous observation and to more views, a quarter turn from each other."""
    data: Any = workshop.data
    lifter, test = _flow(workshop), data.tests["ambiguous"]
    test = picked(test, spread_over_clips(test, _PEOPLE, scoring.seed))
    views, cameras = _around(lifter.body, test, scoring.seed)
    columns = [_mode(lifter, test)]
    for count in _VIEWS:
        fit = fit_views(lifter.body, views[:count], cameras[:count], FlowPrior(lifter))
        label = f"fit, {count} view{'s' if count > 1 else ''}"
        columns.append((label, "fitted", fit.parameters))
    return {"method": "prohmr", "data": "ambiguous", "people": _people(lifter.body, test, columns)}


def _around(
    body: SkinnedBody, test: FixedBodies, seed: int
) -> tuple[list[Keypoints], list[tuple[Tensor, Tensor]]]:
    """The observations, then those of other cameras at the same distance, nothing hidden.

    The world is the first camera's; the others stand around the root at quarter turns.
    """
    skeleton, intrinsics = test.keypoints.skeleton, test.keypoints.intrinsics
    assert intrinsics is not None
    landmarks = body.landmarks_of(test.parameters, skeleton)
    root = landmarks[:, skeleton.root]
    uncropped = intrinsics.clone()
    uncropped[:, :2, 2] = 500.0
    generator, noise = generator_from(seed, 3), DetectorNoise()
    views = [test.keypoints]
    cameras = [(torch.eye(3).expand(len(root), 3, 3), torch.zeros_like(root))]
    for quarter in range(1, max(_VIEWS)):
        turn = from_axis_angle(torch.tensor([0.0, quarter * torch.pi / 2, 0.0]))
        pose = (landmarks - root[:, None]) @ turn.mT
        views.append(observe(pose, root, uncropped, skeleton, noise, generator))
        cameras.append((turn.expand(len(root), 3, 3), root - root @ turn.mT))
    return views, cameras

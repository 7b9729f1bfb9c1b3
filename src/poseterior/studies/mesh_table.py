"""`mesh_table`: sets of plausible bodies, of whole and of ambiguous views (paper 004, Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from poseterior.meshes.mesh_posterior import BodySet, LatentBodies, MeshPosterior
from poseterior.meshes.motion.fixed_bodies import FixedBodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.pose_prior import PosePrior
from poseterior.meshes.regressors.quantized import PriorWeighted, quantized_bodies
from poseterior.posterior import Lifter
from poseterior.quantization import quantized
from poseterior.studies.mesh_data import MeshData, mesh_data
from poseterior.studies.mesh_scored import (
    COUNTS,
    Chosen,
    best_of,
    calibration,
    effective_number,
    every_nth,
)
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Trained, Workshop

__all__ = [
    "DRAWN", "MESH_TABLE", "METHODS", "MeshMethod", "body_rows", "by_prior", "pose_prior",
    "quantised_draws",
]  # fmt: skip

_NO_BODIES = {"vertex_mm": "The data set tells joints and no bodies."}
# Bodies drawn of a flow before they are quantised; 4096 as published (paper 002, Section 5.2).
DRAWN = {"small": 512, "paper": 4096}


def pose_prior(workshop: Workshop) -> PosePrior:
    """The prior over the training bodies' control skeletons, trained or found."""
    data: Any = workshop.data
    found = replace(workshop, data=replace(data, source=data.control)).trained("pose_prior")
    assert isinstance(found.lifter, PosePrior)
    return found.lifter


def _only(posterior: MeshPosterior, count: int, generator: torch.Generator) -> BodyParameters:
    """The one body, as often as asked for."""
    return posterior.sample_parameters((count,), generator)


def _some_means(posterior: MeshPosterior, count: int, generator: torch.Generator) -> BodyParameters:
    """Bodies of a set drawn at random, none twice (paper 004, appendix C)."""
    assert isinstance(posterior, BodySet)
    drawn = torch.multinomial(posterior.weights.T, count, generator=generator).T
    return posterior.parameters[drawn, torch.arange(drawn.shape[1])]


def _drawn(posterior: MeshPosterior, count: int, generator: torch.Generator) -> BodyParameters:
    """Draws (paper 004, appendix C)."""
    return posterior.sample_parameters((count,), generator)


def by_prior(prior: PosePrior | None) -> Chosen:
    """n-quantised best-of-M (paper 004, Eq. 2 and 3); without a prior all weigh the same."""

    def chosen(posterior: MeshPosterior, count: int, generator: torch.Generator) -> BodyParameters:
        assert isinstance(posterior, BodySet)
        return quantized_bodies(posterior, count, prior, generator)[0].parameters

    return chosen


def quantised_draws(drawn: int) -> Chosen:
    """Of so many draws, those that stand for all (paper 002, Section 5.2)."""

    def chosen(posterior: MeshPosterior, count: int, generator: torch.Generator) -> BodyParameters:
        bodies = posterior.sample_parameters((drawn,), generator)
        members = quantized(posterior.poses(bodies), count, generator=generator).members
        return bodies[members, torch.arange(members.shape[1])]

    return chosen


def _mode_or_quantised(drawn: int) -> Chosen:
    """The mode for n = 1, else draws quantised."""
    several = quantised_draws(drawn)

    def chosen(posterior: MeshPosterior, count: int, generator: torch.Generator) -> BodyParameters:
        assert isinstance(posterior, LatentBodies)
        if count > 1:
            return several(posterior, count, generator)
        return posterior.centre_parameters.map(lambda value: value[None])

    return chosen


@dataclass(frozen=True)
class MeshMethod:
    """Rows of one mesh regressor.

    Attributes:
        name: of the rows, and in `MESH_LIFTERS`.
        choose: from the workshop to how n bodies are chosen.
        weighted: whether the posterior that is scored is weighted by the pose prior.
        counts: n.
    """

    name: str
    choose: Callable[[Workshop], Chosen]
    weighted: bool = False
    counts: Sequence[int] = COUNTS

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        """Train, or find, and score on plain and ambiguous observations."""
        trained = workshop.trained(self.name)
        prior = pose_prior(workshop) if self.weighted else None
        about = {"method": self.name}
        return body_rows(
            about, trained, self.choose(workshop), workshop, scoring, prior, self.counts
        )


def body_rows(
    about: Mapping[str, Any],
    trained: Trained,
    chosen: Chosen,
    workshop: Workshop,
    scoring: Scoring,
    prior: PosePrior | None = None,
    counts: Sequence[int] = COUNTS,
) -> Rows:
    """A row of `about` and the errors for each set of observations and each n.

    Calibration is that of the lifter's posterior, weighted by `prior` if there is one.
    """
    data, lifter = workshop.data, trained.lifter
    assert isinstance(data, MeshData)
    assert isinstance(lifter, MeshLifter)
    scored: Lifter = lifter if prior is None else PriorWeighted(lifter, prior)
    # One body has no spread: drawn more often it would look sure of itself.
    drawn = scoring.hypotheses if max(counts) > 1 else 1
    made: dict[str, Any] = {"train_s": trained.seconds, "steps": trained.steps}
    if data.protocol is not None:
        made["protocol"] = data.protocol
    rows: Rows = []
    for name, test in data.scored.items():
        some = every_nth(test, scoring.every)
        calibrated = calibration(scored, some, drawn, scoring.seed)
        calibrated["effective_number"] = effective_number(scored, some)
        for count in counts:
            errors = best_of(lifter, chosen, count, some, scoring.seed)
            told = {} if isinstance(test, FixedBodies) else {"reasons": _NO_BODIES}
            rows.append({**about, "data": name, "n": count, **errors, **calibrated, **made, **told})
    return rows


METHODS = (
    MeshMethod("hmr", lambda workshop: _only, counts=(1,)),
    MeshMethod("mesh_mdn", lambda workshop: _some_means),
    MeshMethod("mesh_cvae", lambda workshop: _drawn),
    MeshMethod("multi_bodies", lambda workshop: by_prior(pose_prior(workshop)), weighted=True),
    MeshMethod("prohmr", lambda workshop: _mode_or_quantised(DRAWN[workshop.preset])),
)


def _of(rows: Rows, method: str, data: str, n: int) -> dict[str, Any] | None:
    wanted = (method, data, n)
    return next((r for r in rows if (r["method"], r["data"], r["n"]) == wanted), None)


def _notes(rows: Rows) -> Sequence[str]:
    """What the table says of the papers' claims, from its own numbers."""
    said = []
    ours = _of(rows, "multi_bodies", "ambiguous", 25)
    for name in ("mesh_mdn", "mesh_cvae"):
        other = _of(rows, name, "ambiguous", 25)
        if ours and other:
            a, b = ours["mpjpe_mm"], other["mpjpe_mm"]
            word = "below" if a < b else "not below"
            said.append(
                f"multi_bodies is {word} {name} at n = 25 on ambiguous observations: "
                f"{a:.1f} and {b:.1f} mm."
            )
    first = _of(rows, "multi_bodies", "ambiguous", 1)
    if ours and first:
        falls = "falls" if ours["mpjpe_mm"] < first["mpjpe_mm"] else "does not fall"
        said.append(
            f"Its error {falls} from n = 1 to 25: {first['mpjpe_mm']:.1f} to "
            f"{ours['mpjpe_mm']:.1f} mm."
        )
    if ours and ours.get("effective_number"):
        said.append(
            f"Its prior leaves {ours['effective_number']:.1f} of its bodies: the median of 1 over "
            "the sum of their squared weights."
        )
    flow = _of(rows, "prohmr", "ambiguous", 25)
    if ours and flow:
        better = flow["ece_median"] < ours["ece_median"]
        said.append(
            f"prohmr is {'better' if better else 'not better'} calibrated than multi_bodies: ECE "
            f"{flow['ece_median']:.3f} and {ours['ece_median']:.3f} on ambiguous observations."
        )
    return said


MESH_TABLE = Study(
    name="mesh_table",
    title="Sets of plausible bodies: the best of n, and calibration",
    rows=tuple(Row(method.name, method.run) for method in METHODS),
    notes=_notes,
    data=mesh_data,
)

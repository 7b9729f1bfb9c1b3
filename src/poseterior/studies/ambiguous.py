"""`ambiguous`: poses of which the detector is unsure (paper 001, Section 4.3 and Table 2).

On Human3.6M the paper keeps the poses with one fitted sigma above 5 px. Among the fixed
observations nearly every pose has such a joint, so here a pose counts by how many of its joints
are uncertain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.data.keypoint_source import MemorySource, selected
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition
from poseterior.lifters.heatmap_covariance import fitted_covariance
from poseterior.studies.scored import scored
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.table1 import METHODS, Method
from poseterior.studies.workshop import Workshop

__all__ = ["AMBIGUOUS", "SUBSETS", "Subset", "sigmas_px", "uncertain_joints"]

# A joint of the simulated detector is off by at most 0.8 heatmap px or by at least 3 along its
# worst axis: with the 2 px of the ground truth's own Gaussian 2.2 or 3.6.
_UNCERTAIN_PX = 2.9
# Paper 001, Section 4.1: H36MA.
_AMBIGUOUS_PX = 5.0


def sigmas_px(keypoints: Keypoints) -> Tensor:
    """(M, J, 2) standard deviations in x and y of the Gaussians fitted to heatmaps, px."""
    covariance = fitted_covariance(condition(keypoints, keypoints.skeleton))
    return covariance.diagonal(dim1=-2, dim2=-1).sqrt()


def uncertain_joints(keypoints: Keypoints) -> Tensor:
    """(M,) how many joints are uncertain: along their worst axis more than 2.9 px."""
    covariance = fitted_covariance(condition(keypoints, keypoints.skeleton))
    return (torch.linalg.eigvalsh(covariance)[..., -1].sqrt() > _UNCERTAIN_PX).sum(-1)


@dataclass(frozen=True)
class Subset:
    """A named part of the test observations."""

    name: str
    chosen: Callable[[Keypoints], Tensor]

    def of(self, source: MemorySource) -> MemorySource:
        """The rows of the source that belong to it."""
        rows = self.chosen(source.keypoints).nonzero()[:, 0]
        return selected(source, rows, f"{source.name}, {self.name}")


SUBSETS = {
    "cmu": (
        Subset("at least 5 uncertain joints", lambda k: uncertain_joints(k) >= 5),
        Subset("at least 4 uncertain joints", lambda k: uncertain_joints(k) >= 4),
    ),
    "human36m": (
        Subset("H36MA", lambda k: (sigmas_px(k) > _AMBIGUOUS_PX).any((-1, -2))),
    ),
}  # fmt: skip


def _row(method: Method) -> Row:
    def run(workshop: Workshop, scoring: Scoring) -> Rows:
        lifter, about = method.lifter_of(workshop)
        rows = []
        for subset in SUBSETS[workshop.data.name]:
            poses = subset.of(workshop.data.test)
            row = scored(lifter, poses, scoring)
            rows.append({"method": method.name, "subset": subset.name, **row, **about})
        return rows

    return Row(method.name, run)


# What the covariances are worth: the same flow, trained as long, sees points alone.
_POINTS = Method("coupling_flow_points", "coupling_flow", "_points")

AMBIGUOUS = Study(
    name="ambiguous",
    title="Poses of which the detector is unsure",
    rows=tuple(map(_row, (*METHODS, _POINTS))),
)

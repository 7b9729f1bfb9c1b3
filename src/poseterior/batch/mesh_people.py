"""A few people of a file of bodies, with what is to be shown of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.batch.observed import in_skeleton
from poseterior.data.keypoint_source import KeypointSource
from poseterior.data.prediction_fields import LABELS
from poseterior.geometry.skeleton import Skeleton
from poseterior.keypoints import Keypoints
from poseterior.meshes.body import Body
from poseterior.meshes.mesh_files import BodiesFile, BodyRows
from poseterior.meshes.mesh_posterior import BodySet
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.quantized import quantized_bodies
from poseterior.meshes.vertex_spread import bodies_spread
from poseterior.seeding import generator_from

__all__ = ["BodyPerson", "observed_rows", "people_of"]

# Keeps draws for a row's representatives apart from those of blocks of hypotheses.
_REPRESENTATIVES = 1


@dataclass(frozen=True, eq=False)
class BodyPerson:
    """One person in one frame: hypotheses, the few that stand for them, and the spread.

    Attributes:
        row: of the file.
        labels: `clip`, `frame`, `person` as text, those there are.
        bodies: hypotheses (H,), camera axes.
        weights: (H,), summing to 1.
        representatives: (n,) of the hypotheses, the likeliest first.
        shares: (n,) of the posterior that each stands for, none of them 0.
        effective_number: of the hypotheses, 1 / sum w².
        spread: (V,) metres, see `vertex_spread`.
        joint_spread: (J,) metres, the same of the skeleton's joints relative to its root.
    """

    row: int
    labels: dict[str, str]
    bodies: BodyParameters
    weights: Tensor
    representatives: BodyParameters
    shares: Tensor
    effective_number: float
    spread: Tensor
    joint_spread: Tensor

    @property
    def name(self) -> str:
        """Such as 'frame 3, person 0'."""
        told = ", ".join(f"{key} {value}" for key, value in self.labels.items())
        return told or f"row {self.row}"

    @property
    def mesh_names(self) -> list[str]:
        """Of each representative, such as 'frame_3_person_0_row_3_r1_w0.42', fit for files."""
        told = [f"{key}_{value}" for key, value in self.labels.items()]
        start = re.sub(r"[^\w.-]+", "-", "_".join([*told, f"row_{self.row}"]))
        return [f"{start}_r{n}_w{share:.2f}" for n, share in enumerate(self.shares.tolist(), 1)]


def people_of(
    path: str | os.PathLike[str],
    body: Body,
    skeleton: Skeleton,
    rows: Iterable[int],
    representatives: int = 5,
    seed: int = 0,
) -> list[BodyPerson]:
    """What is to be shown of some rows of a file of bodies, in the file's order.

    Args:
        path: of the file.
        body: that its parameters are of.
        skeleton: whose joints tell hypotheses apart; the body has them as landmarks.
        rows: valid ones.
        representatives: n at most; fewer where there are fewer hypotheses that weigh something.
        seed: of K-means; what comes of a row depends on no other row.
    """
    with BodiesFile(path, body) as file, torch.no_grad():
        return [
            _person(one, body, skeleton, representatives, seed) for one in file.picked(rows)
        ]  # fmt: skip


def _person(one: BodyRows, body: Body, skeleton: Skeleton, count: int, seed: int) -> BodyPerson:
    row = one.start
    every = BodySet(one.parameters, body, skeleton, one.weights)
    generator = generator_from(seed, row, _REPRESENTATIVES)
    few, found = quantized_bodies(every, min(count, len(every.parameters)), generator=generator)
    order = few.weights[:, 0].argsort(descending=True, stable=True)
    order = order[few.weights[order, 0] > 0]
    poses, weights = every.poses(every.parameters)[:, 0], every.weights[:, 0]
    share = weights[:, None, None]
    off = poses - (share * poses).sum(0)
    return BodyPerson(
        row,
        {name: str(one.labels[name][0]) for name in LABELS if name in one.labels},
        every.parameters[:, 0],
        weights,
        few.parameters[order, 0],
        few.weights[order, 0],
        float(found.effective_number[0]),
        bodies_spread(body, every.parameters, every.weights)[0],
        (share * off.square()).sum((0, -1)).sqrt(),
    )


def observed_rows(
    source: KeypointSource, rows: Iterable[int], skeleton: Skeleton, chunk: int = 256
) -> Iterator[Keypoints]:
    """The keypoints (1,) of each of some rows, in the source's order and another skeleton."""
    wanted = set(map(int, rows))
    for read in source.chunks(chunk):
        here = [n for n in range(len(read)) if read.start + n in wanted]
        if here:
            keypoints, _, _ = in_skeleton(read.keypoints, None, skeleton)
            yield from (keypoints[n : n + 1] for n in here)

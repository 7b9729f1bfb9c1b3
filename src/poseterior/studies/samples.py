"""`samples`: the least error against the number of hypotheses.

Paper 001, Figure 5 (ambiguous poses, beside `heatmap_noise` and `cvae`) and Table 5 (few
hypotheses: K-means of 200, or samples); paper 002, Figure 4 and Section 5.3 (up to 4096 samples
of `glow`, K-means of them, poses drawn from the training set, noise around the prediction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.data.keypoint_source import MemorySource
from poseterior.geometry.units import mm
from poseterior.keypoints import Keypoints
from poseterior.metrics.pose_error import mpjpe, pa_mpjpe
from poseterior.posteriors import GaussianPosterior
from poseterior.quantization import quantize
from poseterior.seeding import generator_from
from poseterior.studies.ambiguous import SUBSETS
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.table1 import METHODS
from poseterior.studies.workshop import Workshop

__all__ = ["COUNTS", "SAMPLES", "Draw", "least_errors"]

COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4096)
_QUANTISED = (1, 5, 10, 25, 50, 100, 200)
_SIGMAS_CM = (1, 10, 20)
_MANY, _FEW = 4096, 1000
_BLOCK = 8

# From observations and a generator to hypotheses (H, B, J, 3).
Draw = Callable[[Keypoints, torch.Generator], Tensor]


def least_errors(
    source: MemorySource, draw: Draw, counts: tuple[int, ...], seed: int
) -> Iterator[dict[str, float]]:
    """Min MPJPE and min PA-MPJPE, mm, of the first n hypotheses of each pose, n in `counts`."""
    totals = torch.zeros(2, len(counts), dtype=torch.float64)
    assert source.target is not None
    index = torch.tensor(counts) - 1
    for start in range(0, source.rows, _BLOCK):
        part = slice(start, start + _BLOCK)
        generator = generator_from(seed, start)
        hypotheses, target = draw(source.keypoints[part], generator), source.target[part]
        for k, error in enumerate((mpjpe, pa_mpjpe)):
            least = error(hypotheses, target.expand_as(hypotheses)).cummin(0).values
            totals[k] += least[index].sum(1)
    for n, count in enumerate(counts):
        direct, aligned = (mm(total.item() / source.rows) for total in totals[:, n])
        yield {"hypotheses": count, "min_mpjpe_mm": direct, "min_pa_mpjpe_mm": aligned}


@dataclass(frozen=True)
class _Curve:
    """A method's curve, or several: `draws` gives names, draws and counts."""

    name: str
    draws: Callable[[Workshop], Iterator[tuple[str, Draw, tuple[int, ...]]]]

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        poses = SUBSETS[workshop.data.name][0].of(workshop.data.test)
        return [
            {"method": name, "poses": poses.rows, **numbers}
            for name, draw, counts in self.draws(workshop)
            for numbers in least_errors(poses, draw, counts, scoring.seed)
        ]


def _up_to(most: int) -> tuple[int, ...]:
    return tuple(count for count in COUNTS if count <= most)


def _sampled(method: str, most: int) -> _Curve:
    """The samples of a method of `table1`."""

    def draws(workshop: Workshop) -> Iterator[tuple[str, Draw, tuple[int, ...]]]:
        lifter, _ = next(m for m in METHODS if m.name == method).lifter_of(workshop)

        @torch.no_grad()
        def draw(keypoints: Keypoints, generator: torch.Generator) -> Tensor:
            return lifter(keypoints).sample((most,), generator)

        yield method, draw, _up_to(most)

    return _Curve(method, draws)


def _quantised(name: str, method: str, most: int, counts: tuple[int, ...]) -> _Curve:
    """K-means of `most` samples of a method to each count of representatives."""

    def draws(workshop: Workshop) -> Iterator[tuple[str, Draw, tuple[int, ...]]]:
        lifter, _ = next(m for m in METHODS if m.name == method).lifter_of(workshop)
        for count in counts:

            @torch.no_grad()
            def draw(
                keypoints: Keypoints, generator: torch.Generator, count: int = count
            ) -> Tensor:
                hypotheses = lifter(keypoints).sample((most,), generator)
                return quantize(hypotheses, count, generator=generator)[0]

            yield name, draw, (count,)

    return _Curve(name, draws)


def _from_training(workshop: Workshop) -> Iterator[tuple[str, Draw, tuple[int, ...]]]:
    """Poses of the training set, whatever is observed."""
    _, poses = workshop.data.source(_MANY, workshop.seed).batch(0)

    def draw(keypoints: Keypoints, generator: torch.Generator) -> Tensor:
        order = torch.randperm(len(poses), generator=generator)
        return poses[order][:, None].expand(-1, keypoints.batch_shape[0], -1, -1)

    yield "training_poses", draw, COUNTS


def _around(workshop: Workshop) -> Iterator[tuple[str, Draw, tuple[int, ...]]]:
    """N(mode of `glow`, sigma² I)."""
    lifter = workshop.trained("glow").lifter
    for sigma in _SIGMAS_CM:

        @torch.no_grad()
        def draw(keypoints: Keypoints, generator: torch.Generator, sigma: int = sigma) -> Tensor:
            mode = lifter(keypoints).mode
            spread = torch.full((len(mode),), sigma / 100)
            return GaussianPosterior(mode, spread, lifter.skeleton).sample((_MANY,), generator)

        yield f"noise_{sigma}_cm", draw, COUNTS


_CURVES = (
    _sampled("cinn", _FEW),
    _sampled("heatmap_noise", _FEW),
    _sampled("cvae", _FEW),
    _sampled("coupling_flow", _FEW),
    _sampled("mdn_samples", _FEW),
    _quantised("cinn_kmeans_of_200", "cinn", 200, (5,)),
    _sampled("glow", _MANY),
    _quantised("glow_kmeans_of_4096", "glow", _MANY, _QUANTISED),
    _Curve("training_poses", _from_training),
    _Curve("noise_around_glow", _around),
)

SAMPLES = Study(
    name="samples",
    title="The least error against the number of hypotheses, on ambiguous poses",
    rows=tuple(Row(curve.name, curve.run) for curve in _CURVES),
)

"""All scores of a stream of predictions in one dictionary, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.geometry.units import mm
from poseterior.metrics.bootstrap import ClipGroups, GroupSums, resamples
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.coverage import Centre, Coverage, CoverageResult, Rule
from poseterior.metrics.histogram import Histogram
from poseterior.metrics.pose_error import joint_errors, masked_mean, pose_errors
from poseterior.metrics.reliability import by_level
from poseterior.metrics.scorecard import (
    MEAN_KEYS,
    SCORE_KEYS,
    coverage_score,
    ece_scores,
    mean_scores,
    per_joint,
    reliability,
)
from poseterior.metrics.scores import crps, energy_score, joint_variance, nll
from poseterior.metrics.weighted import hypotheses_last, normalised, weighted_mean

__all__ = ["ScoreAccumulator"]

_CENTRES: tuple[Centre, ...] = ("median", "mean", "mode", "latent_centre")
_HISTOGRAM_TOPS_MM = {
    "mpjpe_mean_mm": 300.0, "expected_mpjpe_mm": 300.0, "min_mpjpe_mm": 300.0,
    "min_pa_mpjpe_mm": 300.0, "energy_score_mm": 1500.0, "crps_mm": 150.0,
}  # fmt: skip


class ScoreAccumulator:
    """Streams poses with their hypotheses; `compute` gives every score, null as None.

    A score is the mean over poses; within a pose over its valid joints. The root counts in
    pose errors and in nothing else. With one hypothesis a pose errors are scored and every
    calibration number is None.

    Args:
        skeleton: of hypotheses and targets.
        rule: of the calibration error, see `coverage.first_covered_level`.
        replicates: bootstrap replicates of the 95 % intervals.
        seed: of the bootstrap.
        block: rows that count as one clip where no clips are given.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> draw = 0.05 * torch.randn(400, 21, 17, 3, generator=torch.Generator().manual_seed(0))
    >>> draw[:, :, 0] = 0
    >>> scores = ScoreAccumulator(H36M_17)
    >>> scores.update(draw[:200, 1:], draw[:200, 0])
    >>> scores.update(draw[200:, 1:], draw[200:, 0])
    >>> found = scores.compute()
    >>> found["poses"], round(found["mpjpe_mean_mm"]), round(found["ece_median"], 2), found["nll"]
    (400, 77, 0.04, None)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        rule: Rule = "interpolated",
        replicates: int = 1000,
        seed: int = 0,
        block: int = 50,
    ) -> None:
        self.skeleton, self.rule, self.replicates, self.seed = skeleton, rule, replicates, seed
        self._free = list(skeleton.free)
        self._groups = ClipGroups(block=block)
        # Per group and key: the sum of values, and how many poses have one.
        self._means = GroupSums(len(MEAN_KEYS), 2)
        self._joints = torch.zeros(len(skeleton), 2, dtype=torch.float64)
        self._coverage = {centre: Coverage(skeleton, centre, rule) for centre in _CENTRES}
        self._histograms = {key: Histogram(top) for key, top in _HISTOGRAM_TOPS_MM.items()}
        self.poses = self.invalid = self.hypotheses = 0
        self._weighted = False

    @torch.no_grad()
    def update(
        self,
        hypotheses: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        mode: Tensor | None = None,
        latent_centre: Tensor | None = None,
        target_log_prob: Tensor | None = None,
        valid_joints: Tensor | None = None,
        clip: Sequence[object] | None = None,
    ) -> None:
        """Add poses: hypotheses (M, H, J, 3) and target (M, J, 3), metres, pose first.

        Args:
            hypotheses: (M, H, J, 3), H the same in every call.
            target: (M, J, 3).
            weights: (M, H) of the hypotheses, >= 0; equal if None.
            mode: (M, J, 3), where the file has it.
            latent_centre: (M, J, 3), where the file has it.
            target_log_prob: (M,) nats of the target, where a density exists.
            valid_joints: (M, J) bool; the other joints are not looked at. A pose without a
                valid joint is counted as invalid and not scored.
            clip: (M,) labels of the clips that the intervals resample.

        Raises:
            InputError: for shapes that do not fit, values that are not finite, bad weights.
        """
        group = self._groups(clip, len(target))
        chunk = Chunk(
            hypotheses, target, group, weights, mode, latent_centre, target_log_prob, valid_joints
        )
        chunk.check(self.skeleton)
        count = hypotheses.shape[1]
        require(
            self.hypotheses in (0, count), "score", "hypotheses",
            expected=f"{self.hypotheses} per pose, as before", found=count,
        )  # fmt: skip
        self.hypotheses = count
        self._weighted |= normalised(weights) is not None
        for piece in chunk.pieces():
            self._add(piece)

    def _add(self, chunk: Chunk) -> None:
        valid = chunk.valid_joints
        empty = 0 if valid is None else int((~valid.any(-1)).sum())
        self.poses, self.invalid = self.poses + len(chunk.target) - empty, self.invalid + empty
        values = self._pose_values(chunk)
        if self.hypotheses > 1:
            values |= self._calibration_values(chunk)
            self._cover(chunk)
        if chunk.target_log_prob is not None:
            values["nll"] = nll(chunk.target_log_prob)
            if valid is not None:
                values["nll"] = values["nll"].where(valid.any(-1), torch.nan)
        absent = chunk.target.new_full((len(chunk.target),), torch.nan, dtype=torch.float64)
        table = torch.stack([values.get(key, absent) for key in MEAN_KEYS], dim=-1)
        self._means.add(chunk.group, torch.stack([table.nan_to_num(0.0), ~table.isnan()], dim=-1))
        for key, histogram in self._histograms.items():
            histogram.add(values.get(key, absent))

    def _pose_values(self, chunk: Chunk) -> dict[str, Tensor]:
        mean = weighted_mean(chunk.hypotheses, chunk.weights)
        errors = joint_errors(mean, chunk.target)
        valid = torch.ones_like(errors) if chunk.valid_joints is None else chunk.valid_joints
        self._joints += torch.stack([(errors * valid).sum(0), valid.sum(0)], dim=-1).cpu()
        return pose_errors(
            chunk.hypotheses, chunk.target, root=self.skeleton.root, weights=chunk.weights,
            mode=chunk.mode, latent_centre=chunk.latent_centre, valid_joints=chunk.valid_joints,
        )  # fmt: skip

    def _calibration_values(self, chunk: Chunk) -> dict[str, Tensor]:
        free = hypotheses_last(chunk.hypotheses, self._free)
        target, weights = chunk.target[:, self._free], chunk.weights
        valid = None if chunk.valid_joints is None else chunk.valid_joints[:, self._free]
        energy = energy_score(free, target, weights=weights, valid_joints=valid)
        return {
            "energy_score_mm": mm(energy),
            "crps_mm": mm(masked_mean(crps(free, target, weights=weights).mean(-1), valid)),
            # Its mean over poses is a variance in mm²; `mean_scores` takes the root.
            "sharpness_mm": mm(mm(masked_mean(joint_variance(free, weights), valid))),
        }

    def _cover(self, chunk: Chunk) -> None:
        points = {"median": None, "mean": None, "mode": chunk.mode,
                  "latent_centre": chunk.latent_centre}  # fmt: skip
        for centre, point in points.items():
            if point is not None or centre in ("median", "mean"):
                self._coverage[centre].update(  # type: ignore[index]
                    chunk.hypotheses, chunk.target, centre=point, weights=chunk.weights,
                    valid_joints=chunk.valid_joints, group=chunk.group,
                )  # fmt: skip

    def compute(self) -> dict[str, Any]:
        """The scores of all poses so far, ready for JSON.

        Returns:
            The keys of `score --json`: counts (`poses` scored, `invalid`, `hypotheses`), the
            scores, and `coverage` {level: median over joints}; None where not computable.
            Beside them `intervals` {key: [low, high]}, the bootstrap's 95 % by clip;
            `coverage_90` and its interval;
            `scored` {key: poses that have the number}; `per_joint` {joint: ece, mpjpe_mm,
            coverage}; `reliability` with its binomial `band` and what a `perfect` posterior
            scores; `histograms` {key: edges, counts}.
        """
        draws = resamples(len(self._means.sums), self.replicates, self.seed)
        found = mean_scores(self._means, draws) | ece_scores(self._coverage, draws)
        median = None if self._coverage["median"].empty else self._coverage["median"].compute()
        covered = coverage_score(self._coverage["median"], draws)
        counts = self._means.sums[..., 1].sum(0).long().tolist()
        return {
            "poses": self.poses,
            "invalid": self.invalid,
            "hypotheses": self.hypotheses,
            "skeleton": self.skeleton.name,
            **{key: found[key].value for key in SCORE_KEYS},
            "coverage": None if median is None else by_level(median),
            "intervals": {key: found[key].interval for key in SCORE_KEYS},
            "coverage_90": covered.value,
            "coverage_90_interval": covered.interval,
            "scored": dict(zip(MEAN_KEYS, counts, strict=True)),
            "per_joint": per_joint(self.skeleton, self._joints, median),
            "reliability": self._reliability(median),
            "histograms": {key: value.compute() for key, value in self._histograms.items()},
        }

    def _reliability(self, median: CoverageResult | None) -> dict[str, Any] | None:
        if median is None:
            return None
        return reliability(median, None if self._weighted else self.hypotheses, self.rule)

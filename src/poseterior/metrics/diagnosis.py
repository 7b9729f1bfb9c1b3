"""Whether to trust a posterior, and why not: every diagnostic of a stream of predictions.

Each is silent on a right posterior at any number of hypotheses and poses, and says how sure it
is. What the tests can see: a shift of one side (`biased`), spreads that need different factors
(`wrong_by_joint`) or one (`overconfident`, `underconfident`), joints that move together too much
or too little (`miscorrelated`). A posterior that ignores its input may be right in all of this:
only `skill` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from poseterior.credible import fewest_hypotheses
from poseterior.errors import require
from poseterior.geometry.skeleton import Skeleton
from poseterior.metrics import rank_tables
from poseterior.metrics.bootstrap import ClipGroups, resamples
from poseterior.metrics.chunk import Chunk
from poseterior.metrics.cluster_test import effective_groups
from poseterior.metrics.decomposed import DecomposedScores
from poseterior.metrics.evidence import Evidence, all_tests
from poseterior.metrics.rank_sums import RankSums
from poseterior.metrics.risk_coverage import RiskCoverage
from poseterior.metrics.scores import energy_score
from poseterior.metrics.skill import PosteriorSkill
from poseterior.metrics.spread_skill import SpreadSkill
from poseterior.metrics.strata import Strata
from poseterior.metrics.summary import ScoreAccumulator
from poseterior.metrics.verdict import Limits, decide, named, skill_words
from poseterior.metrics.weighted import hypotheses_last

__all__ = ["LEAST_HYPOTHESES", "Diagnosis"]

LEAST_HYPOTHESES = fewest_hypotheses(0.9)
# Tests kept of a family: all that are significant, and the strongest.
_STRONGEST = 3


class Diagnosis:
    """Streams poses with their hypotheses; `compute` gives the verdict and all that it rests on.

    Args:
        skeleton: of hypotheses and targets.
        limits: which effects are worth naming.
        by: what the labels given to `update` as `clip` are, such as "clip"; "row" where every
            row is independent of all others.
        block: rows that count as one clip where no labels are given.
        replicates: of the bootstrap.
        seed: of ties, references, subsets of pairs and the bootstrap.

    >>> from poseterior.geometry.skeleton import H36M_17
    >>> draw = 0.05 * torch.randn(400, 51, 17, 3, generator=torch.Generator().manual_seed(0))
    >>> draw[:, :, 0] = 0
    >>> narrow = Diagnosis(H36M_17, by="row")
    >>> narrow.update(0.5 * draw[:, 1:], draw[:, 0])
    >>> narrow.compute()["verdict"]
    'overconfident'
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        limits: Limits | None = None,
        by: str = "clip",
        block: int = 50,
        replicates: int = 1000,
        seed: int = 0,
    ) -> None:
        self.skeleton, self.limits, self.by = skeleton, limits or Limits(), by
        self._free = list(skeleton.free)
        self._groups = ClipGroups(block=1 if by == "row" else block)
        self._labelled = False
        self._score = ScoreAccumulator(
            skeleton, replicates=replicates, seed=seed, block=1 if by == "row" else block
        )
        self._ranks = RankSums(skeleton, seed)
        self._strata = Strata(skeleton.free)
        self._decomposed = DecomposedScores(skeleton, seed=seed)
        self._spread_skill = SpreadSkill(skeleton, seed=seed)
        self._risk = RiskCoverage(skeleton, seed=seed)
        self._skill = PosteriorSkill(skeleton, seed=seed)
        self._replicates, self._seed, self._rows = replicates, seed, 0

    @torch.no_grad()
    def update(
        self,
        hypotheses: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        mode: Tensor | None = None,
        latent_centre: Tensor | None = None,
        log_prob: Tensor | None = None,
        target_log_prob: Tensor | None = None,
        valid_joints: Tensor | None = None,
        observed: Tensor | None = None,
        clip: Sequence[object] | None = None,
    ) -> None:
        """Add poses: hypotheses (M, H, J, 3) and target (M, J, 3), metres, pose first.

        Args:
            hypotheses: (M, H, J, 3), H at least 19 and the same in every call.
            target: (M, J, 3).
            weights: (M, H) of the hypotheses, >= 0; equal if None.
            mode: (M, J, 3), where the file has it.
            latent_centre: (M, J, 3), where the file has it.
            log_prob: (M, H) nats of the hypotheses, where a density exists.
            target_log_prob: (M,) nats of the target.
            valid_joints: (M, J) bool; the other joints are not looked at.
            observed: (M, J) bool, joints that the observation had.
            clip: (M,) labels; poses of different ones are independent.

        Raises:
            InputError: as `ScoreAccumulator.update`; too few hypotheses; hypotheses of a joint
                that are all the same.
        """
        clip = None if self.by == "row" else clip
        self._labelled |= clip is not None
        known: dict[str, Any] = {
            "weights": weights, "target_log_prob": target_log_prob, "valid_joints": valid_joints,
        }  # fmt: skip
        count = hypotheses.shape[1]
        require(
            count >= LEAST_HYPOTHESES, "diagnose", "hypotheses", found=count,
            expected=f"{LEAST_HYPOTHESES} or more per pose, for intervals of 90 %",
        )  # fmt: skip
        self._score.update(
            hypotheses, target, mode=mode, latent_centre=latent_centre, clip=clip, **known
        )
        group = self._groups(clip, len(target))
        chunk = Chunk(hypotheses, target, group, log_prob=log_prob, observed=observed, **known)
        chunk.check(self.skeleton)
        for piece in chunk.pieces():
            self._add(piece)

    def _add(self, piece: Chunk) -> None:
        valid = piece.valid_joints
        if valid is not None:
            piece = piece.rows(valid[:, self._free].any(1))
        if not len(piece.target):
            return
        self._check_spread(piece)
        self._strata.update(piece, *self._ranks.update(piece))
        energy = self._energy(piece)
        given: dict[str, Any] = {
            "hypotheses": piece.hypotheses, "target": piece.target, "weights": piece.weights,
            "valid_joints": piece.valid_joints, "group": piece.group,
        }  # fmt: skip
        self._decomposed.update(**given, energy=energy)
        self._skill.update(**given, energy=energy)
        self._spread_skill.update(**given)
        self._risk.update(**given)
        self._rows += len(piece.target)

    def _energy(self, piece: Chunk) -> Tensor:
        """Of the free joints, which two of the parts need."""
        valid = None if piece.valid_joints is None else piece.valid_joints[:, self._free]
        free = hypotheses_last(piece.hypotheses, self._free)
        return energy_score(
            free, piece.target[:, self._free], weights=piece.weights, valid_joints=valid
        )

    def _check_spread(self, piece: Chunk) -> None:
        free = piece.hypotheses[:, :, self._free]
        constant = (free == free[:, :1]).all(1).all(-1)
        if piece.valid_joints is not None:
            constant &= piece.valid_joints[:, self._free]
        wrong = constant.nonzero()
        if len(wrong):
            row, k = wrong[0].tolist()
            joint = self.skeleton.joints[self._free[k]]
            require(
                False, "diagnose", "hypotheses", expected="hypotheses that differ",
                found=f"{free.shape[1]} times the same {joint} in pose {self._rows + row}",
            )  # fmt: skip

    def compute(self) -> dict[str, Any]:
        """The diagnosis of all poses so far, ready for JSON; parts that cannot be told are None.

        Returns:
            `verdict`, `words`, `evidence`, `groups`, `factors`, `bias`, `ranks`, `whole_pose`,
            `scores`, `sharpness_mm`, `spread_skill`, `risk_coverage`, `skill`, `skill_scores`,
            `strata`, `perfect`, and `score`, the dictionary of `ScoreAccumulator.compute`.
        """
        counts = self._ranks.counts.sum(-1)
        effective = effective_groups(counts).item()
        tests = all_tests(self._ranks)
        found = decide(tests, self.limits, effective)
        draws = resamples(len(counts), self._replicates, self._seed)
        score = self._score.compute()
        by = self.by if self._labelled or self.by == "row" else "block"
        kept = ("poses", "invalid", "hypotheses", "skeleton")
        strata = self._strata.compute(self._ranks.hypotheses) + rank_tables.joints(self._ranks)
        ranks = rank_tables.ranks(self._ranks)
        skill = self._skill.compute(draws)
        return {
            "verdict": found.verdict,
            "words": [*found.words, *skill_words(skill)],
            "evidence": [self._plain(test) for test in _worth_keeping(tests, self.limits)],
            **{key: score[key] for key in kept},
            "alpha": self.limits.alpha,
            "groups": {"by": by, "count": len(counts), "effective": effective},
            "factors": rank_tables.factors(self._ranks),
            "bias": rank_tables.bias(self._ranks),
            "ranks": ranks,
            "whole_pose": rank_tables.whole_pose(self._ranks),
            **self._decomposed.compute(draws),
            "spread_skill": self._spread_skill.compute(draws),
            "risk_coverage": self._risk.compute(draws),
            "skill": None if skill is None else skill["value"],
            "skill_scores": skill,
            "strata": strata + rank_tables.clips(self._ranks, self._groups.names),
            "perfect": rank_tables.perfect(self._ranks, score, ranks["independent_poses"]),
            "score": score,
        }

    def _plain(self, test: Evidence) -> dict[str, Any]:
        """A test for JSON, with what the verdict made of it."""
        return test.plain(self.limits.each) | {"named": named(test, self.limits)}


def _worth_keeping(tests: Sequence[Evidence], limits: Limits) -> list[Evidence]:
    """Of hundreds of tests of bias and dependence the significant and the strongest."""
    kept = []
    for family in dict.fromkeys(test.test for test in tests):
        own = [test for test in tests if test.test == family]
        if family in ("bias", "dependence"):
            own.sort(key=lambda test: test.p_value)
            own = [t for n, t in enumerate(own) if n < _STRONGEST or t.p_value < limits.each][:24]
        kept += own
    return kept

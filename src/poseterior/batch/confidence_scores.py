"""A results file beside its annotations: matched once, scored under any confidences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.confidence.coco_score import CocoEvaluation, CocoScore
from poseterior.confidence.detector_scores import is_probability
from poseterior.confidence.matching import Matches, best_matches
from poseterior.confidence.parts import parts_of, sigmas_of
from poseterior.confidence.precision_threshold import ByThreshold
from poseterior.confidence.sample import Sample
from poseterior.confidence.similarity import Group, groups, keypoint_similarity, similarity
from poseterior.data.coco import CocoPeople, CocoResults, read_people, read_results
from poseterior.metrics.correlation import Pearson
from poseterior.metrics.probability_calibration import ProbabilityCalibration
from poseterior.metrics.sparsification import Sparsification

__all__ = ["Judged", "ScoredResults"]


@dataclass(frozen=True, eq=False)
class Judged:
    """Some confidences of the detections (N) and their K keypoints, judged.

    Attributes:
        numbers: what a report tells of them.
        keypoints: (N, K), the keypoints' confidences.
        coco: precision and recall of people.
        people: `Sparsification.compute` of 1 - OKS of people.
        calibration: `ProbabilityCalibration.compute` of keypoints, None if no probabilities.
        by_threshold: precision and recall from each score on.
    """

    numbers: dict[str, Any]
    keypoints: NDArray[np.float64]
    coco: CocoEvaluation
    people: dict[str, Any]
    calibration: dict[str, Any] | None
    by_threshold: ByThreshold


@dataclass(frozen=True, eq=False)
class ScoredResults:
    """Detections (N) with K keypoints, and who they are.

    Attributes:
        people: the annotations.
        results: the detections.
        sigmas: (K,) OKS constants.
        groups: detections and people of each image and category.
        oks: (D, G) of each group.
        matches: of the detections.
        labelled: (N, K) bool, of whoever a detection is.
        keypoint_oks: (N, K), with whoever it is.
    """

    people: CocoPeople
    results: CocoResults
    sigmas: NDArray[np.float64]
    groups: list[Group]
    oks: list[NDArray[np.float64]]
    matches: Matches
    labelled: NDArray[np.bool_]
    keypoint_oks: NDArray[np.float64]

    @staticmethod
    def read(results: Path, annotations: Path) -> ScoredResults:
        """Both files, matched; `InputError` as of `read_people` and `read_results`."""
        people = read_people(annotations)
        found = read_results(results, people)
        sigmas = sigmas_of(people)
        together = groups(people, found)
        oks = [similarity(group, people, found, sigmas) for group in together]
        matches = best_matches(together, oks, people, len(found))
        mine = matches.person >= 0
        labelled = people.labelled[matches.person.clip(min=0)] & mine[:, None]
        each = keypoint_similarity(found, people, matches.person, sigmas)
        return ScoredResults(people, found, sigmas, together, oks, matches, labelled, each)

    @property
    def sample(self) -> Sample:
        """What repairs are fitted on."""
        person = self.matches.person
        return Sample(
            score=self.results.score,
            keypoint_score=self.results.keypoint_score,
            box_area=self.results.box_area,
            sigmas=self.sigmas,
            covariance=self.results.covariance,
            visibility=self.results.visibility,
            matched=person >= 0,
            counted=self.matches.counted,
            area=np.where(person >= 0, self.people.area[person.clip(min=0)], np.nan),
            labelled=self.labelled,
            keypoint_oks=self.keypoint_oks,
        )

    @cached_property
    def parts(self) -> dict[str, slice]:
        """Columns of the parts, none where the keypoints have no parts."""
        return parts_of(len(self.sigmas))

    @cached_property
    def _coco(self) -> CocoScore:
        return CocoScore(self.people, self.results, self.groups, self.oks)

    def in_order(self, score: NDArray[np.float64]) -> CocoEvaluation:
        """COCO's evaluation of the detections in the order of any numbers (N,)."""
        return self._coco.evaluate(score)

    def judge(
        self,
        person: NDArray[np.float64],
        keypoints: NDArray[np.float64],
        part_scores: dict[str, NDArray[np.float64]],
        precision: float,
    ) -> Judged:
        """Confidences (N,) of people and (N, K) of keypoints.

        `part_scores` (N,) are the confidences that the parts are ranked by.
        """
        coco, calibration = self.in_order(person), self._calibration(keypoints)
        people = _sparsification(person, self.matches.oks, self.matches.counted)
        each = _sparsification(keypoints, self.keypoint_oks, self.labelled)
        by_threshold = ByThreshold.of(self.groups, self.oks, self.people, person)
        told: dict[str, Any] = coco.numbers() | _ranking(people)
        told |= {f"{name}_keypoint": value for name, value in _ranking(each).items()}
        known = calibration or {}
        told |= {f"{key}_keypoint": known.get(key) for key in ("brier", "ece", "bias", "verdict")}
        told["threshold"] = by_threshold.lowest(precision)
        if self.parts:
            told["parts"] = {
                name: self._part(columns, part_scores[name]) for name, columns in self.parts.items()
            }
        return Judged(told, keypoints, coco, people, calibration, by_threshold)

    def _calibration(self, keypoints: NDArray[np.float64]) -> dict[str, Any] | None:
        """Diagram, Brier score and verdict of keypoint confidences, if from 0 to 1."""
        mine = self.labelled.any(1)
        if not is_probability(keypoints) or not mine.any():
            return None
        judged = ProbabilityCalibration()
        values = (keypoints, self.keypoint_oks, self.labelled)
        p, oks, labelled = (torch.from_numpy(of[mine]) for of in values)
        judged.update(p, oks, labelled)
        return judged.compute()

    def _part(self, columns: slice, score: NDArray[np.float64]) -> dict[str, Any]:
        """COCO's numbers, AUSE and Pearson of a part; people without it are ignored."""
        scorer, labelled = self._part_scorer(columns), self.labelled[:, columns]
        total = np.where(labelled, self.keypoint_oks[:, columns], 0.0).sum(1)
        accuracy = total / labelled.sum(1).clip(min=1)
        counted = self.matches.counted & (labelled.any(1) | (self.matches.person < 0))
        return scorer(score) | _ranking(_sparsification(score, accuracy, counted))

    def _part_scorer(self, columns: slice) -> CocoScore:
        ignored = self.people.crowd | ~self.people.labelled[:, columns].any(1)
        oks = [similarity(group, self.people, self.results, self.sigmas[columns], columns)
               for group in self.groups]  # fmt: skip
        return CocoScore(self.people, self.results, self.groups, oks, ignored)


def _sparsification(
    confidence: NDArray[np.float64], accuracy: NDArray[np.float64], counted: NDArray[np.bool_]
) -> dict[str, Any]:
    """AUSE of 1 - accuracy with its curves, and Pearson's correlation of the two."""
    sure, right = torch.from_numpy(confidence[counted]), torch.from_numpy(accuracy[counted])
    pearson, ause = Pearson(), Sparsification()
    pearson.update(sure, right)
    ause.update(sure, 1 - right)
    return {**ause.compute(), "pearson": pearson.compute()}


def _ranking(found: dict[str, Any]) -> dict[str, float | None]:
    return {key: found[key] for key in ("ause", "ause_share", "pearson")}

"""How good confidences are: COCO's numbers, AUSE, correlation, PCK, and the curves behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseterior.confidence.coco_score import CocoScore
from poseterior.confidence.parts import sigmas_of
from poseterior.confidence.similarity import groups, similarity
from poseterior.data.coco import CocoPeople, CocoResults, read_people
from poseterior.data.people_crops import PeopleCrops
from poseterior.geometry.skeleton import COCO_17
from poseterior.metrics.keypoint_confidence import KeypointConfidence
from poseterior.metrics.oks import counted_mean
from poseterior.metrics.pck import pck_hits, torso_length
from poseterior.metrics.ranked_precision import OKS_THRESHOLDS
from poseterior.studies.ccnet_bench import Said, people_data
from poseterior.studies.ccnet_seen import SeenPeople
from poseterior.studies.workshop import Workshop

__all__ = ["RECALLS", "Judge", "chance", "gain_interval", "precision_recall"]

Array = NDArray[np.float64]
RECALLS = np.linspace(0, 1, 51)
_COCO = ("map", "mar", "ap50", "ap75", "ap_m", "ap_l")
_RANKED = ("ause_instance", "ause_keypoint", "pearson_instance", "pearson_keypoint")
_SHARES = {"pck50": 0.5, "pck10": 0.1}  # of the torso: nobody's head is annotated
_LEAST_TORSO = 1.0  # px of the crop


@dataclass(frozen=True, eq=False)
class Judge:
    """Scores any confidences of one detector's people.

    Attributes:
        seen: the people, as they are.
        coco: COCO's numbers under confidences (N,) of the people.
        oks: (N,) of the people.
    """

    seen: SeenPeople
    coco: CocoScore
    oks: Array

    @staticmethod
    def of(workshop: Workshop, seen: SeenPeople) -> Judge:
        """Of the split test; `InputError` for annotations that COCO's evaluation cannot take."""
        data = people_data(workshop)
        return Judge.on(data.root / "annotations_test.json", data.people["test"], seen)

    @staticmethod
    def on(annotations: Path, people: PeopleCrops, seen: SeenPeople) -> Judge:
        """Of people whose annotations are in a file."""
        truth = read_people(annotations)
        found = _results(truth, people, seen)
        together, sigmas = groups(truth, found), sigmas_of(truth)
        oks = [similarity(group, truth, found, sigmas) for group in together]
        every = counted_mean(torch.from_numpy(np.array(seen["oks"])), torch.tensor(seen.labelled))
        return Judge(seen, CocoScore(truth, found, together, oks), every.numpy())

    def row(self, said: Said) -> dict[str, Any]:
        """A row's numbers, and `details`: `reliability`, `curve`, `verdict` and the like."""
        coco, judged = self.coco(said.person), self._ranked(said)
        pck = self._pck(said)
        order = ("pck50", "pck10", "ause_pck50", "ause_pck10")
        keys = ("brier", "ece", "bias", "verdict", "reliability")
        details = {key: judged[key] for key in keys}
        details["curve"] = precision_recall(said.person, self.oks).tolist()
        return {
            "map": coco["map"], "mar": coco["mar"],
            **{key: judged[key] for key in _RANKED},
            **{key: coco[key] for key in _COCO[2:]},
            **{key: pck[key] for key in order},
            "details": details,
        }  # fmt: skip

    def _ranked(self, said: Said) -> dict[str, Any]:
        judged = KeypointConfidence()
        oks = torch.from_numpy(np.nan_to_num(self.seen["oks"]))
        judged.update(*self._told(said), oks, torch.tensor(self.seen.labelled))
        return judged.compute()

    def _pck(self, said: Said) -> Mapping[str, Any]:
        """Of people whose torso is labelled at both ends and can be measured."""
        true = torch.from_numpy(np.array(self.seen["true"]))
        labelled = true[..., 2] > 0
        length = torso_length(true[..., :2], COCO_17)
        ends = [COCO_17.index(name) for name in ("left_shoulder", "right_hip")]
        some = labelled[:, ends].all(1) & (length > _LEAST_TORSO)
        pixels = torch.from_numpy(np.array(self.seen["pixels"]))[some]
        hits = {name: pck_hits(pixels, true[some, :, :2], length[some], share)
                for name, share in _SHARES.items()}  # fmt: skip
        judged = KeypointConfidence()
        person, keypoints = (value[some] for value in self._told(said))
        oks = torch.from_numpy(np.nan_to_num(self.seen["oks"]))[some]
        judged.update(person, keypoints, oks, labelled[some], hits)
        return {f"{kind}{name}": None for kind in ("", "ause_") for name in _SHARES} | (
            judged.compute()
        )

    @staticmethod
    def _told(said: Said) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(said.person), torch.tensor(said.keypoints)


def _results(truth: CocoPeople, people: PeopleCrops, seen: SeenPeople) -> CocoResults:
    """The detections as results of COCO's format, in px of the image, without boxes."""
    ratio = (seen["scale"] / people.affine[:, 2])[:, None, None]
    places = (seen["pixels"] + 0.5) * ratio - 0.5
    places = people.affine[:, None, :2] + people.affine[:, None, 2:] * places
    low, high = places.min(1), places.max(1)
    keypoints = np.concatenate([places, np.asarray(seen["confidence"])[..., None]], -1)
    return CocoResults(
        source="detections", entries=[], image=np.searchsorted(truth.image_ids, people.image_id),
        category=np.full(len(seen), truth.categories[0]), score=np.ones(len(seen)),
        keypoints=keypoints, box=np.concatenate([low, high - low], 1), has_boxes=False,
    )  # fmt: skip


def precision_recall(confidence: Array, oks: Array) -> Array:
    """Precision (51,) at the recalls `RECALLS`, mean over the ten thresholds (paper 003, Fig. 1).

    As COCO's: the best precision at that recall or a greater one, 0 beyond. The area under it is
    the mAP, but for the grid.
    """
    right = oks[np.argsort(-confidence, kind="stable")][:, None] > np.array(OKS_THRESHOLDS)
    hits = right.cumsum(0)
    precision = hits / np.arange(1, len(oks) + 1)[:, None]
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = [np.searchsorted(hits[:, t] / len(oks), RECALLS) for t in range(right.shape[1])]
    padded = np.concatenate([best, np.zeros((1, right.shape[1]))])
    return np.mean([padded[place, t] for t, place in enumerate(at)], 0)


def gain_interval(
    before: Array, after: Array, oks: Array, resamples: int = 400, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the gain of mAP from confidences (N,) to others, people resampled.

    Of the mAP that `precision_recall` holds, which follows COCO's to a few thousandths.
    """
    draw = np.random.default_rng(seed)
    gains = []
    for _ in range(resamples):
        rows = draw.integers(len(oks), size=len(oks))
        each = [precision_recall(of[rows], oks[rows]).mean() for of in (before, after)]
        gains.append(each[1] - each[0])
    low, high = np.quantile(gains, [0.025, 0.975])
    return float(low), float(high)


def chance(oks: Array) -> Array:
    """The same of confidences drawn at random, in expectation: each threshold's recall."""
    recall = (oks[:, None] > np.array(OKS_THRESHOLDS)).mean(0)
    return np.where(RECALLS[:, None] <= recall, recall, 0.0).mean(1)

"""`ConfidentDetector`: a detector whose confidences are expected OKS (paper 003, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from poseterior.confidence.ccnet import CCNet
from poseterior.detectors.feature_detector import FeatureDetector
from poseterior.detectors.topdown import Located, People, detect_people
from poseterior.errors import require
from poseterior.keypoints import Keypoints

__all__ = ["ConfidentDetector"]


class ConfidentDetector:
    """A `Detector` that asks a confidence network what its detector has seen.

    Keypoints and covariances are the detector's. `confidence` of each keypoint is its expected
    OKS, and `score` that of the person (Eq. 7, with the predicted visibility). The network takes
    the features that the joints are made of, so it costs one layer more.

    Args:
        detector: shows its features.
        network: trained on this very detector; `training.confidence_network.open_ccnet` sees
            to it.
    """

    def __init__(self, detector: FeatureDetector, network: CCNet) -> None:
        found, expected = network.skeleton.name, detector.skeleton.name
        require(found == expected, "ccnet", "skeleton", expected=expected, found=found)
        self.detector, self.network = detector, network.eval()
        self.name, self.skeleton = detector.name, detector.skeleton

    def detect(self, images: Sequence[np.ndarray], boxes: Sequence[Tensor]) -> list[Keypoints]:
        """See `Detector.detect`."""
        batch_size = self.detector.batch_size
        return detect_people(images, boxes, self._locate, batch_size, self.skeleton)

    @torch.no_grad()
    def _locate(self, people: People) -> Located:
        found = self.detector.locate(people, self.network.config.inputs)
        assert found.features is not None
        said = self.network(found.features)
        return replace(found, confidence=said.keypoints, score=said.instance, features=None)

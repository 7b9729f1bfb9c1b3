"""Which of two joints is nearer: hypotheses ranked by it (Sharma et al., ICCV 2019).

A relation of joints i and j is NEARER, FARTHER or EQUAL: i is nearer to the camera than j by
the tolerance or more, farther, or neither. Hypotheses whose relations are likely score high,
and a softmax of the scores weights them for one estimate. Depth is z of whatever axes the
poses are in; they have to be the same for poses and probabilities.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseterior.errors import require
from poseterior.lifters.residual import ResidualNetwork

__all__ = [
    "EQUAL", "FARTHER", "NEARER", "TOLERANCE_M", "OrdinalNetwork", "ordinal_relations",
    "ordinal_scores", "ordinal_weights",
]  # fmt: skip

NEARER, FARTHER, EQUAL = 0, 1, 2
# As in the authors' code.
TOLERANCE_M = 0.001


def ordinal_relations(pose: Tensor, tolerance_m: float = TOLERANCE_M) -> Tensor:
    """Relations (..., J, J) of poses (..., J, 3): NEARER, FARTHER or EQUAL, i first."""
    depth = pose[..., 2]
    behind = depth[..., None, :] - depth[..., :, None]
    relations = torch.full_like(behind, EQUAL, dtype=torch.long)
    relations[behind >= tolerance_m] = NEARER
    relations[behind <= -tolerance_m] = FARTHER
    return relations


def ordinal_scores(
    hypotheses: Tensor, probabilities: Tensor, tolerance_m: float = TOLERANCE_M
) -> Tensor:
    """Sum over all ordered pairs i != j of the probability of the hypothesis's relation.

    Between 0 and J(J-1), higher is better. With probabilities of 0 and 1 it counts the
    relations that agree.

    Args:
        hypotheses: (H, B, J, 3) metres.
        probabilities: (B, J, J, 3) of NEARER, FARTHER and EQUAL.
        tolerance_m: how much nearer a joint has to be to count as nearer, metres.

    Returns:
        (H, B).

    Raises:
        InputError: if the probabilities are not of the hypotheses' joints and batch.
    """
    batch, joints = hypotheses.shape[1:3]
    wanted = (batch, joints, joints, 3)
    found = tuple(probabilities.shape)
    require(found == wanted, "probabilities", "shape", expected=wanted, found=found)
    relations = ordinal_relations(hypotheses, tolerance_m)
    likely = probabilities.expand(len(hypotheses), *wanted).gather(-1, relations[..., None])
    others = ~torch.eye(joints, dtype=torch.bool, device=hypotheses.device)
    return (likely[..., 0] * others).sum((-2, -1))


def ordinal_weights(scores: Tensor, temperature: float = 0.9) -> Tensor:
    """Weights softmax(temperature * score) of hypotheses (H, B), summing to 1 over H.

    The weighted mean of the hypotheses is the authors' estimate. Their temperature multiplies:
    0 is the plain mean, infinity the best hypothesis; they take the best of 0.1, ..., 1.
    """
    return (temperature * scores).softmax(0)


class OrdinalNetwork(nn.Module):
    """Probabilities of relations from features (B, F) of keypoints: (B, J, J, 3).

    The authors predict them from the image. There is none here, so they come from the same
    keypoints as the poses: they sharpen nothing that the keypoints do not tell.
    """

    def __init__(self, features: int, joints: int, width: int, blocks: int = 1) -> None:
        super().__init__()
        self.joints = joints
        self.encoder = ResidualNetwork(features, width, blocks)
        self.last = nn.Linear(width, 3 * joints * (joints - 1) // 2)

    def logits(self, features: Tensor) -> Tensor:
        """Logits (B, P, 3) of the P = J(J-1)/2 pairs i < j, in the order of `triu_indices`."""
        return self.last(self.encoder(features)).unflatten(-1, (-1, 3)).float()

    def forward(self, features: Tensor) -> Tensor:
        probability = self.logits(features).softmax(-1)
        i, j = self._pairs(features.device)
        shape = (len(features), self.joints, self.joints, 3)
        full = probability.new_zeros(shape)
        full[:, i, j] = probability
        full[:, j, i] = probability[..., [FARTHER, NEARER, EQUAL]]
        joint = torch.arange(self.joints, device=features.device)
        full[:, joint, joint, EQUAL] = 1.0
        return full

    def loss(self, features: Tensor, pose: Tensor, tolerance_m: float = TOLERANCE_M) -> Tensor:
        """Cross-entropy of the relations of poses (B, J, 3), nats, mean over pairs."""
        i, j = self._pairs(pose.device)
        relations = ordinal_relations(pose, tolerance_m)[:, i, j]
        return nn.functional.cross_entropy(self.logits(features).flatten(0, 1), relations.flatten())

    def _pairs(self, device: torch.device) -> Tensor:
        return torch.triu_indices(self.joints, self.joints, 1, device=device)

"""Layers of semantic graph convolutional networks (Zhao et al. 2019) over a skeleton's joints."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from poseterior.geometry.skeleton import Skeleton

__all__ = ["NonLocal", "SemanticGraphConv", "SemanticGraphNetwork", "adjacent"]


def adjacent(skeleton: Skeleton) -> Tensor:
    """(J, J) bool: which joints are the same or share a bone."""
    mask = torch.eye(len(skeleton), dtype=torch.bool)
    for parent, child in skeleton.edges:
        mask[parent, child] = mask[child, parent] = True
    return mask


class SemanticGraphConv(nn.Module):
    """y_i = a_ii W_self x_i + sum over neighbours j of a_ij W_other x_j (+ b).

    (B, J, features) -> (B, J, outputs). The weights a_i. are a softmax, over a joint and its
    neighbours, of one learned number for each direction of each bone (Zhao et al. 2019, Eq. 3,
    shared by the channels; self and neighbours transformed apart). `gain` is that of the
    weights' Xavier initialisation.
    """

    mask: Tensor

    def __init__(
        self,
        features: int,
        outputs: int,
        mask: Tensor,
        bias: bool = True,
        gain: float = math.sqrt(2),
    ) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)
        self.edges = nn.Parameter(torch.ones(int(mask.sum())))
        self.weight = nn.Parameter(torch.empty(2, features, outputs))
        for weight in self.weight:
            nn.init.xavier_uniform_(weight, gain=gain)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def adjacency(self) -> Tensor:
        """(J, J) the weights a, whose rows sum to 1."""
        logits = self.edges.new_full(self.mask.shape, -math.inf)
        return logits.masked_scatter(self.mask, self.edges).softmax(-1)

    def forward(self, joints: Tensor) -> Tensor:
        own, other = (joints @ torch.cat(tuple(self.weight), -1)).chunk(2, -1)
        weights = self.adjacency()
        alone = weights.diagonal()
        result = alone[:, None] * own + (weights - alone.diag()) @ other
        return result if self.bias is None else result + self.bias


class NonLocal(nn.Module):
    """x_i + BN(V 1/J sum_j relu(u . theta x_i + v . phi x_j) g x_j): every joint sees all.

    (B, J, width) -> the same. The concatenation form of Wang et al. 2018 (Zhao et al. 2019,
    Eq. 4), without the pooling of joints in pairs, which only some skeletons allow. The
    normalisation starts at 0, the block as the identity.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 2)
        self.theta, self.phi, self.g = (_kaiming(nn.Linear(width, inner)) for _ in range(3))
        self.score = nn.Parameter(torch.empty(2, inner))  # u and v
        nn.init.normal_(self.score, std=1 / math.sqrt(inner))
        self.last = _kaiming(nn.Linear(inner, width, bias=False))
        self.norm = nn.BatchNorm1d(width)
        nn.init.zeros_(self.norm.weight)

    def forward(self, joints: Tensor) -> Tensor:
        mine = self.theta(joints) @ self.score[0]
        theirs = self.phi(joints) @ self.score[1]
        attention = (mine[:, :, None] + theirs[:, None, :]).relu() / joints.shape[1]
        return joints + _by_channel(self.norm, self.last(attention @ self.g(joints)))


class SemanticGraphNetwork(nn.Module):
    """A convolution, then residual blocks of two: (B, J, features) -> (B, J, width).

    Each convolution is followed by batch norm, ReLU and dropout; the first and each block by a
    non-local block, if wanted.
    """

    def __init__(
        self, features: int, width: int, blocks: int, non_local: bool, dropout: float, mask: Tensor
    ) -> None:
        super().__init__()
        self.first = _Layer(features, width, dropout, mask)
        self.blocks = nn.ModuleList(
            nn.Sequential(_Layer(width, width, dropout, mask), _Layer(width, width, dropout, mask))
            for _ in range(blocks)
        )
        self.views = nn.ModuleList(
            NonLocal(width) if non_local else nn.Identity() for _ in range(blocks + 1)
        )

    def forward(self, joints: Tensor) -> Tensor:
        hidden = self.views[0](self.first(joints))
        for block, view in zip(self.blocks, self.views[1:], strict=True):
            hidden = view(hidden + block(hidden))
        return hidden


class _Layer(nn.Module):
    """Convolution, batch norm (which makes its bias superfluous), ReLU, dropout."""

    def __init__(self, features: int, width: int, dropout: float, mask: Tensor) -> None:
        super().__init__()
        self.convolution = SemanticGraphConv(features, width, mask, bias=False)
        self.norm, self.dropout = nn.BatchNorm1d(width), nn.Dropout(dropout)

    def forward(self, joints: Tensor) -> Tensor:
        return self.dropout(_by_channel(self.norm, self.convolution(joints)).relu())


def _by_channel(norm: nn.BatchNorm1d, joints: Tensor) -> Tensor:
    """Batch norm of (B, J, channels) with statistics over batch and joints."""
    return norm(joints.flatten(0, 1)).unflatten(0, joints.shape[:2])


def _kaiming(linear: nn.Linear) -> nn.Linear:
    nn.init.kaiming_normal_(linear.weight)
    if linear.bias is not None:
        nn.init.zeros_(linear.bias)
    return linear

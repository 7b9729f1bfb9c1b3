"""The residual network that turns features of an observation into a context."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ResidualNetwork"]


class ResidualNetwork(nn.Module):
    """A linear layer and pre-normalised residual blocks: (B, features) -> (B, width)."""

    def __init__(self, features: int, width: int, blocks: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(features, width)
        self.blocks = nn.ModuleList(_block(width, dropout) for _ in range(blocks))
        self.last = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.first(features)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.last(hidden)


def _block(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
    )

"""Posteriors whose fault is known, to see what a diagnostic makes of them.

Each pose has its own centre (what the input tells) and its own width; joints deviate from the
centre together, with the correlation 0.6 between any two along an axis.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from poseterior.geometry.skeleton import H36M_17, Skeleton

__all__ = ["KNOWN_FAULTS", "known_posterior"]

_CORRELATION = 0.6
# Standard deviations in metres: of the centres over poses, and of joints about their centre.
_CENTRES, _WIDTHS = 0.3, (0.02, 0.08)
_SHARES = (0.25, 1.6)

# Name -> the verdict that it should get.
KNOWN_FAULTS: dict[str, str] = {
    "right": "calibrated",
    "spread x 0.5": "overconfident",
    "spread x 1.8": "underconfident",
    "shifted by one sigma": "biased",
    "joints x 0.25 to 1.6": "wrong_by_joint",
    "independent joints": "miscorrelated",
    "ignores its input": "calibrated",
}


def known_posterior(
    name: str,
    poses: int,
    hypotheses: int,
    seed: int = 0,
    skeleton: Skeleton = H36M_17,
) -> tuple[Tensor, Tensor]:
    """Hypotheses (M, H, J, 3) of a posterior of `KNOWN_FAULTS`, and targets (M, J, 3), metres.

    "right" draws both from one distribution. "ignores its input" draws centres anew for each
    hypothesis, and so has the right distribution of all poses but not of this one.
    """
    generator = torch.Generator().manual_seed(seed)
    joints = len(skeleton)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    def together(count: int, correlation: float = _CORRELATION) -> Tensor:
        common, own = normal(poses, count, 1, 3), normal(poses, count, joints, 3)
        return correlation**0.5 * common + (1 - correlation) ** 0.5 * own

    low, high = _WIDTHS
    widths = low + (high - low) * torch.rand(joints, 3, generator=generator)
    # Poses differ in how much the input tells of them; a marginal cannot know it.
    sizes = normal(poses, 1, 1, 1).mul(0.5).exp() if name != "ignores its input" else 1.0
    centres = _CENTRES * normal(poses, 1, joints, 3)
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "spread x 0.5": lambda z: 0.5 * z,
        "spread x 1.8": lambda z: 1.8 * z,
        "shifted by one sigma": lambda z: z - 1,
        "joints x 0.25 to 1.6": lambda z: z * torch.linspace(*_SHARES, joints)[:, None],
    }
    deviations = together(hypotheses, 0.0 if name == "independent joints" else _CORRELATION)
    drawn = changes.get(name, lambda z: z)(deviations) * widths * sizes
    others = centres
    if name == "ignores its input":
        others = _CENTRES * normal(poses, hypotheses, joints, 3)
    poses_drawn = others + drawn
    target = (centres + together(1) * widths * sizes)[:, 0]
    poses_drawn[:, :, skeleton.root] = target[:, skeleton.root] = 0.0
    return poses_drawn, target

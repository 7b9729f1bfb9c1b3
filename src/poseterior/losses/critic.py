"""The critic of poses with a kinematic chain space layer, and its Wasserstein losses.

Wandt and Rosenhahn, RepNet, CVPR 2019; Gulrajani et al., Improved Training of Wasserstein
GANs, NeurIPS 2017; paper 001, section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from poseterior.geometry.kinematics import kinematic_chain_space
from poseterior.geometry.skeleton import Skeleton

__all__ = ["Critic", "critic_terms", "gradient_penalty"]


class Critic(nn.Module):
    """Poses (B, J, 3) in metres to scores (B,), high for poses that look real.

    One path sees the coordinates, one the kinematic chain space, that is bone lengths and
    the angles between bones; each has one residual connection. 100 and 1000 wide as published.
    """

    def __init__(self, skeleton: Skeleton, pose_width: int = 100, chain_width: int = 1000) -> None:
        super().__init__()
        self.skeleton = skeleton
        bones = len(skeleton) - 1
        self.pose_in = nn.Linear(3 * len(skeleton), pose_width)
        self.pose_block = _two_layers(pose_width)
        self.pose_out = nn.Linear(pose_width, pose_width)
        self.chain_in = nn.Linear(bones * bones, chain_width)
        self.chain_block = _two_layers(chain_width)
        self.last = nn.Sequential(
            nn.Linear(pose_width + chain_width, pose_width), nn.LeakyReLU(),
            nn.Linear(pose_width, 1, bias=False),  # only differences of scores count
        )  # fmt: skip

    def forward(self, pose: Tensor) -> Tensor:
        joints = functional.leaky_relu(self.pose_in(pose.flatten(-2)))
        joints = self.pose_out(functional.leaky_relu(joints + self.pose_block(joints)))
        chain = kinematic_chain_space(pose, self.skeleton).flatten(-2)
        chain = functional.leaky_relu(self.chain_in(chain))
        chain = chain + self.chain_block(chain)
        return self.last(torch.cat([joints, chain], -1)).squeeze(-1)


def _two_layers(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(), nn.Linear(width, width))


def gradient_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    """E (|grad D(x)| - 1)² at x between pairs of real and fake poses (B, J, 3), uniformly."""
    share = torch.rand((len(real), 1, 1), generator=generator, device=real.device)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def critic_terms(
    critic: nn.Module, real: Tensor, fake: Tensor, weight: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """What the critic minimises: E D(fake) - E D(real), and `weight` times the penalty."""
    return {
        "wasserstein": critic(fake).mean() - critic(real).mean(),
        "gradient_penalty": weight * gradient_penalty(critic, real, fake, generator),
    }

"""The critic's penalty in closed form, and what its chain space path can and cannot see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import MPII_16, skeleton_from_tree
from poseterior.losses.critic import Critic, critic_terms, gradient_penalty

TINY = skeleton_from_tree("tiny_3", [("tip", "root"), ("root", None), ("other", "root")])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed))


class Affine(nn.Module):
    """D(x) = w · x: its slope is w everywhere."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, pose: Tensor) -> Tensor:
        return (pose * self.weight).sum((-1, -2))


class Square(nn.Module):
    """D(x) = |x|² / 2: its slope at x is x."""

    def forward(self, pose: Tensor) -> Tensor:
        return pose.square().sum((-1, -2)) / 2


def test_penalty_of_a_linear_critic_is_that_of_its_weight() -> None:
    critic = Affine(draw(3, 3))
    penalty = gradient_penalty(critic, draw(8, 3, 3, seed=1), draw(8, 3, 3, seed=2), rng())
    norm = critic.weight.detach().norm()
    torch.testing.assert_close(penalty, (norm - 1) ** 2)
    penalty.backward()
    # d/dw (|w| - 1)² = 2 (|w| - 1) w / |w|
    expected = 2 * (norm - 1) * critic.weight.detach() / norm
    torch.testing.assert_close(critic.weight.grad, expected)


def test_penalty_is_taken_between_real_and_fake() -> None:
    # With fake = 0 the slope at share * real is that long: E (u - 1)² = 1/3 for |real| = 1.
    real = torch.zeros(20_000, 3, 3)
    real[:, 0, 0] = 1
    penalty = gradient_penalty(Square(), real, torch.zeros_like(real), rng())
    assert penalty.item() == pytest.approx(1 / 3, abs=0.01)


def test_terms_are_the_difference_of_scores_and_the_weighted_penalty() -> None:
    critic = Affine(draw(3, 3))
    real, fake = draw(8, 3, 3, seed=1), draw(8, 3, 3, seed=2)
    terms = critic_terms(critic, real, fake, 10.0, rng())
    expected = critic(fake.mean(0)) - critic(real.mean(0))
    torch.testing.assert_close(terms["wasserstein"], expected)
    norm = critic.weight.detach().norm()
    torch.testing.assert_close(terms["gradient_penalty"], 10 * (norm - 1) ** 2)


def test_the_chain_path_sees_bones_not_the_view() -> None:
    critic = Critic(TINY, 8, 12)
    pose = draw(5, 3, 3)
    with torch.no_grad():
        critic.pose_out.weight.zero_()  # silences the path that sees coordinates
        turned = pose @ from_axis_angle(torch.tensor([0.3, -0.2, 0.5])).mT + 1.0
        torch.testing.assert_close(critic(turned), critic(pose), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(critic(1.5 * pose), critic(pose), atol=1e-4)


def test_sizes_are_those_of_repnet() -> None:
    critic = Critic(MPII_16)
    assert critic(draw(2, 16, 3)).shape == (2,)
    layers = [tuple(p.shape) for n, p in critic.named_parameters() if n.endswith("weight")]
    assert layers == [
        (100, 48), (100, 100), (100, 100), (100, 100),
        (1000, 225), (1000, 1000), (1000, 1000),
        (100, 1100), (1, 100),
    ]  # fmt: skip


def test_it_learns_to_tell_two_sets_of_poses_apart() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        critic = Critic(TINY, 16, 16)
    optimiser = torch.optim.Adam(critic.parameters(), lr=3e-3)
    for step in range(150):
        real, fake = 0.3 * draw(32, 3, 3, seed=step), 0.3 * draw(32, 3, 3, seed=500 + step) + 0.5
        terms = critic_terms(critic, real, fake, 10.0, rng(step))
        optimiser.zero_grad()
        sum(terms.values()).backward()
        optimiser.step()
    # The two are 0.5 * 3 apart, and that is as much as scores of slope 1 can differ.
    assert -1.8 < terms["wasserstein"].item() < -1.1

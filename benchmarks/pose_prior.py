"""Train the pose prior, and see how often it prefers a real pose to a broken one.

    POSETERIOR_CMU=FOLDER python benchmarks/pose_prior.py RUN [--steps 4000] [--poses 2000]

RUN is a folder: a run that is there is taken, or gone on with; a new one is trained on one
thread. Held-out poses of the CMU splits, in camera axes, are then broken one by one, as told by
`BREAKS`, and scored:

- pairs: share of poses whose density is above that of the same pose broken.
- any: share above that of any broken pose (area under the ROC curve).
- nats: median of the difference of the log densities of a pair.

The negative log-likelihood (nats a pose, blurred as in training) comes with that of the one
Gaussian of the same training poses' coordinates, in the same frame.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from poseterior.data.cmu import load_cmu
from poseterior.data.observed_anew import observed_anew
from poseterior.data.pose_source import PoseSource
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes.regressors.pose_prior import PosePrior
from poseterior.training.begin import begun, new_lifter
from poseterior.training.checkpoint import load_lifter
from poseterior.training.fit import FitConfig, fit

JOINTS = H36M_17.index
SIDES = ("left", "right")
Break = Callable[[Tensor, torch.Generator], Tensor]


def recipe(steps: int) -> FitConfig:
    """Five minutes on a thread of its own."""
    return FitConfig(
        steps=steps, batch_size=256, learning_rate=2e-3, warmup_steps=100, final_fraction=0.001,
        clip_norm=50.0, ema=0.999, validate_every=0, save_every=1000, log_every=100,
    )  # fmt: skip


def train(run: Path, steps: int) -> PosePrior:
    """The prior in the folder, trained that far."""
    clips = load_cmu(None, "train")
    config = recipe(steps)
    source = PoseSource(clips.positions, clips.skeleton, config.batch_size, config.seed)
    prior = new_lifter(PosePrior, None, config.seed)
    fit(
        prior, source, run, config, resume=begun(run),
        provenance={"clips": {"frames": len(clips), "fingerprint": clips.fingerprint}},
    )  # fmt: skip
    loaded = load_lifter(run, {PosePrior.name: PosePrior})
    assert isinstance(loaded, PosePrior)
    return loaded


def _uniform(count: int, low: float, high: float, draw: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=draw)


def knee_backwards(pose: Tensor, draw: torch.Generator) -> Tensor:
    """One shank bent forwards of its thigh by 45 to 90 degrees."""
    lateral = pose[:, JOINTS("left_hip")] - pose[:, JOINTS("right_hip")]
    axis = torch.nn.functional.normalize(lateral, dim=-1)
    angle = torch.deg2rad(_uniform(len(pose), 45.0, 90.0, draw))
    turn = from_axis_angle(-angle[:, None] * axis)
    left = torch.rand(len(pose), generator=draw) < 0.5
    broken = pose.clone()
    for side, chosen in zip(SIDES, (left, ~left), strict=True):
        hip, knee, ankle = (JOINTS(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
        thigh = pose[:, knee] - pose[:, hip]
        shank = (pose[:, ankle] - pose[:, knee]).norm(dim=-1, keepdim=True)
        along = torch.nn.functional.normalize((turn @ thigh[..., None])[..., 0], dim=-1)
        broken[:, ankle] = torch.where(
            chosen[:, None], pose[:, knee] + shank * along, broken[:, ankle]
        )
    return broken


def two_joints_exchanged(pose: Tensor, draw: torch.Generator) -> Tensor:
    """Any two joints but the root, which is the same pose where they are one point."""
    pairs = torch.stack([torch.randperm(16, generator=draw)[:2] + 1 for _ in pose])
    rows, broken = torch.arange(len(pose))[:, None], pose.clone()
    broken[rows, pairs] = pose[rows, pairs.flip(1)]
    return broken


def legs_exchanged(pose: Tensor, draw: torch.Generator) -> Tensor:
    """Left and right hip, knee and ankle exchanged: the pelvis faces backwards."""
    order = list(range(17))
    for joint in ("hip", "knee", "ankle"):
        left, right = (JOINTS(f"{side}_{joint}") for side in SIDES)
        order[left], order[right] = right, left
    return pose[:, order]


def arm_longer(pose: Tensor, draw: torch.Generator) -> Tensor:
    """Both bones of the left arm half as long again."""
    shoulder, elbow, wrist = (JOINTS(f"left_{joint}") for joint in ("shoulder", "elbow", "wrist"))
    broken = pose.clone()
    for joint in (elbow, wrist):
        broken[:, joint] = pose[:, shoulder] + 1.5 * (pose[:, joint] - pose[:, shoulder])
    return broken


def tipped(pose: Tensor, draw: torch.Generator) -> Tensor:
    """The whole body rotated by 60 to 120 degrees about a random horizontal axis."""
    heading = _uniform(len(pose), 0.0, 2 * math.pi, draw)
    angle = torch.deg2rad(_uniform(len(pose), 60.0, 120.0, draw))
    axis = torch.stack([heading.cos(), torch.zeros_like(heading), heading.sin()], -1)
    return pose @ from_axis_angle(angle[:, None] * axis).mT


def depth_shuffled(pose: Tensor, draw: torch.Generator) -> Tensor:
    """The depth of every joint from the root negated with probability 1/2."""
    sign = torch.where(torch.rand(pose.shape[:2], generator=draw) < 0.5, -1.0, 1.0)
    return torch.cat([pose[..., :2], pose[..., 2:] * sign[..., None]], -1)


BREAKS: dict[str, Break] = {
    "a knee bent backwards": knee_backwards,
    "two joints exchanged": two_joints_exchanged,
    "left and right leg exchanged": legs_exchanged,
    "an arm half as long again": arm_longer,
    "tipped by 60 to 120 degrees": tipped,
    "depths' signs at random": depth_shuffled,
}


def held_out(split: str, poses: int) -> Tensor:
    """Poses of a split in camera axes, evenly in time."""
    target = observed_anew(load_cmu(None, split), poses=poses).target
    assert target is not None
    return target


def preferences(prior: PosePrior, poses: Tensor) -> None:
    """Print a line for every way to break a pose."""
    real = prior.log_prob(poses)
    print(f"  {'broken how':32}{'pairs':>8}{'any':>8}{'nats':>9}")
    for k, (name, broken) in enumerate(BREAKS.items()):
        worse = prior.log_prob(broken(poses, torch.Generator().manual_seed(k)))
        pairs = (real > worse).float().mean()
        over = torch.searchsorted(worse.sort().values, real).float().mean() / len(worse)
        difference = (real - worse).median()
        print(f"  {name:32}{pairs:8.1%}{over:8.1%}{difference:9.1f}")


def gaussian(prior: PosePrior) -> MultivariateNormal:
    """Of the training poses' coordinates in the prior's frame, 20,000 poses."""
    clips = load_cmu(None, "train")
    pose = PoseSource(clips.positions, clips.skeleton, 20_000, seed=1).batch(0)[1]
    features, _, _ = prior.frame.split(_blurred(prior, pose))
    return MultivariateNormal(features.mean(0), features.T.cov())


def _blurred(prior: PosePrior, poses: Tensor) -> Tensor:
    noise = torch.randn(poses.shape, generator=torch.Generator().manual_seed(0))
    return poses + prior.config.blur_m * noise


def likelihood(prior: PosePrior, one: MultivariateNormal, poses: Tensor) -> None:
    """Print the negative log-likelihood, and that of one Gaussian."""
    blurred = _blurred(prior, poses)
    features, _, log_det = prior.frame.split(blurred)
    rival = one.log_prob(features) + log_det - math.log(2 * math.pi)
    flow = -prior.log_prob(blurred).mean()
    print(f"  nats a pose: {flow:.1f}, one Gaussian {-rival.mean():.1f}")


@torch.no_grad()
def report(prior: PosePrior, poses: int) -> None:
    """Print all there is to say of three splits."""
    one = gaussian(prior)
    for split in ("val", "test", "test_dance"):
        real = held_out(split, poses)
        print(f"{split}: {len(real)} poses")
        likelihood(prior, one, real)
        preferences(prior, real)


def main() -> None:
    """Read the arguments, train and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--poses", type=int, default=2000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    report(train(options.run, options.steps), options.poses)


if __name__ == "__main__":
    main()

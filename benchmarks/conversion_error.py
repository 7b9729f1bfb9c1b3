"""What approximated joints are off by, measured on motion capture that has the joints.

    python benchmarks/conversion_error.py --root DIR [--split train] [--poses 8000] [--seed 0]

Poses of a CMU split are seen by random cameras without noise, the joints of `h36m_17` are made
from COCO's (the ears simulated as in `coco_conversion.py`, for several heights above the base
of the head), and compared. `sigma` is the root mean square of the error along an image axis
over `torso_length`: what `conversion_rules.py` states. `inside 90 %` is the share of errors
within the 90 % circle of the stated sigma. Last comes how `torso_length` compares with the
torso's length in metres at the distance of the person.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from coco_conversion import SEEN, joints_of, observed
from torch import Tensor

from poseterior.data.convert import torso_length
from poseterior.data.simulated_detector import DetectorNoise
from poseterior.geometry.conversion import conversion
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.keypoints import Keypoints

EXACT = DetectorNoise(uncertain=0.0, certain_px=(1e-4, 1e-4))
EAR_RISES = (0.0, 0.03, 0.06, 0.09)
CHANGE = conversion(COCO_17, H36M_17)
CIRCLE_90 = 4.605  # 90 % quantile of chi squared with two degrees of freedom


def line(joint: str, seen: Keypoints, pose: Tensor, note: str = "") -> None:
    """Print the errors of one joint: in the room, over the torso in the image, and coverage."""
    index = H36M_17.index(joint)
    coco = [SEEN.index(j) if j in SEEN.joints else 0 for j in COCO_17.joints]
    metres = (CHANGE.apply(pose[:, coco])[:, index] - pose[:, index]).norm(dim=-1)
    keypoints = joints_of(seen, COCO_17)
    pixels = CHANGE.apply(keypoints.pixels)[:, index] - seen.pixels[:, index]
    ratio = (pixels / torso_length(keypoints)[:, None]).square().sum(-1)
    stated = CHANGE.sigma[index].item()
    inside = (ratio <= CIRCLE_90 * stated**2).double().mean() if stated else torch.nan
    print(
        f"{joint:8s} {1e3 * metres.mean():6.1f} mm   sigma {(ratio.mean() / 2).sqrt():.4f}"
        f"   stated {stated:.4f}   inside 90 % {inside:.3f}   {note}"
    )


def size_line(note: str, seen: Keypoints, pose: Tensor, depth: Tensor) -> None:
    """Print quantiles of `torso_length` over the true length times focal length over depth."""
    at = [SEEN.index(f"{side}_{j}") for j in ("shoulder", "hip") for side in ("left", "right")]
    torso = (pose[:, at[:2]].mean(1) - pose[:, at[2:]].mean(1)).norm(dim=-1)
    assert seen.intrinsics is not None
    true = torso * seen.intrinsics[:, 0, 0] / depth
    ratio = torso_length(joints_of(seen, COCO_17)) / true
    quantiles = ratio.quantile(torch.tensor([0.01, 0.05, 0.5, 0.95, 0.99]))
    print(f"torso_length over true, {note}: " + " ".join(f"{q:.2f}" for q in quantiles))


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--poses", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    where = (given.root, given.split, given.poses)
    for rise in EAR_RISES:
        seen, pose, depth = observed(*where, rise, EXACT, given.seed)
        if rise == EAR_RISES[0]:
            for joint in ("pelvis", "thorax", "spine"):
                line(joint, seen, pose)
        line("nose", seen, pose, f"simulated ears, {100 * rise:.0f} cm up")
    size_line("no noise", seen, pose, depth)
    seen, pose, depth = observed(*where, EAR_RISES[-1], DetectorNoise(), given.seed)
    size_line("detector's noise", seen, pose, depth)


if __name__ == "__main__":
    main()

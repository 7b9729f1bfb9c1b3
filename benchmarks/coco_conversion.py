"""What lifting costs when only COCO's joints are seen: accuracy and calibration, compared.

    python benchmarks/coco_conversion.py --root DIR [--lifter coupling_flow] [--split test]
        [--poses 4000] [--hypotheses 200] [--seed 0] [--ear-rise 0.06]

Poses of a CMU split are seen by the random cameras and the simulated detector, once. The rows
printed see the same detections: all 17 joints of `h36m_17`, or the twelve limb joints and the
ears that COCO has, converted to `h36m_17`. The data has no face, so COCO's nose and eyes are
not valid and the ears are simulated: 7 cm to the left and right of the base of the head, along
the shoulders and across the head, and `--ear-rise` metres up the head.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from poseterior.batch.score import evaluate
from poseterior.data.cmu import load_cmu
from poseterior.data.convert import convert_keypoints
from poseterior.data.keypoint_source import MemorySource
from poseterior.data.simulated_detector import CameraRanges, DetectorNoise, observe, to_camera
from poseterior.geometry.conversion import conversion
from poseterior.geometry.skeleton import COCO_17, H36M_17, Skeleton, skeleton_from_tree
from poseterior.keypoints import Keypoints
from poseterior.posterior import Lifter
from poseterior.training.shipped import open_lifter

EAR_SIDE = 0.07
ROWS = (
    ("all 17 joints of h36m_17", "native"),
    ("the same without head_top", "no_head_top"),
    ("the 12 limb joints, nothing else", "limbs"),
    ("coco_17 converted", "converted"),
    ("coco_17 converted, sigma left out", "no_sigma"),
)
KEYS = ("mpjpe_mean_mm", "min_mpjpe_mm", "ece_median", "ece_joint_max", "sharpness_mm", "nll")


def _with_ears() -> Skeleton:
    tree = [
        (joint, None if parent < 0 else H36M_17.joints[parent])
        for joint, parent in zip(H36M_17.joints, H36M_17.parents, strict=True)
    ]
    return skeleton_from_tree("h36m_17_ears", [*tree, ("left_ear", "nose"), ("right_ear", "nose")])


SEEN = _with_ears()


def add_ears(pose: Tensor, rise: float) -> Tensor:
    """(B, 17, 3) -> (B, 19, 3) metres: the left and the right ear, as the module says."""
    at = {joint: pose[:, j] for j, joint in enumerate(H36M_17.joints)}
    up = torch.nn.functional.normalize(at["head_top"] - at["nose"], dim=-1)
    side = at["left_shoulder"] - at["right_shoulder"]
    side = side - (side * up).sum(-1, keepdim=True) * up
    side = EAR_SIDE * torch.nn.functional.normalize(side, dim=-1)
    middle = at["nose"] + rise * up
    return torch.cat([pose, torch.stack([middle + side, middle - side], dim=1)], dim=1)


def observed(
    root: Path | None, split: str, poses: int, rise: float, noise: DetectorNoise, seed: int
) -> tuple[Keypoints, Tensor, Tensor]:
    """Keypoints (M,) of `SEEN`, poses (M, 19, 3) and depths (M,) of the root, metres.

    Poses are root-relative, in camera axes.
    """
    clips = load_cmu(root, split)
    frames = len(clips.positions)
    rows = torch.linspace(0, frames - 1, min(poses, frames)).round().long()
    pose = add_ears(clips.positions[rows], rise)
    generator = torch.Generator().manual_seed(seed)
    pose, place, intrinsics = to_camera(pose - pose[:, :1], CameraRanges(), generator)
    return observe(pose, place, intrinsics, SEEN, noise, generator), pose, place[:, 2]


def joints_of(seen: Keypoints, skeleton: Skeleton) -> Keypoints:
    """The joints of that name; those that `seen` has not, or means otherwise, are not valid."""
    face = skeleton is COCO_17  # whose nose is its tip
    shared = [j in SEEN.joints and not (face and j == "nose") for j in skeleton.joints]
    rows = [SEEN.index(j) if ok else 0 for j, ok in zip(skeleton.joints, shared, strict=True)]
    valid = seen.valid[:, rows] & torch.tensor(shared)
    return replace(
        seen, pixels=torch.where(valid[..., None], seen.pixels[:, rows], 0.0),
        covariance=seen.covariance[:, rows], valid=valid, skeleton=skeleton,
    )  # fmt: skip


def as_seen(seen: Keypoints, kind: str) -> Keypoints:
    """The keypoints of `h36m_17` of one of `ROWS`."""
    native, coco = joints_of(seen, H36M_17), joints_of(seen, COCO_17)
    if kind == "converted":
        return convert_keypoints(coco, H36M_17)
    change = conversion(COCO_17, H36M_17)
    if kind == "no_sigma":
        weights = change.weights.float().square()
        covariance = torch.einsum("ts,bsij->btij", weights, coco.covariance)
        return replace(convert_keypoints(coco, H36M_17), covariance=covariance)
    absent = {"native": (), "no_head_top": change.named("missing"),
              "limbs": change.named("missing") + change.named("approximated")}[kind]  # fmt: skip
    return native.without(torch.tensor([joint in absent for joint in H36M_17.joints]))


def compare(lifter: Lifter, seen: Keypoints, target: Tensor, hypotheses: int, seed: int) -> None:
    """Print one line of scores for each of `ROWS`."""
    print(f"{'':36s}" + "".join(f"{key.removesuffix('_mm'):>15s}" for key in KEYS))
    for name, kind in ROWS:
        source = MemorySource(as_seen(seen, kind), target)
        found = evaluate(lifter, source, hypotheses, seed)
        print(f"{name:36s}" + "".join(f"{found[key]:15.3f}" for key in KEYS), flush=True)


def main() -> None:
    """Compare what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--lifter", default="coupling_flow")
    parser.add_argument("--split", default="test")
    parser.add_argument("--poses", type=int, default=4000)
    parser.add_argument("--hypotheses", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ear-rise", type=float, default=0.06)
    given = parser.parse_args()
    seen, pose, _ = observed(
        given.root, given.split, given.poses, given.ear_rise, DetectorNoise(), given.seed
    )
    target = pose[:, : len(H36M_17)].contiguous()
    compare(open_lifter(given.lifter), seen, target, given.hypotheses, given.seed)


if __name__ == "__main__":
    main()

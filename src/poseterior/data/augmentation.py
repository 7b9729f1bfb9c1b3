"""More people and more poses than a motion-capture set holds.

All functions take and return root-relative poses (B, J, 3) in metres, world axes, z up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from poseterior.data.simulated_detector import uniform
from poseterior.geometry.kinematics import bone_vectors, positions_from_bones, rescale_bones
from poseterior.geometry.skeleton import Skeleton

__all__ = ["Augmentation", "augment", "mirror", "scale_limbs", "swap_limbs", "tilt"]


@dataclass(frozen=True)
class Augmentation:
    """How often and how far training poses are changed.

    `mirror`, `scaled`, `swapped` and `tilted` are probabilities. A scaled pose has its
    whole body multiplied by U(1 - global_scale, 1 + global_scale) and each bone, the same on
    both sides, by U(1 - limb_scale, 1 + limb_scale). A swapped pose takes its legs, and each
    arm, from other poses with probability 1/2 each. A tilted pose is rotated about a random
    horizontal axis by N(0, tilt_std_deg).
    """

    mirror: float = 0.5
    scaled: float = 0.6
    global_scale: float = 0.06
    limb_scale: float = 0.15
    swapped: float = 0.4
    tilted: float = 0.1
    tilt_std_deg: float = 40.0


def _chosen(batch: int, probability: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(batch, generator=generator) < probability)[:, None, None]


def mirror(pose: Tensor, skeleton: Skeleton) -> Tensor:
    """The pose's reflection in the plane x = 0, left and right joints exchanged."""
    flip = pose.new_tensor([-1.0, 1.0, 1.0])
    return pose[:, list(skeleton.partners)] * flip


def scale_limbs(
    pose: Tensor, skeleton: Skeleton, limb_scale: float, generator: torch.Generator
) -> Tensor:
    """Each bone's length times U(1 - limb_scale, 1 + limb_scale), equal on both sides."""
    factors = uniform((len(pose), len(skeleton)), 1 - limb_scale, 1 + limb_scale, generator)
    side = torch.minimum(torch.arange(len(skeleton)), torch.tensor(skeleton.partners))
    return rescale_bones(pose, factors[:, side[list(skeleton.free)]], skeleton)


def _frame(across: Tensor, up: Tensor) -> Tensor:
    """Orthonormal frames (B, 3, 3), rows: across the body, forward, up."""
    x = torch.nn.functional.normalize(across, dim=-1)
    z = torch.nn.functional.normalize(up - (up * x).sum(-1, keepdim=True) * x, dim=-1)
    return torch.stack([x, torch.linalg.cross(z, x), z], -2)


def _swap(bones: Tensor, limb: list[int], frame: Tensor, other: Tensor, chosen: Tensor) -> Tensor:
    """The bones of a limb taken from pose `other[b]`, kept in the body's own frame."""
    local = bones[:, limb] @ frame.mT
    moved = local[other] @ frame
    bones = bones.clone()
    bones[:, limb] = torch.where(chosen, moved, bones[:, limb])
    return bones


def swap_limbs(pose: Tensor, skeleton: Skeleton, generator: torch.Generator) -> Tensor:
    """Legs, left arm and right arm each taken from a random pose of the batch, or kept.

    Limbs keep their directions in the frame of the pelvis (legs) or of the shoulders (arms),
    so a swapped pose is made of postures that people took. Needs the joints of h36m_17.
    """
    at = skeleton.index
    across = pose[:, at("left_hip")] - pose[:, at("right_hip")]
    hips = _frame(across, pose[:, at("spine")] - pose[:, at("pelvis")])
    across = pose[:, at("left_shoulder")] - pose[:, at("right_shoulder")]
    chest = _frame(across, pose[:, at("thorax")] - pose[:, at("spine")])
    limbs = [
        (hips, [at(f"{s}_{j}") for s in ("left", "right") for j in ("hip", "knee", "ankle")]),
        (chest, [at(f"left_{j}") for j in ("elbow", "wrist")]),
        (chest, [at(f"right_{j}") for j in ("elbow", "wrist")]),
    ]
    bones = bone_vectors(pose, skeleton)
    bone = {joint: i for i, joint in enumerate(skeleton.free)}
    for frame, joints in limbs:
        other = torch.randint(len(pose), (len(pose),), generator=generator)
        chosen = _chosen(len(pose), 0.5, generator)
        bones = _swap(bones, [bone[j] for j in joints], frame, other, chosen)
    return positions_from_bones(bones, skeleton)


def tilt(pose: Tensor, std_deg: float, generator: torch.Generator) -> Tensor:
    """Each pose rotated about a random horizontal axis by N(0, std_deg)."""
    angle = torch.deg2rad(std_deg * torch.randn(len(pose), generator=generator))
    heading = uniform((len(pose),), 0.0, 2 * math.pi, generator)
    x, y = heading.cos(), heading.sin()
    zero = torch.zeros_like(x)
    # Rodrigues' formula about the axis (x, y, 0).
    skew = torch.stack([zero, zero, y, zero, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    rotation = torch.eye(3) + angle.sin()[:, None, None] * skew
    rotation = rotation + (1 - angle.cos())[:, None, None] * (skew @ skew)
    return pose @ rotation.mT


def augment(
    pose: Tensor, skeleton: Skeleton, augmentation: Augmentation, generator: torch.Generator
) -> Tensor:
    """Poses (B, J, 3), z up, changed as `Augmentation` says."""
    batch, a = len(pose), augmentation
    swapped = swap_limbs(pose, skeleton, generator)
    pose = torch.where(_chosen(batch, a.swapped, generator), swapped, pose)
    pose = torch.where(_chosen(batch, a.mirror, generator), mirror(pose, skeleton), pose)
    size = uniform((batch, 1, 1), 1 - a.global_scale, 1 + a.global_scale, generator)
    scaled = size * scale_limbs(pose, skeleton, a.limb_scale, generator)
    pose = torch.where(_chosen(batch, a.scaled, generator), scaled, pose)
    tilted = tilt(pose, a.tilt_std_deg, generator)
    return torch.where(_chosen(batch, a.tilted, generator), tilted, pose)

"""How well a body takes the poses of the CMU motion capture, by joint.

    python benchmarks/body_motion.py --root DIR

1. `body_motion` of each split: residual of the light Anny body's landmarks to the poses with its
   own bones' lengths, and how long it takes.
2. Joints fitted as they are (`fit_to_joints`), the mean body and one shape a clip.
3. Motions read from ASF/AMC on the body (`motion_rotations`), against the motion's own joints,
   root-relative, after one scale a subject; and how far inverse kinematics of the joints alone
   comes from them.
4. How near the nearest of 20,000 training bodies comes to poses that are not trained on, with a
   share of their poses drawn (`DrawnPoses`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from poseterior.data.asfamc import load_asfamc
from poseterior.data.cmu import load_cmu
from poseterior.geometry.rotations import angle_deg
from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.motion.body_motion import body_motion
from poseterior.meshes.motion.body_proportions import with_lengths_of
from poseterior.meshes.motion.body_source import BodySource
from poseterior.meshes.motion.drawn_poses import DrawnPoses
from poseterior.meshes.motion.inverse_kinematics import fit_to_joints, landmarks_at_rest
from poseterior.meshes.motion.motion_parameters import motion_rotations

_SUBJECTS = {"02": ("02_01", "02_05", "02_07"), "03": ("03_01", "03_03"), "01": ("01_08", "01_14")}
_POSES = 2000
_EVERY, _DRAWN = 40, 20_000


def _print(title: str, names: Sequence[str], values: Tensor, unit: str) -> None:
    print(f"{title}: mean {values.mean():.1f} {unit}")
    print("   " + ", ".join(f"{n} {v:.1f}" for n, v in zip(names, values.tolist(), strict=True)))


def _mm(residual: Tensor) -> Tensor:
    return 1000 * residual.mean(0)


def motions(body: SkinnedBody, root: Path) -> None:
    """Part 1."""
    for split in ("train", "val", "test", "test_dance"):
        start = time.perf_counter()
        motion = body_motion(body, root, split)
        seconds = time.perf_counter() - start
        print(f"{split}: {len(motion)} poses in {seconds:.0f} s, {int(motion.recorded.sum())} of "
              "them with recorded rotations")  # fmt: skip
        _print("  residual", H36M_17.joints, _mm(motion.residual), "mm")


def positions(body: SkinnedBody, root: Path) -> None:
    """Part 2."""
    clips = load_cmu(root, "val")
    rows = torch.linspace(0, len(clips) - 1, _POSES).long()
    pose, person = clips.positions[rows], clips.clip[rows]
    mean = fit_to_joints(body, pose, H36M_17, betas=torch.zeros(body.betas))
    _print("val, joints as they are, mean body", H36M_17.joints, _mm(mean.residual), "mm")
    own = fit_to_joints(body, pose, H36M_17, person=person)
    _print("val, joints as they are, a shape a clip", H36M_17.joints, _mm(own.residual), "mm")


def recordings(body: SkinnedBody, root: Path) -> None:
    """Part 3."""
    rest, still = landmarks_at_rest(body, H36M_17), torch.zeros(body.betas)
    for subject, clips in _SUBJECTS.items():
        folder = root / "raw_asfamc" / subject
        files = [(folder / f"{subject}.asf", folder / f"{clip}.amc") for clip in clips]
        turned = torch.cat([motion_rotations(body, *pair, every=12) for pair in files])
        pose = torch.cat([load_asfamc(*pair, every=12) for pair in files]).float()
        made = BodyParameters.of(turned, still.expand(len(turned), -1))
        own = body.landmarks_of(made, H36M_17)
        own, wanted = own - own[:, :1], pose - pose[:, :1]
        scale = (own * wanted).sum() / wanted.square().sum()
        off = (own - scale * wanted).norm(dim=-1)
        _print(f"subject {subject}, {len(pose)} poses, scale {scale:.3f}, rotations of the file",
               H36M_17.joints, _mm(off), "mm")  # fmt: skip
        alone = fit_to_joints(body, with_lengths_of(rest, pose, H36M_17), H36M_17, betas=still)
        angle = angle_deg(alone.parameters.rotations, turned).mean(0)
        _print("  inverse kinematics of the joints alone, off by", body.tree.joints, angle, "deg")


def drawn(body: SkinnedBody, root: Path) -> None:
    """Part 4."""
    train = body_motion(body, root, "train").rotations
    prior = DrawnPoses.fitted(body, train)
    held_out = {
        split: _joints(body, body_motion(body, root, split).rotations[::_EVERY])
        for split in ("test", "test_dance")
    }
    for share in (0.0, 0.15, 0.3, 1.0):
        for seed in (0, 1):
            source = BodySource(body, train, 1000, seed, prior=prior, from_prior=share)
            poses = torch.cat([source.batch(k)[1].rotations for k in range(_DRAWN // 1000)])
            there = _joints(body, poses)
            near = {split: 1000 * float(_nearest(own, there)) for split, own in held_out.items()}
            told = ", ".join(f"{split} {value:.1f} mm" for split, value in near.items())
            print(f"{share:.0%} drawn, seed {seed}: nearest to {told}")


@torch.no_grad()
def _joints(body: SkinnedBody, rotations: Tensor) -> Tensor:
    """(N, 17, 3) metres of the mean body that faces one way, relative to the root."""
    rotations = torch.cat([torch.eye(3).expand_as(rotations[:, :1]), rotations[:, 1:]], 1)
    betas = torch.zeros(len(rotations), body.betas)
    found = body.landmarks_of(BodyParameters.of(rotations, betas), H36M_17)
    return found - found[:, :1]


def _nearest(poses: Tensor, others: Tensor) -> Tensor:
    """Mean over poses of the mean distance of joints to the nearest of others."""
    return torch.stack(
        [(others - pose).norm(dim=-1).mean(-1).min() for pose in poses]
    ).mean()  # fmt: skip


def main() -> None:
    """Print all four parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the CMU data")
    root = parser.parse_args().root
    body = anny_body()
    motions(body, root)
    positions(body, root)
    recordings(body, root)
    drawn(body, root)


if __name__ == "__main__":
    main()

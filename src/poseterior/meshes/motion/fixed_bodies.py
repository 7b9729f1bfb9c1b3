"""Fixed observations of bodies: what every mesh regressor is chosen by and compared on."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from poseterior.data.ambiguous_crops import ambiguous
from poseterior.data.fields import Field, check_layout
from poseterior.data.npz_stream import NpzReader
from poseterior.data.npz_writer import write_npz
from poseterior.data.observations import open_observations
from poseterior.errors import require
from poseterior.geometry.skeleton import H36M_17, Skeleton
from poseterior.keypoints import Keypoints
from poseterior.meshes.motion.body_motion import BodyMotion, body_fingerprint
from poseterior.meshes.motion.body_source import seen_bodies
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.seeding import generator_from

__all__ = [
    "FixedBodies", "fixed_observations", "landmark_target", "read_fixed", "write_fixed",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class FixedBodies:
    """Observations with the bodies that they are of, batch shape (M,).

    Attributes:
        keypoints: what the detector saw.
        parameters: the bodies, camera axes.
        target: (M, J, 3) metres, their landmarks relative to the root.
        clip: (M,) text, the clip of each.
        frame: (M,) row of the split's arrays.
        up: (M, 3) unit vectors against gravity, camera axes; None where it is not known.
    """

    keypoints: Keypoints
    parameters: BodyParameters
    target: Tensor
    clip: np.ndarray
    frame: np.ndarray
    up: Tensor | None = None


def fixed_observations(
    body: SkinnedBody,
    motion: BodyMotion,
    *,
    poses: int = 4000,
    seed: int = 0,
    hidden: bool = False,
    skeleton: Skeleton = H36M_17,
) -> FixedBodies:
    """Poses of a motion, evenly in time, of random shape, seen as the fixed observations are.

    Nothing is augmented. The same seed gives the same bodies, cameras and noise with `hidden`
    and without, so that plain and ambiguous observations compare pose by pose.

    Args:
        body: as was posed.
        motion: of a split that is not trained on.
        poses: how many, or all frames if there are fewer.
        seed: of all draws.
        hidden: hide a part of each body and crop (paper 004, appendix B).
        skeleton: of the keypoints and the target.
    """
    frames = len(motion)
    rows = torch.linspace(0, frames - 1, min(poses, frames)).round().long()
    shapes, views, hiding = (generator_from(seed, stream) for stream in range(3))
    betas = torch.randn((len(rows), body.betas), generator=shapes)
    keypoints, parameters = seen_bodies(
        body, motion.rotations[rows], betas, views, skeleton=skeleton
    )
    if hidden:
        keypoints = ambiguous(keypoints, hiding)
    clip = np.array(motion.clip_names)[motion.clip[rows].numpy()]
    target = landmark_target(body, parameters, skeleton)
    world = motion.rotations[rows, 0].mT.to(parameters.global_orient)
    up = (parameters.global_orient @ world)[..., 2]  # the world's z
    return FixedBodies(keypoints, parameters, target, clip, rows.numpy(), up)


def write_fixed(path: str | os.PathLike[str], body: SkinnedBody, fixed: FixedBodies) -> None:
    """Write an observations file that tells the bodies too, whole or not at all.

    Beside what `data.observations.open_observations` reads: `body` and `body_fingerprint`, and,
    by SMPL's names, axis-angle `global_orient` (M, 3) and `body_pose` (M, K-1, 3), `betas`
    (M, S) and `transl` (M, 3). `InputError` if it cannot be written.
    """
    keypoints = fixed.keypoints
    arrays = {
        "keypoints": keypoints.pixels, "covariance": keypoints.covariance,
        "valid": keypoints.valid, "image_size": keypoints.image_size,
        "intrinsics": keypoints.intrinsics, "target": fixed.target,
        **fixed.parameters.to_axis_angle(),
    }  # fmt: skip
    with write_npz(path, len(fixed.frame)) as out:
        names = {"body": body.name, "body_fingerprint": body_fingerprint(body)}
        out.put(skeleton=keypoints.skeleton.name, **names)
        out.write(0, **{n: np.asarray(v) for n, v in arrays.items() if v is not None})
        out.write(0, clip=fixed.clip, frame=fixed.frame)


def read_fixed(path: str | os.PathLike[str], body: SkinnedBody) -> FixedBodies:
    """Read what `write_fixed` wrote; `InputError` if damaged or of another body."""
    with open_observations(path) as source:
        rows = next(source.chunks(source.rows))
    parameters = _parameters(path, body, source.rows)
    found = sorted({"clip", "frame"} & rows.labels.keys())
    labelled = rows.target is not None and len(found) == 2
    require(labelled, path, "", expected="target, clip and frame", found=found)
    assert rows.target is not None
    return FixedBodies(
        rows.keypoints, parameters, rows.target, rows.labels["clip"], rows.labels["frame"]
    )


def _parameters(path: str | os.PathLike[str], body: SkinnedBody, rows: int) -> BodyParameters:
    names = [f.name for f in fields(BodyParameters)]
    layout = {
        "global_orient": Field((("M", 3),)), "body_pose": Field((("M", "K", 3),)),
        "betas": Field((("M", "S"),)), "transl": Field((("M", 3),)),
        "body_fingerprint": Field(((),), "label"),
    }  # fmt: skip
    sizes = {"M": rows, "K": len(body.tree) - 1, "S": body.betas}
    with NpzReader(path) as reader:
        lacking = sorted(layout.keys() - check_layout(reader, layout, sizes))
        require(not lacking, path, ", ".join(lacking), expected="these arrays", found="none")
        own = str(reader.read("body_fingerprint"))
        arrays = {name: torch.from_numpy(reader.read(name)) for name in names}
    wanted = body_fingerprint(body)
    require(
        own == wanted, path, "body_fingerprint", expected=f"{wanted}, of {body.name}", found=own
    )
    for name, value in arrays.items():
        finite = bool(value.isfinite().all())
        require(finite, path, name, expected="finite numbers", found="NaN or infinity")
    return BodyParameters.from_axis_angle(**arrays)


@torch.no_grad()
def landmark_target(body: SkinnedBody, parameters: BodyParameters, skeleton: Skeleton) -> Tensor:
    """(M, J, 3) metres, the landmarks of bodies (M,) relative to the root, on the CPU."""
    still = replace(parameters, transl=torch.zeros_like(parameters.transl))
    landmarks = body.landmarks_of(still.to(body.heads), skeleton).float().cpu()
    return landmarks - landmarks[:, [skeleton.root]]

"""3DPW for studies and trainings of meshes, for those who hold it and a model file of SMPL's.

Its sequences tell what SMPL was posed and shaped by: the targets are those bodies, made by the
user's file. It has the models of two genders; one file makes all bodies here, and how far its
joints lie from the data set's own is told (`joints_off_mm`).

Training poses are those of its train split, seen by a simulated detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from poseterior.batch.observed import in_skeleton
from poseterior.data.ambiguous_crops import ambiguous_source
from poseterior.data.datasets import DATA_SETS
from poseterior.data.keypoint_source import MemorySource
from poseterior.data.threedpw import SmplRows, open_3dpw_bodies
from poseterior.errors import InputError, require
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17, SMPL_24
from poseterior.geometry.units import mm
from poseterior.meshes.motion.fixed_bodies import FixedBodies, landmark_target
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.studies.body_data import BodyData, Scored, as_poses, no_options, seen_enough
from poseterior.studies.training_data import evenly

__all__ = ["in_camera", "threedpw_bodies", "upright"]

# Metres between the data set's joints and the body's, about the root: genders differ by
# centimetres, another model or other axes by decimetres.
_OFF = 0.1


def threedpw_bodies(
    body: SkinnedBody, root: Path | None, options: Mapping[str, object], cache: Path
) -> BodyData:
    """Bodies in its training motion, and its own observations and bodies.

    Args:
        body: of SMPL's joints and 10 numbers of shape.
        root: folder of the data; if None, the one that its environment variable names.
        options: none are known but `body`.
        cache: not used, for nothing is fitted.

    Raises:
        InputError: another body, an option, anything bad in the files, or bodies whose joints
            lie elsewhere than the data set says.
    """
    no_options(options, "protocol", "keypoints")
    _require_smpl(body, options.get("body"))
    folder = DATA_SETS["3dpw"].folder(root)
    plain, off = _fixed(body, folder, "test")

    def train() -> Tensor:
        return upright(open_3dpw_bodies(folder, "train")[1])

    def held_out(poses: int) -> MemorySource:
        return evenly(as_poses(_fixed(body, folder, "validation")[0]), poses)

    def test() -> tuple[Scored, Scored]:
        hidden = replace(plain, keypoints=ambiguous_source(as_poses(plain)).keypoints)
        keep = seen_enough(plain.keypoints, hidden.keypoints).nonzero()[:, 0]
        return _rows(plain, keep), _rows(hidden, keep)

    return BodyData(
        name="3dpw", body=body, train=train, held_out=held_out, test=test,
        unknown=~plain.keypoints.valid.any(0), about={"joints_off_mm": round(off, 1)},
    )  # fmt: skip


def _require_smpl(body: SkinnedBody, given: object) -> None:
    if body.tree.joints != SMPL_24.joints or body.betas != 10:
        expected = "a model file of SMPL's, whose parameters 3DPW tells"
        raise InputError("--body", "", expected=expected, found=given or "none given")


def in_camera(body: SkinnedBody, rows: SmplRows) -> BodyParameters:
    """Bodies (M,) in camera axes, float32."""
    rotations = from_axis_angle(torch.from_numpy(rows.pose))
    betas, trans = torch.from_numpy(rows.betas), torch.from_numpy(rows.trans)
    camera = torch.from_numpy(rows.camera)
    turn = camera[:, :3, :3]
    # SMPL turns about the root joint, wherever the shape has it.
    root = body.root_at_rest(betas.to(body.heads)).double().cpu()
    place = (turn @ (root + trans)[..., None])[..., 0] + camera[:, :3, 3]
    rotations = torch.cat([(turn @ rotations[:, 0])[:, None], rotations[:, 1:]], 1)
    return BodyParameters.of(rotations.float(), betas.float(), (place - root).float())


def upright(rows: SmplRows) -> Tensor:
    """Rotations (F, 24, 3, 3) float32, the root's to a world whose z axis is up.

    What is up in the world of the files is not told: it is the axis that the pelvis' own is
    nearest to on average.
    """
    rotations = from_axis_angle(torch.from_numpy(rows.pose))
    mean = rotations[:, 0, :, 1].mean(0)
    axis = int(mean.abs().argmax())
    up = mean.sign()[axis] * torch.eye(3, dtype=mean.dtype)[axis]
    first = torch.eye(3, dtype=mean.dtype)[(axis + 1) % 3]
    turn = torch.stack([first, torch.linalg.cross(up, first), up])
    return torch.cat([(turn @ rotations[:, 0])[:, None], rotations[:, 1:]], 1).float()


@torch.no_grad()
def _fixed(body: SkinnedBody, folder: Path, split: str) -> tuple[FixedBodies, float]:
    """The split's observations and bodies, and how far joints are from the data set's, mm."""
    source, rows = open_3dpw_bodies(folder, split)
    keypoints, _, _ = in_skeleton(source.keypoints, None, H36M_17)
    parameters = in_camera(body, rows)
    off = _joints_off(body, parameters, rows)
    require(
        off < _OFF, folder, f"{split}: jointPositions",
        expected=f"the body's joints within {mm(_OFF):.0f} mm", found=f"{mm(off):.0f} mm away",
    )  # fmt: skip
    labels = source.labels
    target = landmark_target(body, parameters, H36M_17)
    return FixedBodies(keypoints, parameters, target, labels["clip"], labels["frame"]), mm(off)


def _joints_off(body: SkinnedBody, parameters: BodyParameters, rows: SmplRows) -> float:
    """Metres on average, about the root joint."""
    own = body.joints(parameters.to(body.heads)).double().cpu().numpy()
    off = (own - own[:, :1]) - (rows.joints - rows.joints[:, :1])
    return float(np.linalg.norm(off, axis=-1).mean())


def _rows(fixed: FixedBodies, keep: Tensor) -> FixedBodies:
    return FixedBodies(
        fixed.keypoints[keep], fixed.parameters[keep], fixed.target[keep],
        fixed.clip[keep.numpy()], fixed.frame[keep.numpy()],
    )  # fmt: skip

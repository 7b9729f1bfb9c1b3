"""The true bodies of a folder of rendered people, drawn again from its seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseterior.data.cmu import cmu_root
from poseterior.data.people_crops import PeopleCrops
from poseterior.errors import InputError, known, require
from poseterior.geometry.camera import project
from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes.bodies import open_body
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.rendering.people import RenderedPeople, Shot
from poseterior.meshes.rendering.poses import poses_for
from poseterior.meshes.rendering.shot_bodies import bodies_of
from poseterior.meshes.rendering.studio import Studio
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = ["TrueBodies", "rendered_again", "true_bodies"]

_OFF_PX = 0.1  # of a keypoint that is drawn again; files have two decimals


@dataclass(frozen=True, eq=False)
class TrueBodies:
    """N bodies in camera axes.

    Attributes:
        body: which they are of.
        parameters: (N,).
        intrinsics: (N, 3, 3) of what sees them.
        size: (N, 2) width and height of the image, px.
    """

    body: SkinnedBody
    parameters: BodyParameters
    intrinsics: Tensor
    size: Tensor


def rendered_again(root: Path, cache: Path) -> RenderedPeople:
    """The source of a folder of rendered people, from what `render.json` tells.

    Args:
        root: the folder.
        cache: a folder that keeps poses fitted to the motion capture; that itself is found by
            the environment variable POSETERIOR_CMU.

    Raises:
        InputError: no such file, or it tells of other motions than are there now.
    """
    path = root / "render.json"
    told = _told(path)
    source = known("motion", str(told.get("motion")), ("cmu", "demo"))
    motion = cmu_root(None) if source == "cmu" else None
    # Both bodies are turned by the same joints.
    rotations = poses_for(open_body("anny_light"), motion, cache).rotations
    found = {split: len(each) for split, each in rotations.items()}
    same = told.get("poses") == found
    require(same, path, "poses", expected=f"those of {source}, {found}", found=told.get("poses"))
    return RenderedPeople(Studio(open_body(told["body"])), rotations, told["seed"])


def _told(path: Path) -> Mapping[str, Any]:
    require(path.is_file(), path, "", expected="what `poseterior render` wrote", found="no file")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, "", expected="JSON", found=error) from error
    good = isinstance(told, dict) and {"body", "seed", "motion", "poses"} <= told.keys()
    require(good, path, "", expected="body, seed, motion and poses", found="not all of them")
    result: Mapping[str, Any] = told
    return result


def true_bodies(
    source: RenderedPeople, people: PeopleCrops, split: str, rows: Sequence[int]
) -> TrueBodies:
    """The bodies of some people of a split, which are those of the folder: that is checked.

    Args:
        source: of the folder.
        people: of the folder's split.
        split: its name.
        rows: which people.

    Raises:
        InputError: a person drawn again has other keypoints than the folder's.
    """
    shots = [shot for row in rows for shot in source.shots(split, row, row + 1)]
    parameters, intrinsics = bodies_of(source, shots)
    _check(source, people, rows, parameters, intrinsics)
    return TrueBodies(source.studio.body, parameters, intrinsics, _sizes(shots))


def _sizes(shots: Sequence[Shot]) -> Tensor:
    return torch.tensor([shot.scene.size for shot in shots], dtype=torch.float32)


@torch.no_grad()
def _check(
    source: RenderedPeople, people: PeopleCrops, rows: Sequence[int],
    parameters: BodyParameters, intrinsics: Tensor,
) -> None:  # fmt: skip
    landmarks = source.studio.body.landmarks_of(parameters, COCO_17)
    told = torch.from_numpy(people.keypoints[np.asarray(rows)])
    off = (project(landmarks, intrinsics) - told[..., :2]).norm(dim=-1)
    worst = float(torch.where(told[..., 2] > 0, off, 0.0).max())
    require(
        worst < _OFF_PX, people.name, "keypoints",
        expected=f"within {_OFF_PX} px of people drawn again from the seed of render.json",
        found=f"{worst:.1f} px off",
    )  # fmt: skip

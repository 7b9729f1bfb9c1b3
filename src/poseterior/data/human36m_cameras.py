"""Human3.6M's four cameras: numbers of the data set's own metadata (`metadata.xml`).

The same numbers stand in VideoPose3D's `common/h36m_dataset.py`. A camera's place differs a
little from subject to subject, for it was calibrated anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import roma
import torch
from torch import Tensor

from poseterior.errors import require
from poseterior.geometry.camera import (
    Distortion,
    back_project,
    intrinsics_from_focal,
    translation_from_centre,
    world_to_camera,
)
from poseterior.geometry.units import metres

__all__ = ["CAMERAS", "Camera", "camera_of"]

CAMERAS = ("54138969", "55011271", "58860488", "60457274")


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera as calibrated for one subject, float64.

    Attributes:
        rotation: (3, 3) world -> camera.
        translation: (3,) metres, x_camera = R x_world + t.
        intrinsics: (3, 3).
        lens: its distortion, Human3.6M's formula (`geometry.camera`).
        image_size: width and height in px.
    """

    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    lens: Distortion
    image_size: tuple[int, int]

    def from_world(self, positions: Tensor) -> Tensor:
        """Positions (T, J, 3) in metres, from world axes to the camera's."""
        return world_to_camera(positions, self.rotation, self.translation)

    def straighten(self, pixels: Tensor, lens: Distortion | None = None) -> Tensor:
        """Pixels (T, J, 2) where a lens without distortion would have put them."""
        rays = back_project(
            pixels, torch.ones_like(pixels[..., 0]), self.intrinsics, lens or self.lens
        )
        return rays[..., :2] @ self.intrinsics[:2, :2].mT + self.intrinsics[:2, 2]


@cache
def _numbers() -> dict[str, Any]:
    text = files("poseterior.data").joinpath("human36m_cameras.json").read_text(encoding="utf-8")
    return json.loads(text)


@cache
def camera_of(subject: str, camera: str) -> Camera:
    """The camera of that name for one subject, S1, S5, S6, S7, S8, S9 or S11.

    `InputError` for other subjects and cameras: their calibration is not published.
    """
    numbers = _numbers()
    subjects = numbers["subjects"]
    known = subject in subjects and camera in CAMERAS
    expected = f"one of {', '.join(subjects)} and one of {', '.join(CAMERAS)}"
    require(known, "Human3.6M", "camera", expected=expected, found=f"{subject}, {camera}")
    own, place = numbers["cameras"][camera], subjects[subject][camera]
    w, x, y, z = place["orientation"]  # camera -> world
    turn = roma.unitquat_to_rotmat(torch.tensor([x, y, z, w], dtype=torch.float64))
    centre = metres(torch.tensor(place["centre_mm"], dtype=torch.float64))
    matrix = intrinsics_from_focal(1.0, torch.tensor(own["size"], dtype=torch.float64))
    matrix[[0, 1], [0, 1]] = torch.tensor(own["focal"], dtype=torch.float64)
    matrix[:2, 2] = torch.tensor(own["centre"], dtype=torch.float64)
    radial, tangential = (
        torch.tensor(own[k], dtype=torch.float64) for k in ("radial", "tangential")
    )
    return Camera(
        turn.mT, translation_from_centre(turn.mT, centre), matrix,
        Distortion(radial, tangential), tuple(own["size"]),
    )  # fmt: skip

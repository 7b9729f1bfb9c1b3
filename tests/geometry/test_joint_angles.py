"""Joint angles of poses that are put together from known angles."""

from __future__ import annotations

import math

import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.joint_angles import ANGLES, joint_angles
from poseterior.geometry.skeleton import H36M_17, get_skeleton

# x right, y down, z forward; the person looks where the camera does.
RIGHT, DOWN, FORWARD = torch.eye(3)


def direction(flexion: float, outward: float = 0.0, side: float = 1.0) -> torch.Tensor:
    """A limb that hangs, turned forward and then outward, degrees."""
    f, o = math.radians(flexion), math.radians(outward)
    plane = math.cos(f) * DOWN + math.sin(f) * FORWARD
    return math.cos(o) * plane + side * math.sin(o) * RIGHT


def person(
    knee: float = 0, hip: float = 0, abduction: float = 0, elbow: float = 0, shoulder: float = 0,
    trunk: float = 0,
) -> torch.Tensor:  # fmt: skip
    """(17, 3): a body whose limbs have these angles on both sides."""
    at = {"pelvis": torch.zeros(3), "spine": -0.2 * DOWN}
    bend = math.radians(trunk)
    at["thorax"] = at["spine"] + 0.3 * (-math.cos(bend) * DOWN + math.sin(bend) * FORWARD)
    at["nose"], at["head_top"] = at["thorax"] - 0.1 * DOWN, at["thorax"] - 0.25 * DOWN
    for name, side in (("left", -1.0), ("right", 1.0)):
        at[f"{name}_hip"] = 0.12 * side * RIGHT
        thigh = direction(hip, abduction, side)
        at[f"{name}_knee"] = at[f"{name}_hip"] + 0.45 * thigh
        in_plane = direction(hip - knee, abduction, side)
        at[f"{name}_ankle"] = at[f"{name}_knee"] + 0.42 * in_plane
        at[f"{name}_shoulder"] = at["thorax"] + 0.18 * side * RIGHT
        at[f"{name}_elbow"] = at[f"{name}_shoulder"] + 0.3 * direction(shoulder)
        forearm = direction(shoulder + elbow)
        at[f"{name}_wrist"] = at[f"{name}_elbow"] + 0.25 * forearm
    return torch.stack([at[joint] for joint in H36M_17.joints])


def test_a_person_who_stands_is_all_zeros() -> None:
    found = joint_angles(person(), H36M_17)
    assert set(found) == set(ANGLES)
    assert all(abs(value.item()) < 1e-3 for value in found.values())


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [
        ({"knee": 70}, "knee_flexion", 70), ({"knee": 170, "hip": 100}, "knee_flexion", 170),
        ({"hip": 40}, "hip_flexion", 40), ({"hip": -20}, "hip_flexion", -20),
        ({"hip": 110, "knee": 90}, "hip_flexion", 110),
        ({"abduction": 30}, "hip_abduction", 30), ({"abduction": -15}, "hip_abduction", -15),
        ({"elbow": 95}, "elbow_flexion", 95), ({"shoulder": 150}, "shoulder_elevation", 150),
    ],
)  # fmt: skip
def test_angles_are_those_the_body_was_made_of(
    side: str, asked: dict[str, float], name: str, value: float
) -> None:
    found = joint_angles(person(**asked), H36M_17)
    assert found[f"{side}_{name}"].item() == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize("bend", [-20.0, 35.0])
def test_the_trunk_bends_forward(bend: float) -> None:
    found = joint_angles(person(trunk=bend), H36M_17)
    assert found["trunk_flexion"].item() == pytest.approx(bend, abs=0.01)


def test_angles_do_not_depend_on_where_the_camera_is() -> None:
    generator = torch.Generator().manual_seed(0)
    pose = person(knee=50, hip=30, abduction=10, elbow=60, shoulder=40, trunk=15)
    turn = torch.linalg.qr(torch.randn(20, 3, 3, generator=generator)).Q
    turn = turn * torch.linalg.det(turn)[:, None, None].sign()
    seen = joint_angles(1.7 * pose @ turn.mT + 0.5, H36M_17)
    for name, value in joint_angles(pose, H36M_17).items():
        assert torch.allclose(seen[name], value.expand(20), atol=0.01), name


def test_left_and_right_are_mirrored() -> None:
    pose = 0.3 * torch.randn((50, 17, 3), generator=torch.Generator().manual_seed(1))
    mirrored = pose[:, list(H36M_17.partners)] * torch.tensor([-1.0, 1.0, 1.0])
    first, second = joint_angles(pose, H36M_17), joint_angles(mirrored, H36M_17)
    for name in ANGLES:
        other = name.replace("left", "?").replace("right", "left").replace("?", "right")
        difference = (first[name] - second[other] + 180).remainder(360) - 180
        assert difference.abs().max() < 0.05, name


def test_a_skeleton_gives_the_angles_it_determines() -> None:
    coco = get_skeleton("coco_17")
    found = joint_angles(torch.randn(3, 17, 3), coco)
    assert {name.split("_", 1)[1] for name in found} == {"knee_flexion", "elbow_flexion"}
    with pytest.raises(InputError, match="pose"):
        joint_angles(torch.zeros(16, 3), H36M_17)

"""Parameters of bodies by their several representations."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial.transform import Rotation

from poseterior.errors import InputError
from poseterior.meshes import BodyParameters


def axis_angles(*shape: int) -> torch.Tensor:
    """Axis-angle vectors shorter than pi."""
    draw = torch.Generator().manual_seed(0)
    return 0.8 * torch.randn((*shape, 3), generator=draw, dtype=torch.float64)


def made(*batch: int) -> BodyParameters:
    """Bodies of 6 joints and 4 shape numbers."""
    turns = axis_angles(*batch, 6)
    betas, transl = torch.ones(*batch, 4).double(), torch.ones(*batch, 3).double()
    return BodyParameters.from_axis_angle(turns[..., 0, :], turns[..., 1:, :], betas, transl)


def test_axis_angle_is_scipys() -> None:
    turns = axis_angles(6)
    expected = Rotation.from_rotvec(turns.numpy()).as_matrix()
    torch.testing.assert_close(made().rotations, torch.from_numpy(expected))


def test_representations_lead_back() -> None:
    p = made(2, 3)
    back = p.to_axis_angle()
    torch.testing.assert_close(back["body_pose"], axis_angles(2, 3, 6)[..., 1:, :])
    again = BodyParameters.from_axis_angle(**back)
    torch.testing.assert_close(again.rotations, p.rotations)
    assert p.to_6d().shape == (2, 3, 6, 6)
    torch.testing.assert_close(BodyParameters.from_6d(p.to_6d(), p.betas).rotations, p.rotations)


def test_flat_body_pose_as_smpl_files_have_it() -> None:
    p = made(2)
    vectors = p.to_axis_angle()
    flat = vectors | {"body_pose": vectors["body_pose"].flatten(1)}
    torch.testing.assert_close(BodyParameters.from_axis_angle(**flat).body_pose, p.body_pose)


def test_indexing_expanding_and_casting() -> None:
    p = made(2, 3)
    assert p[1].batch_shape == (3,)
    assert p[1, 2].expand(5).rotations.shape == (5, 6, 3, 3)
    assert p.to(torch.float32).betas.dtype == torch.float32


def test_shapes_that_do_not_fit_are_refused() -> None:
    p = made(2)
    with pytest.raises(InputError, match=r"betas: expected shape \(2, 4\), found \(3, 4\)"):
        BodyParameters(p.global_orient, p.body_pose, torch.ones(3, 4), p.transl)

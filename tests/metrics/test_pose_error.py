"""Pose errors against the definitions written out pose by pose."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from oracles import metrics_loops
from poseterior.metrics.pose_error import auc, cps_mm, mpjpe, n_mpjpe, pa_mpjpe, pck, pose_errors

ROOT = 2


def draw(poses: int = 5, count: int = 6, joints: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Hypotheses about a target, some joints beyond 150 mm and some poses beyond 300 mm."""
    generator = torch.Generator().manual_seed(0)
    target = 0.4 * torch.randn(poses, joints, 3, generator=generator)
    spread = torch.linspace(0.03, 0.15, poses)[:, None, None, None]
    noise = torch.randn(poses, count, joints, 3, generator=generator)
    hypotheses = target[:, None] + spread * noise
    hypotheses[:, :, ROOT] = target[:, ROOT] = 0
    return hypotheses, target


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("count", [1, 6])
def test_all_errors_agree_with_loops(weighted: bool, masked: bool, count: int) -> None:
    hypotheses, target = draw(count=count)
    weights = torch.tensor([3.0, 0.0, 1, 2, 0.5, 0])[:count].expand(5, -1) if weighted else None
    valid = torch.ones(5, 7, dtype=torch.bool)
    valid[0, 1] = valid[3, 4] = valid[3, 5] = not masked
    found = pose_errors(
        hypotheses, target, root=ROOT, weights=weights, valid_joints=valid if masked else None
    )
    for m in range(5):
        expected = metrics_loops.pose_errors(
            hypotheses[m].double().numpy(), target[m].double().numpy(), ROOT,
            None if weights is None else weights[m].numpy(), valid[m].numpy(),
        )  # fmt: skip
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert found[key][m].item() == pytest.approx(value, rel=1e-5), key


def test_points_are_scored_where_they_are_known() -> None:
    hypotheses, target = draw()
    found = pose_errors(
        hypotheses, target, root=ROOT, mode=target + 0.003, latent_centre=hypotheses[:, 0]
    )
    np.testing.assert_allclose(found["mpjpe_mode_mm"], 3 * 3**0.5, rtol=1e-4)
    expected = 1000 * mpjpe(hypotheses[:, 0], target)
    torch.testing.assert_close(found["mpjpe_latent_centre_mm"], expected)
    assert "mpjpe_mode_mm" not in pose_errors(hypotheses, target, root=ROOT)


def test_values_in_joints_that_are_not_valid_do_not_matter() -> None:
    hypotheses, target = draw()
    valid = torch.ones(5, 7, dtype=torch.bool)
    valid[:, 4] = False
    clean = pose_errors(hypotheses, target, root=ROOT, valid_joints=valid)
    hypotheses[:, :, 4] = 77.0
    for key, value in pose_errors(hypotheses, target, root=ROOT, valid_joints=valid).items():
        torch.testing.assert_close(value, clean[key], msg=key)


def test_no_valid_joint_is_no_error_at_all() -> None:
    hypotheses, target = draw()
    found = pose_errors(
        hypotheses, target, root=ROOT, valid_joints=torch.zeros(5, 7, dtype=torch.bool)
    )
    assert all(value.isnan().all() for value in found.values())


def test_a_degenerate_hypothesis_never_has_the_least_error() -> None:
    hypotheses, target = draw()
    before = pose_errors(hypotheses[:, 1:], target, root=ROOT)["min_pa_mpjpe_mm"]
    hypotheses[:, 0] = 0
    assert pa_mpjpe(hypotheses[:, 0], target).isnan().all()
    after = pose_errors(hypotheses, target, root=ROOT)["min_pa_mpjpe_mm"]
    torch.testing.assert_close(after, before)


def test_alignment_forgives_similarity_but_not_reflection() -> None:
    _, target = draw()
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    assert pa_mpjpe(1.7 * target @ quarter.T + 0.3, target).max() < 1e-6
    assert pa_mpjpe(target * torch.tensor([-1.0, 1, 1]), target).min() > 0.02


def test_normalised_error_uses_the_best_scale() -> None:
    hypotheses, target = draw()
    prediction = 0.6 * hypotheses[:, 0]
    found = n_mpjpe(prediction, target)
    for m in range(len(target)):
        best = minimize_scalar(lambda s, m=m: (s * prediction[m] - target[m]).square().sum().item())
        expected = mpjpe(best.x * prediction[m], target[m]).item()
        assert found[m].item() == pytest.approx(expected, rel=1e-4)
    assert n_mpjpe(torch.zeros(4, 3), torch.ones(4, 3)).isnan()


def test_thresholds_are_strict_and_their_ends_known() -> None:
    errors = torch.tensor([0.150, 0.0, 0.1499, 0.2], dtype=torch.float64)
    assert pck(errors, None).item() == 0.5
    assert auc(torch.zeros(3), None).item() == pytest.approx(30 / 31)
    assert cps_mm(errors).item() == pytest.approx(100)
    assert cps_mm(torch.tensor([0.31, 0.0])).item() == 0

"""What `coupling_flow` sees: the covariances, or points alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from poseterior.data.demo_clip import demo_observations
from poseterior.lifters.coupling_flow import CouplingFlow, CouplingFlowConfig

SMALL = CouplingFlowConfig(members=1, width=16, residual_blocks=1, context=8, blocks=1, hidden=8)


@pytest.mark.parametrize("covariances", [True, False])
def test_only_a_flow_that_sees_covariances_heeds_them(covariances: bool) -> None:
    lifter = CouplingFlow(replace(SMALL, covariances=covariances)).eval()
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():  # a new flow is the identity: nothing of the observation would be seen
        for weight in lifter.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=draws)
    keypoints = next(demo_observations().chunks(8)).keypoints
    other = replace(keypoints, covariance=4 * keypoints.covariance)
    pose = 0.2 * torch.randn(8, 17, 3, generator=draws)
    pose[:, 0] = 0
    one, two = (lifter(seen).log_prob(pose) for seen in (keypoints, other))
    assert torch.equal(one, two) != covariances
    presets = CouplingFlow.PRESETS
    assert replace(presets["small_points"], covariances=True) == presets["small"]

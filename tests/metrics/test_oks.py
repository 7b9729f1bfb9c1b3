"""OKS against COCO's own loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.metrics.oks import COCO_SIGMAS, oks, oks_sigmas

# As cocoapi's cocoeval.py has them, in the order of its keypoints.
SIGMAS = np.array(
    [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87,
     0.89, 0.89]
) / 10.0  # fmt: skip


def by_coco(prediction, target, area, counted):
    """What computeOks does of one pair."""
    variances = (SIGMAS * 2) ** 2
    dx, dy = (prediction - target).T
    e = (dx**2 + dy**2) / variances / area / 2
    e = e[counted]
    return np.sum(np.exp(-e)) / e.shape[0]


def test_the_sigmas_are_those_of_coco():
    assert oks_sigmas(COCO_17).tolist() == pytest.approx(SIGMAS.tolist())
    assert set(COCO_SIGMAS) == set(COCO_17.joints)


def test_oks_is_coco_s():
    generator = torch.Generator().manual_seed(0)
    target = 200 * torch.rand(40, 17, 2, generator=generator, dtype=torch.float64)
    prediction = target + 8 * torch.randn(40, 17, 2, generator=generator, dtype=torch.float64)
    area = 2000 + 20000 * torch.rand(40, generator=generator, dtype=torch.float64)
    counted = torch.rand(40, 17, generator=generator) > 0.3
    found = oks(prediction, target, area, oks_sigmas(COCO_17).double(), counted)
    for n in range(40):
        expected = by_coco(*(t[n].numpy() for t in (prediction, target, area, counted)))
        assert found[n].item() == pytest.approx(expected, rel=1e-6)


def test_nothing_counted_is_not_alike_and_the_same_is_one():
    pose, area, sigmas = torch.rand(17, 2), torch.tensor(10.0), oks_sigmas(COCO_17)
    assert oks(pose, pose, area, sigmas) == 1
    assert oks(pose, pose, area, sigmas, torch.zeros(17, dtype=torch.bool)) == 0


def test_joints_that_coco_does_not_have_are_not_counted():
    sigmas = oks_sigmas(H36M_17)
    pose = torch.rand(17, 2)
    other = torch.where(sigmas.isinf()[:, None], pose + 100, pose)
    assert sigmas.isinf().any()
    assert oks(other, pose, torch.tensor(10.0), sigmas) == 1


def test_an_area_must_be_positive():
    with pytest.raises(InputError, match="area"):
        oks(torch.zeros(17, 2), torch.zeros(17, 2), torch.tensor(0.0), oks_sigmas(COCO_17))

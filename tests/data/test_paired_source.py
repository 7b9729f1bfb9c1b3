"""Batches of observed pairs: what is drawn, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from poseterior.data.paired_source import PairedSource
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.training.updates import Source

COUNT = 50


def pairs(count: int = COUNT) -> tuple[Keypoints, torch.Tensor]:
    """Pair n has n in every number but the root."""
    number = torch.arange(count, dtype=torch.float32)
    pose = number[:, None, None].expand(count, 17, 3).clone()
    pose[:, 0] = 0
    covariance = (1 + number)[:, None, None, None] * torch.eye(2).expand(count, 17, 2, 2)
    valid = torch.ones(count, 17, dtype=torch.bool)
    return Keypoints(number[:, None, None].expand(count, 17, 2), covariance, valid, H36M_17), pose


def test_a_batch_holds_pairs() -> None:
    source: Source = PairedSource(*pairs(), 400, 1)
    keypoints, pose = source.batch(0)
    assert keypoints.batch_shape == (400,)
    number = pose[:, 1, 0]
    assert torch.equal(keypoints.pixels[:, 3, 1], number)
    assert torch.equal(keypoints.covariance[:, 3, 1, 1], 1 + number)
    # Each of 50 pairs is missed by 400 draws with probability 0.0003.
    assert len(number.unique()) > 45


def test_a_batch_depends_on_seed_and_index_alone() -> None:
    first, same, other = (PairedSource(*pairs(), 64, seed) for seed in (3, 3, 4))
    first.batch(0)
    assert torch.equal(first.batch(7)[1], same.batch(7)[1])
    assert not torch.equal(first.batch(7)[1], first.batch(8)[1])
    assert not torch.equal(first.batch(7)[1], other.batch(7)[1])


def _bad_pose(change):
    keypoints, pose = pairs()
    return keypoints, change(pose)


BAD = {
    "length": (lambda: _bad_pose(lambda pose: pose[:-1]), "shape"),
    "joints": (lambda: _bad_pose(lambda pose: pose[:, :16]), "shape"),
    "unknown joints": (lambda: _bad_pose(lambda pose: pose / 0), "finite"),
    "root": (lambda: _bad_pose(lambda pose: pose + 1), "origin"),
    "none": (lambda: pairs(0), "at least 1"),
    "two axes": (lambda: (replace_batch(), pairs()[1]), "(N,)"),
}


def replace_batch() -> Keypoints:
    keypoints = pairs()[0]
    return replace(
        keypoints, pixels=keypoints.pixels[None], covariance=keypoints.covariance[None],
        valid=keypoints.valid[None],
    )  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_pairs_that_do_not_fit(case: str) -> None:
    make, words = BAD[case]
    with pytest.raises(InputError) as refused:
        PairedSource(*make(), 4)
    assert words in str(refused.value)

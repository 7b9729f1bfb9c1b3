"""Hidden parts and crops: the paper's frequencies, and that a crop sees the same rays."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

from dataset_files import save_3dpw, threedpw_sequence

from poseterior.data.ambiguous_crops import (
    PADDING,
    STRATEGIES,
    ambiguous,
    ambiguous_source,
    cropped,
    hidden_joints,
)
from poseterior.data.threedpw import open_3dpw
from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14, SKELETONS, Skeleton
from poseterior.keypoints import Keypoints

TABLE = {
    ("h36m_17", "arms_head"): "left_elbow left_wrist right_elbow right_wrist nose head_top",
    ("h36m_17", "head"): "nose head_top",
    ("h36m_17", "legs"): "left_knee left_ankle right_knee right_ankle",
    ("coco_17", "head"): "nose left_eye right_eye left_ear right_ear",
    ("coco_17", "legs"): "left_knee left_ankle right_knee right_ankle",
    ("lsp_14", "arms_head"): "left_elbow left_wrist right_elbow right_wrist head_top",
    ("lsp_14", "head"): "head_top",
    ("lsp_14", "nothing"): "",
}


def people(count: int, skeleton: Skeleton = H36M_17, seed: int = 0) -> Keypoints:
    """Keypoints anywhere in an image, by a camera whose axis is off its middle."""
    draw = torch.Generator().manual_seed(seed)
    pixels = 100 + 800 * torch.rand(count, len(skeleton), 2, generator=draw)
    camera = torch.tensor([[900.0, 0, 480], [0, 950.0, 510], [0, 0, 1]])
    return Keypoints(
        pixels,
        torch.eye(2).expand(count, len(skeleton), 2, 2),
        torch.ones(count, len(skeleton), dtype=torch.bool),
        skeleton,
        torch.tensor([1000.0, 1000.0]).expand(count, 2),
        camera.expand(count, 3, 3),
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rays(keypoints: Keypoints) -> Tensor:
    """(M, J, 2) x/z and y/z."""
    k = keypoints.intrinsics
    assert k is not None
    return (keypoints.pixels - k[:, None, :2, 2]) / k[:, None, [0, 1], [0, 1]]


@pytest.mark.parametrize(("skeleton", "strategy"), TABLE)
def test_the_joints_that_each_strategy_hides(skeleton: str, strategy: str) -> None:
    found = set(hidden_joints(SKELETONS[skeleton], strategy))
    assert found == set(TABLE[skeleton, strategy].split())


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_every_skeleton_keeps_hips_and_shoulders(skeleton: Skeleton) -> None:
    for strategy in STRATEGIES:
        hidden = hidden_joints(skeleton, strategy)
        assert not [joint for joint in hidden if joint.endswith(("hip", "shoulder", "pelvis"))]
        assert bool(hidden) == (strategy != "nothing")


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17, LSP_14])
def test_strategies_are_as_frequent_as_in_the_paper(skeleton: Skeleton) -> None:
    count = 20_000
    found = ambiguous(people(count, skeleton), generator())
    sets = {name: set(hidden_joints(skeleton, name)) for name in STRATEGIES}
    masks = {
        name: torch.tensor([joint not in hidden for joint in skeleton.joints])
        for name, hidden in sets.items()
    }
    total = 0
    for (name, share), expected in zip(STRATEGIES.items(), (0.3, 0.3, 0.3, 0.1), strict=True):
        assert share == expected
        seen = int((found.valid == masks[name]).all(1).sum())
        total += seen
        assert abs(seen / count - share) < 4 * (share * (1 - share) / count) ** 0.5
    assert total == count


def test_a_crop_sees_the_same_rays() -> None:
    before = people(500)
    after = ambiguous(before, generator())
    torch.testing.assert_close(
        rays(after)[after.valid], rays(before)[after.valid], atol=1e-5, rtol=0
    )
    assert torch.equal(after.covariance, before.covariance)
    assert (after.pixels[~after.valid] == 0).all()


def test_crops_hold_what_is_visible_slightly_padded() -> None:
    before = people(500)
    after = ambiguous(before, generator())
    for i in range(500):
        points = before.pixels[i, after.valid[i]]
        extent = points.amax(0) - points.amin(0)
        wanted = extent + 2 * PADDING * extent.max()
        size = after.image_size[i]  # type: ignore[index]
        assert (size >= wanted).all()
        assert (size <= wanted + 3).all()
        inside = after.pixels[i, after.valid[i]]
        assert (inside > PADDING * extent.max() - 1).all()
        assert (inside < size - PADDING * extent.max()).all()
        assert torch.equal(size, size.round())


def test_a_generator_decides_all() -> None:
    keypoints = people(64)
    one, same, other = (ambiguous(keypoints, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.pixels, same.pixels)
    assert torch.equal(one.valid, same.valid)
    assert not torch.equal(one.valid, other.valid)


def test_only_a_share_is_changed() -> None:
    keypoints = people(4000)
    found = ambiguous(keypoints, generator(), share=0.25)
    size = found.image_size
    assert size is not None
    same = (size == 1000).all(1)
    assert abs(float(same.float().mean()) - 0.75) < 0.03
    assert torch.equal(found.pixels[same], keypoints.pixels[same])
    assert bool(found.valid[same].all())
    assert torch.equal(ambiguous(keypoints, generator(), share=0.0).pixels, keypoints.pixels)


def test_what_was_missing_stays_missing_and_nobody_is_no_crop() -> None:
    keypoints = people(200).without(torch.rand(200, 17, generator=generator(5)) < 0.5)
    found = ambiguous(keypoints, generator())
    assert not (found.valid & ~keypoints.valid).any()
    nobody = people(2).without(torch.ones(2, 17, dtype=torch.bool))
    same = cropped(nobody, torch.ones(2, dtype=torch.bool))
    assert torch.equal(same.image_size, nobody.image_size)  # type: ignore[arg-type]
    assert torch.equal(same.intrinsics, nobody.intrinsics)  # type: ignore[arg-type]


def test_without_a_camera_there_is_none_afterwards() -> None:
    keypoints = replace(people(50), intrinsics=None, image_size=None)
    found = ambiguous(keypoints, generator())
    assert found.intrinsics is None
    assert found.image_size is not None
    assert (found.pixels[found.valid] >= 0).all()


def test_3dpw_in_the_form_of_a3dpw(tmp_path: Path) -> None:
    save_3dpw(tmp_path, "test", "walk_00", threedpw_sequence())
    plain = open_3dpw(tmp_path)
    hidden = ambiguous_source(plain, seed=3)
    assert hidden.rows == plain.rows
    assert hidden.target is plain.target
    assert list(hidden.labels) == list(plain.labels)
    kept = hidden.keypoints.valid
    assert (plain.keypoints.valid & ~kept).any()
    torch.testing.assert_close(
        rays(hidden.keypoints)[kept], rays(plain.keypoints)[kept], atol=1e-4, rtol=0
    )
    assert hidden.fingerprint() == ambiguous_source(plain, seed=3).fingerprint()
    assert hidden.fingerprint() != ambiguous_source(plain, seed=4).fingerprint()

"""Keypoints of one skeleton as those of another: errors, masks and confidences."""

from __future__ import annotations

import torch

from poseterior.data.convert import convert_keypoints
from poseterior.geometry.skeleton import COCO_17, H36M_17, OPENPOSE_25
from poseterior.keypoints import Keypoints

LEFT_HIP, RIGHT_HIP = COCO_17.index("left_hip"), COCO_17.index("right_hip")
LEFT_WRIST = COCO_17.index("left_wrist")


def coco(*batch: int) -> Keypoints:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(*batch, 17, 2, 2, generator=generator, dtype=torch.float64)
    return Keypoints(
        pixels=500 + 100 * torch.randn(*batch, 17, 2, generator=generator, dtype=torch.float64),
        covariance=root @ root.mT,
        valid=torch.ones(*batch, 17, dtype=torch.bool),
        skeleton=COCO_17,
        image_size=torch.full((*batch, 2), 1000.0),
        confidence=torch.rand(*batch, 17, generator=generator),
        visible=torch.ones(*batch, 17, dtype=torch.bool),
    )


def test_covariances_are_those_of_independent_draws():
    before = coco(3)
    after = convert_keypoints(before, H36M_17)
    assert after.skeleton is H36M_17
    generator = torch.Generator().manual_seed(1)
    factor = torch.linalg.cholesky(before.covariance)
    noise = torch.randn(40_000, 3, 17, 2, 1, generator=generator, dtype=torch.float64)
    draws = before.pixels + (factor @ noise).squeeze(-1)
    # The pelvis by hand, as the middle of the hips.
    pelvis = (draws[:, :, LEFT_HIP] + draws[:, :, RIGHT_HIP]) / 2
    for k in range(3):
        torch.testing.assert_close(pelvis[:, k].mean(0), after.pixels[k, 0], rtol=0, atol=0.05)
        spread = pelvis[:, k].T.cov()
        torch.testing.assert_close(spread, after.covariance[k, 0], rtol=0.05, atol=0.03)
    wrist = H36M_17.index("left_wrist")
    torch.testing.assert_close(after.covariance[:, wrist], before.covariance[:, LEFT_WRIST])


def test_validity_confidence_and_visibility_are_those_of_the_weakest():
    before = coco(2)
    before.valid[0, LEFT_HIP] = False
    before.pixels[0, LEFT_HIP] = torch.nan
    before.covariance[0, LEFT_HIP] = torch.nan
    before.visible[1, RIGHT_HIP] = False
    after = convert_keypoints(before, "h36m_17")
    invalid = {H36M_17.joints[j] for j in (~after.valid[0]).nonzero().flatten()}
    assert invalid == {"pelvis", "left_hip", "spine", "thorax", "head_top"}
    assert {H36M_17.joints[j] for j in (~after.valid[1]).nonzero().flatten()} == {"head_top"}
    assert (after.pixels[~after.valid] == 0).all()
    assert (after.covariance[~after.valid] == 0).all()
    assert after.pixels.isfinite().all()
    hips = before.confidence[1, [LEFT_HIP, RIGHT_HIP]]
    assert after.confidence[1, 0] == hips.min()
    assert after.confidence.dtype == before.confidence.dtype
    assert (after.confidence[~after.valid] == 0).all()
    hidden = {H36M_17.joints[j] for j in (~after.visible[1]).nonzero().flatten()}
    assert hidden == {"pelvis", "right_hip", "spine", "thorax", "head_top"}
    assert after.visible.dtype == torch.bool


def test_the_same_skeleton_and_what_is_absent_stay():
    before = coco()
    same = convert_keypoints(before, COCO_17)
    torch.testing.assert_close(same.pixels, before.pixels)
    torch.testing.assert_close(same.covariance, before.covariance)
    torch.testing.assert_close(same.confidence, before.confidence)
    torch.testing.assert_close(same.image_size, before.image_size)
    bare = Keypoints(before.pixels, before.covariance, before.valid, COCO_17)
    after = convert_keypoints(bare, OPENPOSE_25)
    assert after.confidence is None
    assert after.visible is None
    assert after.intrinsics is None
    assert after.pixels.shape == (25, 2)

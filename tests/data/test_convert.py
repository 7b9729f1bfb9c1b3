"""Keypoints of one skeleton as those of another: errors, masks and confidences."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from poseterior.data.convert import convert_keypoints, torso_length
from poseterior.geometry.conversion import conversion
from poseterior.geometry.skeleton import COCO_17, H36M_17, OPENPOSE_25, skeleton_from_tree
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


def person(**changes: tuple[float, float]) -> Keypoints:
    """One standing person 1.6 m tall, torso 0.5 m, shoulders 0.38 m apart, at 200 px a metre."""
    at = dict.fromkeys(("nose", "eye", "ear"), (0, 0)) | {
        "shoulder": (38, 40), "elbow": (38, 100), "wrist": (38, 150),
        "hip": (18, 140), "knee": (18, 230), "ankle": (18, 320),
    }  # fmt: skip
    pixels = torch.tensor([
        changes.get(joint) or ((1 - 2 * joint.startswith("right")) * at[word][0], at[word][1])
        for joint in COCO_17.joints for word in [joint.split("_")[-1]]
    ], dtype=torch.float64)  # fmt: skip
    covariance = torch.zeros(17, 2, 2, dtype=torch.float64)
    return Keypoints(pixels, covariance, torch.ones(17, dtype=torch.bool), COCO_17)


def hidden(keypoints: Keypoints, *joints: str) -> Keypoints:
    return keypoints.without(torch.tensor([j in joints for j in keypoints.skeleton.joints]))


def test_the_torso_is_told_by_what_is_least_shortened():
    hips = ("left_hip", "right_hip")
    assert torso_length(person()) == pytest.approx(100)
    # Lying away from the camera: the shoulders stay as broad as they are.
    lying = person(left_hip=(18, 45), right_hip=(-18, 45), left_ankle=(18, 60),
                   right_ankle=(-18, 60), left_knee=(18, 55), right_knee=(-18, 55))  # fmt: skip
    assert torso_length(lying) == pytest.approx(1.3 * 76)
    # Turned sideways, hips not seen: the box.
    sideways = person(left_shoulder=(0, 40), right_shoulder=(0, 40))
    assert torso_length(hidden(sideways, *hips)) == pytest.approx(0.27 * 320)
    assert torso_length(hidden(person(), *hips)) == pytest.approx(1.3 * 76)
    alone = tuple(j for j in COCO_17.joints if j not in hips)
    assert torso_length(hidden(person(), *alone)) == pytest.approx(0.27 * 36)
    assert torso_length(hidden(person(), *COCO_17.joints)) == 0


def test_what_is_not_valid_says_nothing_of_the_size():
    outlier = hidden(person(left_hip=(1e6, 0)), "left_hip")
    outlier.pixels[COCO_17.index("left_hip")] = torch.nan
    assert torso_length(outlier) == pytest.approx(1.3 * 76)


def test_the_approximation_s_own_error_is_in_the_covariance():
    keypoints = person()
    after = convert_keypoints(keypoints, H36M_17)
    sigma = conversion(COCO_17, H36M_17).sigma
    assert sigma[H36M_17.index("thorax")] == pytest.approx(0.027)
    expected = (100 * sigma).square()[:, None, None] * torch.eye(2, dtype=torch.float64)
    torch.testing.assert_close(after.covariance, expected * after.valid[:, None, None])
    # It grows with the person and adds to what the detector says.
    noisy = Keypoints(
        3 * keypoints.pixels, 4 * torch.eye(2).double().expand(17, 2, 2), keypoints.valid, COCO_17
    )
    thorax = convert_keypoints(noisy, H36M_17).covariance[H36M_17.index("thorax")]
    detected = 4 * (2 * 0.445**2 + 2 * 0.055**2)
    torch.testing.assert_close(thorax, (detected + (300 * 0.027) ** 2) * torch.eye(2).double())


def test_batches_and_precision_stay():
    after = convert_keypoints(coco(2, 3).to(torch.float32), H36M_17)
    assert after.covariance.shape == (2, 3, 17, 2, 2)
    assert after.covariance.dtype == after.pixels.dtype == torch.float32
    torch.testing.assert_close(
        after.covariance, convert_keypoints(coco(2, 3), H36M_17).covariance.float()
    )


def test_a_skeleton_without_shoulders_has_the_size_of_its_box():
    legs = skeleton_from_tree("legs", [("left_knee", None), ("left_ankle", "left_knee")])
    pixels = torch.tensor([[0.0, 0.0], [30.0, 100.0]])
    valid = torch.ones(2, dtype=torch.bool)
    keypoints = Keypoints(pixels, torch.zeros(2, 2, 2), valid, legs)
    assert torso_length(keypoints) == pytest.approx(27)
    after = convert_keypoints(keypoints, H36M_17)
    assert after.valid.sum() == 2
    assert (after.covariance == 0).all()


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


def test_what_is_made_of_a_doubtful_joint_is_doubtful():
    before = coco(2)
    doubtful = torch.zeros(2, 17, dtype=torch.bool)
    doubtful[0, LEFT_HIP] = True
    after = convert_keypoints(replace(before, doubtful=doubtful), H36M_17)
    named = {H36M_17.joints[j] for j in after.doubtful[0].nonzero().flatten()}
    assert named == {"pelvis", "left_hip", "spine", "thorax"}
    assert not after.doubtful[1].any()


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
    assert after.doubtful is None
    assert after.intrinsics is None
    assert after.pixels.shape == (25, 2)

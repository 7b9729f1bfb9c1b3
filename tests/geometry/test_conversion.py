"""Conversions: names, written-out weights, what every one must satisfy, and real bodies."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.conversion import conversion
from poseterior.geometry.conversion_rules import RULES, points_of
from poseterior.geometry.skeleton import H36M_17, SKELETONS

PAIRS = list(itertools.product(SKELETONS, SKELETONS))
LIMBS = [
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
]


def normal(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_conversion_is_affine_named_and_symmetric(source, target):
    change = conversion(source, target)
    left, right = SKELETONS[source], SKELETONS[target]
    assert change.weights.shape == (len(right), len(left))
    assert (change.weights >= 0).all()
    sums = change.weights.sum(1).tolist()
    for joint, quality, how, total in zip(
        right.joints, change.quality, change.how, sums, strict=True
    ):
        assert total == pytest.approx(0.0 if quality == "missing" else 1.0)
        assert how
        if joint in LIMBS:
            assert (quality, how) == ("exact", joint)
    # Mirroring the source mirrors the target.
    mirrored = change.weights[list(right.partners)][:, list(left.partners)]
    torch.testing.assert_close(mirrored, change.weights)
    assert all(change.quality[right.partners[j]] == q for j, q in enumerate(change.quality))


@pytest.mark.parametrize("name", SKELETONS)
def test_the_conversion_to_itself_changes_nothing(name):
    change = conversion(name, name)
    assert set(change.quality) == {"exact"}
    torch.testing.assert_close(change.weights, torch.eye(len(SKELETONS[name])).double())


def test_coco_to_human36m_written_out():
    change = conversion("coco_17", "h36m_17")
    assert change.named("missing") == ("head_top",)
    assert change.named("approximated") == ("pelvis", "spine", "thorax", "nose")
    coco = normal(4, 17, 2)
    found = change.apply(coco)
    hips, shoulders, ears = coco[:, 11:13].mean(1), coco[:, 5:7].mean(1), coco[:, 3:5].mean(1)
    thorax = 0.89 * shoulders + 0.11 * hips
    for joint, expected in {
        "pelvis": hips,
        "thorax": thorax,
        "spine": (hips + thorax) / 2,
        "nose": 0.75 * ears + 0.25 * shoulders,
        "left_wrist": coco[:, 9],
        "right_ankle": coco[:, 16],
    }.items():
        torch.testing.assert_close(found[:, H36M_17.index(joint)], expected)
    assert found[:, H36M_17.index("head_top")].isnan().all()


def test_errors_of_coco_to_human36m_written_out():
    """Over the torso; the spine's takes half the thorax's along."""
    sigma = dict(zip(H36M_17.joints, conversion("coco_17", "h36m_17").sigma.tolist(), strict=True))
    expected = {"thorax": 0.027, "spine": (0.049**2 + 0.0135**2) ** 0.5, "nose": 0.06}
    for joint, found in sigma.items():
        assert found == pytest.approx(expected.get(joint, 0.0)), joint


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_only_approximations_have_an_error(source, target):
    """None has more than a fifth of a torso, none but the middle of two joints has none."""
    change = conversion(source, target)
    for sigma, quality, how in zip(change.sigma.tolist(), change.quality, change.how, strict=True):
        certain = quality != "approximated" or how.startswith("midpoint of the ")
        assert 0 <= sigma < 0.25
        assert certain or sigma > 0.02, how
        assert quality == "approximated" or sigma == 0


@pytest.mark.parametrize(
    ("source", "target", "joint", "quality"),
    [
        ("halpe_26", "h36m_17", "head_top", "approximated"),  # the crown
        ("mpii_16", "lsp_14", "head_top", "exact"),
        ("h36m_17", "mpii_16", "head_top", "approximated"),
        ("mpii_16", "h36m_17", "nose", "approximated"),  # the base of the head
        ("coco_17", "h36m_17", "nose", "approximated"),
        ("h36m_17", "coco_17", "nose", "missing"),  # the tip of the nose
        ("coco_17", "openpose_25", "nose", "exact"),
        ("openpose_25", "h36m_17", "pelvis", "exact"),
        ("openpose_25", "h36m_17", "thorax", "approximated"),
        ("openpose_25", "halpe_26", "left_heel", "exact"),
        ("smpl_24", "h36m_17", "pelvis", "approximated"),
        ("smpl_24", "h36m_17", "head_top", "missing"),
        ("openpose_25", "smpl_24", "left_foot", "approximated"),
        ("openpose_25", "lsp_14", "neck", "approximated"),
    ],
)
def test_the_same_name_is_not_always_the_same_point(source, target, joint, quality):
    change = conversion(source, target)
    assert change.quality[change.target.index(joint)] == quality


def test_a_joint_that_needs_a_missing_one_is_not_a_number():
    coco = normal(17, 3)
    coco[3] = torch.nan  # left ear
    coco[9] = torch.inf  # left wrist
    found = conversion("coco_17", "h36m_17").apply(coco)
    bad = {H36M_17.joints[j] for j in found.isnan().any(-1).nonzero().flatten()}
    assert bad == {"nose", "head_top", "left_wrist"}
    assert not found.isinf().any()


@pytest.mark.parametrize(
    "positions", [torch.zeros(16, 3), torch.zeros(17), torch.zeros(17, 3, dtype=torch.int64)]
)
def test_unfit_positions_are_refused(positions):
    with pytest.raises(InputError, match="17, D"):
        conversion("coco_17", "h36m_17").apply(positions)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="'coco_17'"):
        conversion("coco17", "h36m_17")


def test_every_rule_sums_to_one_over_known_points():
    points = {point for skeleton in SKELETONS.values() for point in points_of(skeleton)}
    rules = [rule for found in RULES.values() for rule in found]
    parts = {part for rule in rules for part, _ in rule.parts}
    assert set(RULES) <= points | parts
    assert parts <= points | set(RULES)
    for rule in rules:
        assert sum(weight for _, weight in rule.parts) == pytest.approx(1.0)
        assert rule.sigma > 0 or rule.how.startswith("midpoint of")


def test_stated_errors_on_real_bodies(cmu_root: Path):
    """Pelvis, thorax and spine from the limb joints, on data that nothing was fitted to.

    Along an axis of the room the error is that of the image, on average over views.
    """
    with np.load(cmu_root / "cmu_val.npz", allow_pickle=False) as arrays:
        bodies = torch.from_numpy(arrays["positions"][::20]).double()
    change = conversion("coco_17", "h36m_17")
    coco = bodies[:, [H36M_17.index(j) if j in LIMBS else 0 for j in change.source.joints]]
    ends = [[H36M_17.index(f"{s}_{j}") for s in ("left", "right")] for j in ("shoulder", "hip")]
    torso = (bodies[:, ends[0]].mean(1) - bodies[:, ends[1]].mean(1)).norm(dim=-1)
    error = (change.apply(coco) - bodies).norm(dim=-1) / torso[:, None]
    measured = (error.square().mean(0) / 3).sqrt()
    for joint in ("thorax", "spine"):
        index = H36M_17.index(joint)
        assert 0.5 < change.sigma[index] / measured[index] < 2
    assert measured[H36M_17.index("pelvis")] < 1e-6

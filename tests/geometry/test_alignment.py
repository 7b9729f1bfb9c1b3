"""The one Procrustes against scipy, the SVD formula, and what any alignment must satisfy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard
from scipy.spatial.transform import Rotation

from oracles import umeyama
from poseterior.errors import InputError
from poseterior.geometry import alignment
from poseterior.geometry.alignment import aligned_distances, procrustes, similarity
from poseterior.geometry.optimal_rotation import rotation_by_polynomial, rotation_by_svd

MIRROR = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)


def bodies(*shape: int, seed: int = 0, joints: int = 17) -> torch.Tensor:
    """Random sets with the proportions of a standing body, 5 m from the camera, float64."""
    generator = torch.Generator().manual_seed(seed)
    sets = torch.randn(*shape, joints, 3, generator=generator, dtype=torch.float64)
    extent = torch.tensor([0.2, 0.5, 0.1], dtype=torch.float64)
    return sets * extent + torch.tensor([0.3, -0.2, 5.0], dtype=torch.float64)


def turned(seed: int, count: int) -> torch.Tensor:
    return torch.from_numpy(Rotation.random(count, rng=np.random.default_rng(seed)).as_matrix())


@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-3, 0.1, 10.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_agrees_with_the_svd_formula(noise, mirrored):
    target = bodies(300)
    prediction = target * MIRROR if mirrored else target
    prediction = 1.7 * prediction @ turned(1, 300).mT + noise * bodies(300, seed=2)
    oracle = umeyama.align(prediction, target)
    torch.testing.assert_close(procrustes(prediction, target), oracle, rtol=0, atol=1e-8)
    distances = aligned_distances(prediction, target)
    torch.testing.assert_close(distances, (oracle - target).norm(dim=-1), rtol=0, atol=1e-8)


def test_agrees_with_scipys_align_vectors():
    prediction, target = bodies(50, seed=3), bodies(50, seed=4)
    found = similarity(prediction, target)
    for k in range(50):
        x, y = ((s[k] - s[k].mean(0)).numpy() for s in (prediction, target))
        rotation, _ = Rotation.align_vectors(y, x)
        np.testing.assert_allclose(found.rotation[k].numpy(), rotation.as_matrix(), atol=1e-9)
        rotated = rotation.apply(x)
        np.testing.assert_allclose(found.scale[k], (rotated * y).sum() / (x * x).sum(), rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(1e-3, 1e3),
    st.lists(st.floats(-100, 100), min_size=3, max_size=3),
    st.integers(3, 30),
)
def test_recovers_any_similarity(seed, scale, shift, joints):
    target = bodies(joints=joints, seed=seed)
    rotation, translation = turned(seed, 1)[0], torch.tensor(shift, dtype=torch.float64)
    moved = scale * target @ rotation.mT + translation
    found = similarity(target, moved)
    torch.testing.assert_close(found.rotation, rotation, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.scale.item(), scale, rtol=1e-8, atol=0)
    torch.testing.assert_close(found.apply(target), moved, rtol=1e-7, atol=1e-7)


def test_errors_do_not_change_when_the_prediction_is_moved():
    prediction, target = bodies(100, seed=5), bodies(100, seed=6)
    moved = 0.2 * prediction @ turned(7, 100).mT - 3.0
    before, after = (aligned_distances(p, target) for p in (prediction, moved))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-10)


def test_no_other_similarity_fits_better():
    prediction, target = bodies(200, seed=8), bodies(200, seed=9)
    found = similarity(prediction, target)
    best = aligned_distances(prediction, target).square().sum(-1)
    generator = torch.Generator().manual_seed(0)
    for size in (1e-3, 1e-1):
        vectors = size * torch.randn(200, 3, generator=generator, dtype=torch.float64)
        nudge = torch.from_numpy(Rotation.from_rotvec(vectors.numpy()).as_matrix())
        centre = target.mean(-2, keepdim=True)
        other = (found.apply(prediction) - centre) @ nudge.mT * (1 + size) + centre
        assert (((other - target).square().sum((-1, -2))) > best).all()


def test_mirrored_poses_are_not_aligned_by_reflection():
    target = bodies(100)
    found = similarity(target * MIRROR, target)
    torch.testing.assert_close(torch.linalg.det(found.rotation), torch.ones_like(found.scale))
    assert (aligned_distances(target * MIRROR, target).mean(-1) > 0.01).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    "values",
    [(1, 1, 1), (1, 1, 0), (1, 0.5, 0.5), (1, 0.5, 0), (1, 1e-4, 1e-4), (1, 0.5, 0.5 - 1e-9)],
)
def test_repeated_roots(values, sign):
    """Equal singular values, where the polynomial has double and triple roots."""
    values = torch.tensor(values, dtype=torch.float64)
    left, right = turned(1, 20), turned(2, 20)
    diagonal = torch.diag(values * torch.tensor([1, 1, sign], dtype=torch.float64))
    matrix = left @ diagonal @ right / values.sum()
    best = (values[0] + values[1] + sign * values[2]) / values.sum()
    rotation, root = rotation_by_svd(matrix)
    torch.testing.assert_close(root, best.expand(20))
    torch.testing.assert_close((rotation * matrix).sum((-1, -2)), best.expand(20))
    quick, root, clear = (t.movedim(-1, 0) for t in rotation_by_polynomial(matrix.movedim(0, -1)))
    torch.testing.assert_close(root[clear], best.expand(20)[clear], rtol=0, atol=1e-12)
    torch.testing.assert_close(quick[clear], rotation[clear], rtol=0, atol=1e-8)
    unique = values[1] + sign * values[2] > 0.01
    assert clear.all() if unique else not clear.any()


def test_a_mirrored_ball_is_solved_though_its_rotation_is_not_unique():
    corners = torch.tensor([[a, b, c] for a in (-1.0, 1) for b in (-1.0, 1) for c in (-1.0, 1)])
    corners = torch.cat([corners, torch.tensor([[3.0, 0, 0]])]).double()
    mirrored = corners @ (turned(3, 1)[0] * MIRROR).mT
    oracle = (umeyama.align(mirrored, corners) - corners).square().sum()
    distances = aligned_distances(mirrored, corners)
    assert distances.square().sum() == pytest.approx(oracle.item())
    assert oracle > 0.1


def test_nearly_straight_bodies_still_align():
    line = torch.linspace(-1, 1, 17, dtype=torch.float64)[:, None] * torch.tensor([0.0, 1.0, 0.0])
    prediction = line + 1e-3 * bodies(50, seed=1)
    target = (line + 1e-3 * bodies(50, seed=2)) @ turned(5, 50).mT
    oracle = umeyama.align(prediction, target)
    torch.testing.assert_close(procrustes(prediction, target), oracle, rtol=0, atol=1e-8)


def degenerate_sets() -> dict[str, torch.Tensor]:
    body = bodies(seed=1)
    direction = torch.tensor([0.3, 0.8, -0.5], dtype=torch.float64)
    steps = torch.linspace(0, 1, 17, dtype=torch.float64)[:, None]
    return {
        "point": body[:1].expand(17, 3),
        "zero": torch.zeros(17, 3, dtype=torch.float64),
        "line": steps * direction + body[:1],
        "rounded line": (steps * direction + body[:1]).float().double(),
        "two points": torch.where(steps > 0.5, body[:1], body[1:2]),
        "nan": torch.where(steps > 0.9, torch.nan, body),
        "inf": torch.where(steps > 0.9, torch.inf, body),
    }


@pytest.mark.parametrize("name", degenerate_sets())
@pytest.mark.parametrize("side", ["prediction", "target", "both"])
def test_degenerate_sets_raise_or_are_masked_and_never_score(name, side):
    good, bad = bodies(4, seed=2), bodies(4, seed=2).clone()
    bad[2] = degenerate_sets()[name]
    pair = {"prediction": (bad, good), "target": (good, bad), "both": (bad, bad)}[side]
    for function in (similarity, procrustes, aligned_distances):
        with pytest.raises(InputError, match=r"1 of 4 .* first at \(2,\)"):
            function(*pair)
    found = similarity(*pair, degenerate="mask")
    assert found.valid.tolist() == [True, True, False, True]
    for part in (*found[:3], procrustes(*pair, degenerate="mask")):
        assert part[2].isnan().all()
    distances = aligned_distances(*pair, degenerate="mask")
    assert distances[2].isnan().all()
    assert distances[found.valid].max() < 1e-9


def test_single_sets_of_either_kind():
    body, line = bodies(seed=1), degenerate_sets()["line"]
    assert aligned_distances(body, 2 * body).max() < 1e-12
    assert not similarity(line, body, degenerate="mask").valid
    mirrored_ball = torch.eye(3).double() @ torch.diag(MIRROR)
    assert similarity(mirrored_ball, torch.eye(3).double()).valid


@pytest.mark.parametrize("chunk", [7, 10_000])
def test_hypotheses_broadcast_without_copies_and_in_chunks(chunk, monkeypatch):
    monkeypatch.setattr(alignment, "_CHUNK", chunk)
    target, hypotheses = bodies(3, seed=1), bodies(11, 3, seed=2)
    oracle = umeyama.align(hypotheses, target.expand_as(hypotheses))
    torch.testing.assert_close(procrustes(hypotheses, target), oracle, rtol=0, atol=1e-9)
    file_order = procrustes(hypotheses.movedim(0, 1), target[:, None])
    torch.testing.assert_close(file_order, oracle.movedim(0, 1), rtol=0, atol=1e-9)
    distances = aligned_distances(hypotheses, target)
    torch.testing.assert_close(distances, (oracle - target).norm(dim=-1), rtol=0, atol=1e-9)
    hypotheses[9, 2] = hypotheses[10, 0] = 0.0
    with pytest.raises(InputError, match=r"2 of 33 .* first at \(9, 2\)"):
        aligned_distances(hypotheses, target)


def test_masked_joints_have_no_say():
    prediction, target = bodies(20, seed=1), bodies(20, seed=2)
    valid = torch.ones(20, 17, dtype=torch.bool)
    valid[:, 3] = valid[5, 10:] = False
    valid[7, 2:] = False
    noisy = prediction.clone()
    noisy[~valid] = torch.nan
    distances = aligned_distances(noisy, target, valid=valid, degenerate="mask")
    for k in range(20):
        kept = valid[k]
        if k == 7:  # two joints left
            assert distances[k].isnan().all()
            continue
        alone = umeyama.align(prediction[k, kept], target[k, kept]) - target[k, kept]
        torch.testing.assert_close(distances[k, kept], alone.norm(dim=-1), rtol=0, atol=1e-9)
        assert distances[k, ~kept].isnan().all()


def test_float32_input_is_solved_in_float64():
    prediction, target = bodies(100, seed=1), bodies(100, seed=2)
    found = procrustes(prediction.float(), target.float())
    assert found.dtype == torch.float32
    error = (found.double() - umeyama.align(prediction.float(), target.float())).abs().max()
    assert error < 1e-6
    assert similarity(prediction.float(), target).rotation.dtype == torch.float64


def test_an_unrelated_prediction_shrinks_to_the_targets_mean():
    """No correlation at all: the best scale is zero, and the score is the target's spread."""
    signs = torch.from_numpy(hadamard(8)).double()
    prediction, target = signs[:, 1:4], signs[:, 4:7] + 2.0
    assert similarity(prediction, target).scale == 0
    distances = aligned_distances(prediction, target)
    torch.testing.assert_close(distances, torch.full_like(distances, 3**0.5))


@pytest.mark.parametrize(
    ("prediction", "target", "valid"),
    [
        ((4, 17, 3), (4, 16, 3), None),
        ((4, 17, 3), (5, 17, 3), None),
        ((4, 17, 2), (4, 17, 2), None),
        ((4, 17, 3), (1, 3), None),
        ((4, 17, 3), (4, 17, 3), (4, 16)),
        ((3,), (3,), None),
    ],
)
def test_shapes_that_do_not_match_are_refused(prediction, target, valid):
    mask = None if valid is None else torch.ones(valid, dtype=torch.bool)
    with pytest.raises(InputError, match="alignment"):
        procrustes(torch.randn(prediction), torch.randn(target), valid=mask)


def test_unknown_option_is_refused():
    with pytest.raises(InputError, match="degenerate"):
        procrustes(bodies(1), bodies(1), degenerate="ignore")

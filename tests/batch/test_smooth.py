"""Smoothing a file: tracks, gaps, order of rows, and every way in which one can be wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from poseterior.batch.score import score
from poseterior.batch.smooth import smooth_file
from poseterior.batch.smooth_fit import fit_tracks
from poseterior.batch.tracks import find_tracks
from poseterior.data.predictions import open_predictions
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.metrics.coverage import Coverage
from poseterior.smoothing.defaults import default_model, default_noise

T, H = 30, 40


def walk(clip=0, frames=T, seed=0, share=0.0, hypotheses=H):
    """A walk of every joint with errors of 4 cm, a share of which lasts; right hypotheses."""
    rng = np.random.default_rng([seed, clip])
    truth = 0.01 * rng.normal(size=(frames, 17, 3)).cumsum(0) + clip
    lasts = rng.normal(size=(1, 17, 3))
    error = np.sqrt(share) * lasts + np.sqrt(1 - share) * rng.normal(size=truth.shape)
    drawn = rng.normal(size=(frames, hypotheses, 17, 3))
    drawn -= drawn.mean(1, keepdims=True)
    poses = (truth + 0.04 * error)[:, None] + 0.04 * drawn
    truth[:, 0] = poses[:, :, 0] = 0
    return {
        "hypotheses": poses.astype(np.float32),
        "target": truth.astype(np.float32),
        "clip": np.full(frames, clip),
        "frame": np.arange(frames),
        "valid": np.ones(frames, bool),
    }


def joined(*tracks):
    return {name: np.concatenate([t[name] for t in tracks]) for name in tracks[0]}


def save(path, arrays, **changes):
    arrays = {k: v for k, v in (arrays | changes).items() if v is not None}
    np.savez(path, skeleton="h36m_17", **arrays)
    return path


def smooth(path, share=0.5, lag=2.0, fps=30.0):
    """By the shipped walk with that share, or by a model in its place."""
    out = path.with_name(f"smooth_{path.name}")
    model = default_model(H36M_17, "walk", share) if isinstance(share, float) else share
    with open_predictions(path) as opened:
        done = smooth_file(opened, model, out, fps, lag)
    with np.load(out) as arrays:
        return done, dict(arrays)


def missing(arrays, *rows):
    """The file that a lift leaves of rows it could not lift: zeros."""
    valid = arrays["valid"].copy()
    valid[list(rows)] = False
    keep = ("clip", "frame", "person")
    changed = {
        k: np.where(valid.reshape(-1, *(1,) * (v.ndim - 1)), v, np.zeros((), v.dtype))
        for k, v in arrays.items()
        if k not in keep
    }
    return arrays | changed | {"valid": valid}


def test_the_mean_is_nearer_and_the_spread_smaller(tmp_path):
    arrays = joined(*(walk(clip) for clip in range(4)))
    done, smoothed = smooth(save(tmp_path / "p.npz", arrays), share=0.0)
    assert (done.poses, done.tracks, done.filled, done.invalid) == (4 * T, 4, 0, 0)
    before, after = (a["hypotheses"].mean(1) - arrays["target"] for a in (arrays, smoothed))
    assert np.abs(after).mean() < 0.8 * np.abs(before).mean()
    assert smoothed["hypotheses"].std(1).mean() < 0.8 * arrays["hypotheses"].std(1).mean()
    assert not smoothed["filled"].any()
    assert (smoothed["hypotheses"][:, :, 0] == 0).all()
    assert set(smoothed) == {*arrays, "filled", "skeleton", "provenance"}
    about = json.loads(str(smoothed["provenance"]))
    assert about["smoothing"]["model"] == "walk"
    assert about["smoothing"]["share"] == 0.0


def test_the_order_of_rows_does_not_matter(tmp_path):
    arrays = missing(joined(walk(0), walk(1)), 10, 11, 45)
    _, one = smooth(save(tmp_path / "a.npz", arrays, target=None))
    order = np.random.default_rng(0).permutation(2 * T)
    shuffled = {name: values[order] for name, values in arrays.items()}
    _, other = smooth(save(tmp_path / "b.npz", shuffled, target=None))
    for name in ("hypotheses", "valid", "filled", "frame"):
        np.testing.assert_array_equal(one[name][order], other[name])


def test_every_track_is_its_own_in_a_mixed_file(tmp_path):
    """Two people in each of two clips, the same frames, rows in any order; one has one frame,

    one nothing but rows that are not valid.
    """
    tracks = [walk(k) | {"clip": np.full(T, k // 2), "person": np.full(T, k % 2)} for k in range(4)]
    tracks[2] = {name: values[7:8] for name, values in tracks[2].items()}
    tracks[3] = missing(tracks[3], *range(T))
    both = joined(*tracks)
    order = np.random.default_rng(0).permutation(len(both["frame"]))
    mixed = {name: values[order] for name, values in both.items()}
    done, smoothed = smooth(save(tmp_path / "p.npz", mixed))
    assert (done.tracks, done.filled, done.added, done.invalid) == (3, 0, 0, T)
    for k in range(2):
        _, alone = smooth(save(tmp_path / f"{k}.npz", tracks[k]))
        own = order.argsort()[k * T : k * T + T]
        np.testing.assert_array_equal(smoothed["hypotheses"][own], alone["hypotheses"])
    own = order.argsort()[2 * T]
    np.testing.assert_array_equal(smoothed["hypotheses"][own], tracks[2]["hypotheses"][0])
    assert (smoothed["hypotheses"][~smoothed["valid"]] == 0).all()


@pytest.mark.parametrize("label", ["clip", "person"])
def test_tracks_do_not_leak_into_each_other(tmp_path, label):
    first, second = walk(0), walk(1)
    both = joined(first, second)
    if label == "person":
        both["person"], both["clip"] = np.repeat(["a", "b"], T), np.zeros(2 * T, int)
    _, alone = smooth(save(tmp_path / "a.npz", first))
    _, beside = smooth(save(tmp_path / "b.npz", both))
    np.testing.assert_array_equal(alone["hypotheses"], beside["hypotheses"][:T])


def test_single_frames_stay_to_the_last_digit(tmp_path):
    arrays = walk()
    apart = {"frame": 1000 * np.arange(T)}  # each gap is longer than the lag
    done, smoothed = smooth(save(tmp_path / "p.npz", arrays, **apart))
    assert done.tracks == T
    np.testing.assert_array_equal(smoothed["hypotheses"], arrays["hypotheses"])


def test_a_gap_is_filled_between_its_neighbours_with_growing_spread(tmp_path):
    gap = range(10, 19)
    arrays = missing(walk(), 0, *gap, T - 1)
    done, smoothed = smooth(save(tmp_path / "p.npz", arrays, target=None), share=0.2)
    assert (done.filled, done.invalid, done.tracks) == (9, 2, 1)
    assert np.flatnonzero(smoothed["filled"]).tolist() == list(gap)
    assert np.flatnonzero(~smoothed["valid"]).tolist() == [0, T - 1]
    mean, spread = smoothed["hypotheses"].mean(1), smoothed["hypotheses"].var(1).sum(-1)
    ends = mean[[9, 19]]
    assert (mean[10:19] >= ends.min(0) - 1e-6).all()
    assert (mean[10:19] <= ends.max(0) + 1e-6).all()
    free = spread[9:20, 1:].mean(-1)
    assert (np.diff(free[:6]) > 0).all()
    assert (np.diff(free[5:]) < 0).all()


def test_frames_with_nobody_are_filled_as_the_track_s(tmp_path):
    """What `lift` leaves of a video with one person, and of one whose number is known."""
    arrays = missing(walk(), 3, *range(10, 14))
    known = arrays | {"person": np.full(T, 5)}
    largest = arrays | {"person": np.where(arrays["valid"], 5, -1)}
    done, one = smooth(save(tmp_path / "a.npz", known, target=None))
    again, other = smooth(save(tmp_path / "b.npz", largest, target=None))
    assert (done.filled, done.added) == (again.filled, again.added) == (5, 0)
    for name in ("hypotheses", "valid", "filled", "person", "frame"):
        np.testing.assert_array_equal(one[name], other[name])


def test_frames_without_a_row_get_one_where_others_were_found(tmp_path):
    """The rows that are added are those that the file would have filled, had it had them."""
    first, second = (walk(k) | {"clip": np.zeros(T, int), "person": np.full(T, k)} for k in (0, 1))
    both = joined(first, second)
    gap = np.arange(T + 10, T + 14)
    _, whole = smooth(save(tmp_path / "a.npz", missing(both, *gap), target=None))
    without = {name: np.delete(values, gap, 0) for name, values in both.items()}
    done, added = smooth(save(tmp_path / "b.npz", without, target=None))
    assert (done.poses, done.filled, done.added, done.invalid) == (2 * T, 4, 4, 0)
    order = np.r_[np.delete(np.arange(2 * T), gap), gap]
    for name in ("hypotheses", "valid", "filled", "person", "frame", "clip"):
        np.testing.assert_array_equal(whole[name][order], added[name])


def test_frames_that_no_one_has_are_not_made_up(tmp_path):
    """As of a video of which every fifth frame was lifted."""
    arrays = walk() | {"frame": 5 * np.arange(T), "person": np.zeros(T, int)}
    done, _ = smooth(save(tmp_path / "p.npz", arrays))
    assert (done.poses, done.filled, done.tracks) == (T, 0, 1)


def test_a_joint_that_is_seen_late_is_as_unsure_in_a_gap_before_it(tmp_path):
    """Row 12, filled from row 13, knows the joint by what comes after alone."""
    arrays = missing(walk(), 11, 12)
    valid_joints = np.ones((T, 17), bool)
    valid_joints[:13, 3] = False
    _, smoothed = smooth(
        save(tmp_path / "p.npz", arrays, valid_joints=valid_joints, target=None), share=0.0
    )
    assert smoothed["valid_joints"][12, 3]
    joint = smoothed["hypotheses"][:, :, 3]
    np.testing.assert_allclose(joint[12].mean(0), joint[13].mean(0), atol=1e-4)
    wider = (joint[12].var(0, ddof=1) - joint[13].var(0, ddof=1)).mean()
    assert wider == pytest.approx(default_noise("walk", ["right_ankle"])[0] / 30, rel=0.01)


def test_a_gap_of_just_the_lag_is_filled_wherever_it_begins(tmp_path):
    """Although 62 / 30 - 2 / 30 is more than 2 in floating point."""
    for first in range(10):
        labels = {"frame": first + np.array([0, 60]), "measured": np.ones(2, bool)}
        assert len(find_tracks(labels, labels["measured"], 30.0, 2.0, tmp_path)) == 1


def test_a_gap_longer_than_the_lag_ends_the_track(tmp_path):
    arrays = missing(walk(), *range(10, 19))
    done, smoothed = smooth(save(tmp_path / "p.npz", arrays, target=None), lag=0.2)
    assert (done.tracks, done.filled, done.invalid) == (2, 0, 9)
    _, alone = smooth(save(tmp_path / "q.npz", {k: v[:10] for k, v in walk().items()}), lag=0.2)
    np.testing.assert_array_equal(alone["hypotheses"], smoothed["hypotheses"][:10])


def test_missing_rows_of_the_file_are_time_that_passes(tmp_path):
    """A frame that has no row and one whose row is not valid say the same."""
    arrays = missing(walk(), *range(10, 15))
    there = np.r_[0:10, 15:T]
    _, with_rows = smooth(save(tmp_path / "a.npz", arrays))
    _, without = smooth(save(tmp_path / "b.npz", {k: v[there] for k, v in arrays.items()}))
    np.testing.assert_allclose(with_rows["hypotheses"][there], without["hypotheses"], atol=1e-7)


def test_targets_of_filled_rows_are_not_invented(tmp_path):
    full = save(tmp_path / "full.npz", walk())
    path = save(tmp_path / "p.npz", missing(walk(), 12, 13))
    done, smoothed = smooth(path)
    assert "target" not in smoothed
    assert "--target" in done.notes["target"]
    assert score(done.path, path)["poses"] == T - 2
    assert score(done.path, full)["poses"] == T


def test_smoothing_again_fills_the_same_rows(tmp_path):
    path = save(tmp_path / "p.npz", missing(walk(), 12, 13), target=None)
    done, _ = smooth(path)
    again, twice = smooth(done.path)
    assert again.filled == 2
    assert np.flatnonzero(twice["filled"]).tolist() == [12, 13]


def test_joints_that_do_not_count_stay_out_and_are_not_measurements(tmp_path):
    arrays = walk()
    valid_joints = np.ones((T, 17), bool)
    valid_joints[5:8, 3] = False
    arrays["hypotheses"][5:8, :, 3] = 99.0
    _, smoothed = smooth(save(tmp_path / "p.npz", arrays, valid_joints=valid_joints))
    assert (smoothed["hypotheses"][5:8, :, 3] == 0).all()
    assert np.abs(smoothed["hypotheses"]).max() < 1
    np.testing.assert_array_equal(smoothed["valid_joints"], valid_joints)


def test_weights_are_kept_and_count(tmp_path):
    arrays = missing(walk(), 12)
    weights = np.ones((T, H), np.float32)
    weights[:, ::2] = 0
    path = save(tmp_path / "p.npz", arrays, weights=weights, target=None)
    _, smoothed = smooth(path)
    _, half = smooth(
        save(tmp_path / "h.npz", arrays, hypotheses=arrays["hypotheses"][:, 1::2], target=None)
    )
    np.testing.assert_allclose(smoothed["weights"].sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(smoothed["hypotheses"][:, 1::2], half["hypotheses"], atol=1e-6)


def ece(smoothed, target, rows):
    coverage = Coverage(H36M_17)
    coverage.update(*(torch.from_numpy(a[rows]) for a in (smoothed["hypotheses"], target)))
    return coverage.compute().ece


def test_right_posteriors_stay_calibrated_and_a_naive_smoother_spoils_them(tmp_path):
    """The share is fitted on some clips; others are smoothed with it, and with none.

    Frames 6 to 8 of each of these are missing: what fills them is calibrated too.
    """

    def made(clips, frames):
        return joined(*(walk(clip, frames, share=0.6) for clip in clips))

    with open_predictions(save(tmp_path / "val.npz", made(range(8), 64))) as opened:
        fitted = fit_tracks(opened, "walk")
    assert fitted.share == pytest.approx(0.6, abs=0.12)
    np.testing.assert_allclose(fitted.motion.noise, 0.01**2 * 30, rtol=0.15)
    test = made(range(20, 60), 15)
    lost = (test["frame"] >= 6) & (test["frame"] <= 8)
    path = save(tmp_path / "test.npz", missing(test, *np.flatnonzero(lost)), target=None)
    assert ece(test, test["target"], ~lost) < 0.03
    after, naive = (smooth(path, model)[1] for model in (fitted, replace(fitted, share=0.0)))
    assert ece(after, test["target"], ~lost) < 0.03
    assert ece(after, test["target"], lost) < 0.05
    assert ece(naive, test["target"], ~lost) > 0.15


def bad(tmp_path, match, **changes):
    path = save(tmp_path / "bad.npz", walk(), **changes)
    with pytest.raises(InputError, match=match):
        smooth(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.npz"]


def test_bad_files(tmp_path):
    one = walk(hypotheses=1)["hypotheses"]
    bad(tmp_path, "hypotheses: expected 2 or more.*found 1", hypotheses=one)
    bad(tmp_path, "frame: expected an array frame.*found none", frame=None)
    bad(tmp_path, "frame: expected whole numbers", frame=np.array([f"f{k}" for k in range(T)]))
    twice = np.arange(T)
    twice[7] = 3
    bad(tmp_path, "frame: expected each frame once.*found frame 3 in rows 3 and 7", frame=twice)
    bad(tmp_path, "valid: expected at least one valid row", valid=np.zeros(T, bool))
    same = walk()["hypotheses"]
    same[4, :, 5] = 0.5
    bad(tmp_path, "expected hypotheses that differ.*left_knee in row 4", hypotheses=same)


@pytest.mark.parametrize("fps", [0.0, -30.0, float("nan"), float("inf")])
def test_rates_that_cannot_be(tmp_path, fps):
    path = save(tmp_path / "p.npz", walk())
    with pytest.raises(InputError, match="--fps: expected a number above 0"):
        smooth(path, fps=fps)
    with pytest.raises(InputError, match="--lag: expected a number above 0"):
        smooth(path, lag=fps)


def test_a_fit_needs_targets_and_consecutive_frames(tmp_path):
    for changes, message in (
        ({"target": None}, "target: expected"),
        ({}, "frame: expected 64 consecutive frames"),
    ):
        path = save(tmp_path / "p.npz", walk(), **changes)
        with open_predictions(path) as opened, pytest.raises(InputError, match=message):
            fit_tracks(opened)

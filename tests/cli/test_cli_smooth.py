"""`poseterior smooth`: files in, files out, what it says, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_files import (
    assert_refused,
    openpose_folder,
    predictions,
    save,
    save_tiny_lifter,
    scored_points,
)


def video(rows=80, **changes):
    """One track of a walk with right hypotheses."""
    arrays = predictions(rows) | {"clip": np.zeros(rows, int), "frame": np.arange(rows)}
    return {k: v for k, v in (arrays | changes).items() if v is not None}


def test_a_file_is_smoothed_and_can_be_scored(run, tmp_path):
    path = save(tmp_path / "p.npz", video())
    ended = run("smooth", path, "--out", tmp_path / "s.npz", "--share", "0.3")
    assert ended.code == 0
    assert "80 poses in 1 tracks smoothed (velocity, share 0.30, 30 frames a second)" in ended.out
    assert ended.err.startswith(f"assumed fps: 30 in {path}, which does not tell")
    assert "assumed person: " in ended.err
    assert run("score", tmp_path / "s.npz").code == 0
    assert run("diagnose", tmp_path / "s.npz").code == 0


def test_a_gap_is_filled_and_its_target_not_invented(run, tmp_path):
    valid = np.ones(80, bool)
    valid[20:30] = False
    path = save(tmp_path / "p.npz", video(valid=valid))
    ended = run("smooth", path, "--out", tmp_path / "s.npz", "--model", "walk")
    assert ended.code == 0
    assert "10 of them were missing and are filled; 0 are not valid" in ended.out
    assert "assumed target: unknown where rows were filled" in ended.err
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["filled"].sum() == 10
        assert arrays["valid"].all()
    assert "70 poses scored" in run("score", tmp_path / "s.npz", "--target", path).out


def test_the_model_can_be_fitted(run, tmp_path):
    path = save(tmp_path / "p.npz", video())
    fit = save(tmp_path / "val.npz", video())
    ended = run("smooth", path, "--out", tmp_path / "s.npz", "--fit", fit, "--fps", "15")
    assert ended.code == 0
    assert "smoothed (velocity, share " in ended.out
    # Two copies in one run are equal, byte by byte.
    run("smooth", path, "--out", tmp_path / "t.npz", "--fit", fit, "--fps", "15")
    assert (tmp_path / "s.npz").read_bytes() == (tmp_path / "t.npz").read_bytes()


def test_the_rate_is_the_video_s_where_the_file_tells_it(run, tmp_path):
    made = {"made_by": "poseterior lift", "frames": {"frames_per_second": 24.0}}
    path = save(tmp_path / "p.npz", video(provenance=json.dumps(made)))
    ended = run("smooth", path, "--out", tmp_path / "s.npz")
    assert "24 frames a second" in ended.out
    assert "assumed fps" not in ended.err
    again = run("smooth", tmp_path / "s.npz", "--out", tmp_path / "t.npz")
    assert "24 frames a second" in again.out
    given = run("smooth", path, "--out", tmp_path / "u.npz", "--fps", "50")
    assert "50 frames a second" in given.out


def test_rows_that_are_added_are_told_of(run, tmp_path):
    """Two people, one of whom is missing for a while and has no row then."""
    both = video(clip=None, person=np.arange(80) % 2, frame=np.arange(80) // 2)
    there = np.delete(np.arange(80), [41, 43])
    arrays = {k: v[there] if np.ndim(v) else v for k, v in both.items()}
    path = save(tmp_path / "p.npz", arrays)
    ended = run("smooth", path, "--out", tmp_path / "s.npz")
    assert ended.code == 0
    assert "2 of them were missing and are filled, 2 of these in rows that are new" in ended.out


def test_people_who_are_not_tracked_are_not_smoothed_into_each_other(run, tmp_path):
    """OpenPose numbers people by place; one alone is the same in every frame."""
    walk = scored_points("openpose_25")
    folders = [[[w] for w in walk], [[w, 0.5 * w] for w in walk]]
    lifter = save_tiny_lifter(tmp_path / "lifter")
    for count, frames in enumerate(folders, 1):
        folder, lifted = openpose_folder(tmp_path / str(count), frames), tmp_path / "p.npz"
        lift = ("lift", folder, "--out", lifted, "--lifter", lifter, "--hypotheses", 20)
        assert run(*lift, "--person", "all").code == 0
        ended = run("smooth", lifted, "--out", tmp_path / f"s{count}.npz")
        if count == 1:
            assert ended.code == 0, ended.err
    assert_refused(ended, str(lifted), "person", "tracked from frame to frame", "tracks nobody")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fps", "0"), ("--fps", "a number above 0")),
        (("--lag", "-1"), ("--lag", "a number above 0")),
        (("--share", "1"), ("share", "below 1")),
        (("--model", "walks"), ("--model", "walk, velocity", "did you mean walk")),
        (("--fit", "nowhere.npz"), ("nowhere.npz", "an existing .npz file")),
    ],
)
def test_options_that_cannot_be(run, tmp_path, options, words):
    path = save(tmp_path / "p.npz", video())
    ended = run("smooth", path, "--out", tmp_path / "s.npz", *options)
    assert_refused(ended, *words)
    assert not (tmp_path / "s.npz").exists()


def test_files_that_cannot_be(run, tmp_path):
    out = tmp_path / "s.npz"
    refused = {
        "no frames": (video(frame=None), ("frame", "none")),
        "twice": (video(clip=None, frame=np.arange(80) // 2), ("frame", "rows 0 and 1")),
    }
    for arrays, words in refused.values():
        path = save(tmp_path / "p.npz", arrays)
        assert_refused(run("smooth", path, "--out", out), str(path), *words)
    path = save(tmp_path / "p.npz", video())
    assert_refused(run("smooth", path, "--out", path), "a file of its own")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.npz"]

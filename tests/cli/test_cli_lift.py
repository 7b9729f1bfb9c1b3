"""`poseterior lift` of every kind of input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_files import (
    deeplabcut_csv,
    observations,
    openpose_folder,
    save,
    scored_points,
    write_json,
)

from poseterior.geometry.skeleton import H36M_17

H = 5
NAMES = {
    "hipL": "left_hip", "hipR": "right_hip", "kneeL": "left_knee", "kneeR": "right_knee",
    "footL": "left_ankle", "footR": "right_ankle", "shL": "left_shoulder", "shR": "right_shoulder",
}  # fmt: skip


@pytest.fixture
def lift(run, tiny_lifter, tmp_path):
    """Lifts with the tiny lifter; the command's end and the arrays written."""

    def command(source, *options):
        out = tmp_path / "out.npz"
        ended = run("lift", source, "--out", out, "--hypotheses", H, "--lifter", tiny_lifter,
                    *options)  # fmt: skip
        assert ended.code == 0, ended.err
        with np.load(out, allow_pickle=False) as file:
            return ended, dict(file)

    return command


def assumed(ended):
    return dict(line.removeprefix("assumed ").split(": ", 1) for line in ended.err.splitlines())


def test_openpose_folder_with_missing_joints_and_empty_frames(lift, tmp_path):
    walk = scored_points("openpose_25")
    walk[1, 9:15] = 0  # no legs
    walk[2] = 0  # nothing detected
    small = walk.copy()
    small[..., :2] *= 0.5
    frames = [[w, s] for w, s in zip(walk, small, strict=True)]
    frames[4] = []  # nobody
    folder = openpose_folder(tmp_path / "json", frames)

    ended, arrays = lift(folder)
    assert arrays["hypotheses"].shape == (6, H, 17, 3)
    assert arrays["frame"].tolist() == [0, 1, 2, 3, 4, 5]
    assert arrays["valid"].tolist() == [True, True, False, True, False, True]
    assert not arrays["hypotheses"][~arrays["valid"]].any()
    assert np.isfinite(arrays["hypotheses"]).all()
    assert "6 poses" in ended.out
    assert "2 could not be lifted" in ended.out
    for subject in ("skeleton", "image_size", "focal", "covariance", "conversion"):
        assert subject in assumed(ended)
    stored = json.loads(str(arrays["provenance"]))["assumptions"]
    assert stored == assumed(ended)

    ended, arrays = lift(folder, "--person", "all", "--image-size", 1000, 800, "--focal", 900)
    assert {"image_size", "focal"}.isdisjoint(assumed(ended))
    rows = list(zip(arrays["frame"].tolist(), arrays["person"].tolist(), strict=True))
    assert rows == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
        (4, -1),
        (5, 0),
        (5, 1),
    ]
    both = arrays["hypotheses"]

    _, arrays = lift(folder, "--person", 1, "--image-size", 1000, 800, "--focal", 900)
    assert arrays["person"].tolist() == [1] * 6
    assert arrays["valid"].tolist() == [True, True, False, True, False, True]
    # Row 0 of this file has the noise of row 0 of the other, but another person.
    assert not np.allclose(arrays["hypotheses"][0], both[0])


def _coco(folder):
    points = scored_points("coco_17")
    rows = [
        {"image_id": i, "category_id": 1, "keypoints": p.ravel().tolist(), "score": 0.9}
        for i, p in enumerate(points)
    ]
    return write_json(folder / "coco.json", rows)


def _mmpose(folder):
    points = scored_points("coco_17")
    rows = [
        {
            "frame_id": i,
            "instances": [{"keypoints": p[:, :2].tolist(), "keypoint_scores": p[:, 2].tolist()}],
        }
        for i, p in enumerate(points)
    ]
    return write_json(folder / "mmpose.json", rows)


def _alphapose(folder):
    points = scored_points("coco_17", score=3.0)  # scores above 1
    rows = [
        {"image_id": f"{i}.jpg", "category_id": 1, "keypoints": p.ravel().tolist(), "score": 2.9}
        for i, p in enumerate(points)
    ]
    return write_json(folder / "alphapose-results.json", rows)


@pytest.mark.parametrize("make", [_coco, _mmpose, _alphapose])
def test_json_of_other_tools(lift, tmp_path, make):
    ended, arrays = lift(make(tmp_path))
    assert arrays["valid"].all()
    assert arrays["frame"].tolist() == list(range(6))
    assert "0 could not be lifted" in ended.out
    assert assumed(ended)["skeleton"].startswith("coco_17")
    format = make.__name__.removeprefix("_")
    _, again = lift(make(tmp_path), "--format", format, "--skeleton", "coco_17")
    np.testing.assert_array_equal(arrays["hypotheses"], again["hypotheses"])


def test_deeplabcut_csv_with_a_map(lift, tmp_path):
    table = deeplabcut_csv(tmp_path / "walk.csv", NAMES, scored_points("coco_17"))
    names = write_json(tmp_path / "names.json", NAMES)
    _, arrays = lift(table, "--map", names, "--image-size", 1000, 800)
    assert arrays["valid"].all()
    shown = arrays["observed_valid"][0]
    assert shown.sum() >= len(NAMES)
    assert not shown.all()


def test_our_own_file_row_by_row_with_everything_it_knows(lift, run, tmp_path):
    given = observations()
    given["keypoints"][1, 5] = np.nan  # a missing joint
    given["valid"][3] = False  # nothing to lift
    source = save(tmp_path / "walk.npz", given)
    ended, arrays = lift(source)
    assert ended.err == ""  # nothing had to be assumed
    np.testing.assert_array_equal(arrays["clip"], given["clip"])
    np.testing.assert_array_equal(arrays["target"][0], given["target"][0])
    assert arrays["valid"].tolist() == [True, True, True, False, True, True]
    assert not arrays["observed_valid"][1, 5]

    scored = run("score", tmp_path / "out.npz", "--json", tmp_path / "score.json")
    assert scored.code == 0, scored.err
    numbers = json.loads((tmp_path / "score.json").read_text())
    assert (numbers["poses"], numbers["invalid"], numbers["hypotheses"]) == (5, 1, H)
    assert numbers["nll"] is not None


def test_the_same_seed_gives_the_same_file(lift, tmp_path):
    source = save(tmp_path / "walk.npz", observations())
    first = lift(source)[1]["hypotheses"]
    np.testing.assert_array_equal(lift(source, "--seed", 0)[1]["hypotheses"], first)
    assert not np.array_equal(lift(source, "--seed", 1)[1]["hypotheses"], first)


def test_persons_of_our_own_file(lift, tmp_path):
    given = observations()
    given["frame"], given["person"] = np.arange(6) // 2, np.arange(6) % 2
    given["keypoints"][1::2] = 500 + 0.5 * (given["keypoints"][1::2] - 500)
    source = save(tmp_path / "walk.npz", given)
    assert lift(source)[1]["person"].tolist() == [0, 1] * 3
    assert lift(source, "--person", "all")[1]["person"].tolist() == [0, 1] * 3
    assert lift(source, "--person", "largest")[1]["person"].tolist() == [0] * 3
    assert lift(source, "--person", "1")[1]["person"].tolist() == [1] * 3


def test_bfloat16_is_close(lift, tmp_path):
    source = save(tmp_path / "walk.npz", observations())
    exact, coarse = (lift(source, *o)[1]["hypotheses"] for o in ((), ("--bfloat16",)))
    difference = np.linalg.norm(exact - coarse, axis=-1).mean()
    assert 0 < difference < 0.02


def test_the_rule_of_covariances_can_be_overridden(lift, tmp_path):
    folder = openpose_folder(tmp_path / "json", [[w] for w in scored_points("openpose_25")])
    usual, wide = (
        lift(folder, *options)[1]["observed_covariance"]
        for options in ((), ("--sigma-confident", "4", "--sigma-uncertain", "9"))
    )
    ankle = H36M_17.index("left_ankle")
    assert (wide[:, ankle, 0, 0] > 2 * usual[:, ankle, 0, 0]).all()

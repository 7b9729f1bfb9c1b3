"""What all keypoint files have in common: recognition, validity, cameras, maps, bad input."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.keypoint_files import FORMATS, read_keypoints
from poseterior.data.keypoint_files.assemble import tabulate
from poseterior.data.keypoint_files.detections import Detections
from poseterior.data.keypoint_files.naming import frame_numbers, natural_key, person_number
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17, SKELETONS

POINTS = [[100.0 + 10 * j, 50.0 + 20 * j, 0.9] for j in range(17)]


def _write(path, points=POINTS, image=1):
    flat = [value for point in points for value in point]
    path.write_text(json.dumps([{"image_id": image, "category_id": 1, "keypoints": flat}]))
    return path


def _changed(joint, point):
    return [point if j == joint else p for j, p in enumerate(POINTS)]


@pytest.mark.parametrize(
    "point",
    [
        [0.0, 0.0, 0.9],
        [120.0, 90.0, 0.0],
        [120.0, 90.0, -0.1],
        [math.nan, 90.0, 0.9],
        [120.0, None, 0.9],
        [120.0, 90.0, math.nan],
    ],
)
def test_joints_that_were_not_detected_are_not_valid(tmp_path, point):
    keypoints = read_keypoints(_write(tmp_path / "r.json", _changed(2, point))).keypoints
    assert keypoints.valid[0].tolist() == [j != 2 for j in range(17)]
    assert keypoints.pixels[0, 2].tolist() == [0, 0]
    assert keypoints.pixels.isfinite().all()
    assert keypoints.covariance.isfinite().all()
    assert keypoints.confidence.isfinite().all()


def test_a_joint_on_an_edge_of_the_image_is_valid(tmp_path):
    points = _changed(2, [0.0, 90.0, 0.9])
    assert read_keypoints(_write(tmp_path / "r.json", points)).keypoints.valid.all()


@pytest.mark.parametrize("bad", ["Infinity", "-Infinity", "1e400", "1e39", "1" + "0" * 400])
def test_infinite_values_are_refused(tmp_path, bad):
    path = _write(tmp_path / "r.json", _changed(2, [123.5, 90.0, 0.9]))
    path.write_text(path.read_text().replace("123.5", bad))
    with pytest.raises(InputError, match=r"r.json: .*(expected finite pixels|expected numbers)"):
        read_keypoints(path)


def test_the_camera_given_is_taken_and_the_rest_is_noted(tmp_path):
    path = _write(tmp_path / "r.json")
    given = read_keypoints(path, image_size=(1000, 800), focal=700)
    assert given.keypoints.image_size.tolist() == [[1000, 800]]
    assert given.keypoints.intrinsics[0].tolist() == [[700, 0, 500], [0, 700, 400], [0, 0, 1]]
    assert not {"image_size", "focal"} & set(given.assumptions)
    assumed = read_keypoints(path)
    assert assumed.keypoints.image_size.tolist() == [[640, 480]]
    assert assumed.keypoints.intrinsics[0, 0, 0].item() == pytest.approx(1.15 * 640)
    assert {"image_size", "focal"} < set(assumed.assumptions)


def test_the_covariance_rule_can_be_replaced(tmp_path):
    path = _write(tmp_path / "r.json")
    wide = CovarianceRule(sigma_confident=1.1)
    usual, other = (read_keypoints(path, rule=rule).keypoints for rule in (None, wide))
    torch.testing.assert_close(other.covariance, 4 * usual.covariance)
    keypoints = usual
    torch.testing.assert_close(
        keypoints.covariance,
        CovarianceRule()(keypoints.pixels, keypoints.confidence, keypoints.valid),
    )


@given(st.lists(st.tuples(st.floats(-50, 2000), st.floats(-50, 2000), st.floats(-1, 9)),
                min_size=17, max_size=17))  # fmt: skip
def test_every_table_is_finite_with_covariances_that_a_lifter_can_use(points):
    values = np.array([points], dtype=np.float32)
    detections = Detections("f", values, np.zeros(1, np.int64), np.zeros(1, np.int64))
    expected = (values[0, :, 2] > 0) & (values[0, :, :2] != 0).any(-1)
    if not expected.any() or np.abs(values[0, expected, :2]).max() <= 1:
        return
    keypoints = tabulate(detections).keypoints
    assert keypoints.valid[0].tolist() == expected.tolist()
    assert (torch.linalg.eigvalsh(keypoints.covariance) > 0).all()
    assert keypoints.pixels.isfinite().all()
    assert keypoints.intrinsics.isfinite().all()


# Skeletons and maps


def test_a_skeleton_of_the_same_size_can_be_named(tmp_path):
    table = read_keypoints(_write(tmp_path / "r.json"), skeleton="h36m_17")
    assert table.keypoints.skeleton == H36M_17
    assert "skeleton" not in table.assumptions


@pytest.mark.parametrize(
    ("count", "skeleton", "says"),
    [
        (20, None, "found 20 for each person"),
        (17, "openpose_25", "expected 25 each, as in openpose_25, found 17"),
        (17, "coco17", "expected 'coco_17' or another of"),
    ],
)
def test_counts_and_skeletons_that_do_not_fit_are_refused(tmp_path, count, skeleton, says):
    path = _write(tmp_path / "r.json", (POINTS + POINTS)[:count])
    with pytest.raises(InputError, match=says):
        read_keypoints(path, skeleton=skeleton)


def test_a_map_may_use_the_places_of_points_without_names(tmp_path):
    path = _write(tmp_path / "r.json", (POINTS + POINTS)[:20])
    keypoints = read_keypoints(path, joint_map={"19": "pelvis", "3": "spine"}).keypoints
    assert keypoints.skeleton == H36M_17
    assert keypoints.valid[0].nonzero()[:, 0].tolist() == [
        H36M_17.index("pelvis"), H36M_17.index("spine"),
    ]  # fmt: skip
    assert keypoints.pixels[0, 0].tolist() == POINTS[2][:2]


@pytest.mark.parametrize("name", SKELETONS)
def test_a_map_of_a_whole_skeleton_is_the_identity(tmp_path, name):
    joints = SKELETONS[name].joints
    points = [[100.0 + 3 * j, 200.0, 0.9] for j in range(len(joints))]
    path = _write(tmp_path / "r.json", points)
    names = {str(j): joint for j, joint in enumerate(joints)}
    keypoints = read_keypoints(path, skeleton=name, joint_map=names).keypoints
    assert keypoints.pixels[0, :, 0].tolist() == [point[0] for point in points]


def test_a_map_without_skeleton_prefers_one_where_the_nose_is_the_nose(tmp_path):
    table = read_keypoints(_write(tmp_path / "r.json"), joint_map={"0": "nose", "1": "left_hip"})
    assert table.keypoints.skeleton == COCO_17
    assert table.assumptions["skeleton"].startswith("coco_17, the first of coco_17, openpose_25")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"0": "nose", "0": "left_hip"}', "names: expected each once, found twice: 0"),
        ('{"0": "nose", "1": "nose"}', "joints: expected each once, found twice: nose"),
        ('{"99": "nose"}', "99: expected one of the file's 0, 1"),
        ('{"0": "snout"}', "skeleton: expected joints of one skeleton"),
        ('{"0": 3}', "0: expected a joint's name, found 3"),
        ('{"0": {"x": "nose"}}', "0: expected a joint's name"),
        ("{}", "expected at least one name"),
        ('["nose"]', "map: expected .*their name"),
        ('[["0", "nose"]]', "map: expected .*their name"),
        ('{"0": "nose"', "map: expected complete JSON"),
        ("\xff", "map: expected a JSON file"),
        (None, "map: expected a JSON file, found No such file"),
    ],
)
def test_maps_that_make_no_sense_are_refused(tmp_path, text, says):
    names = tmp_path / "names.json"
    if text is not None:
        names.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=says) as caught:
        read_keypoints(_write(tmp_path / "r.json"), joint_map=names)
    assert str(caught.value).startswith(str(names))


def test_a_map_to_a_joint_that_the_skeleton_named_does_not_have_is_refused(tmp_path):
    with pytest.raises(InputError, match="0: expected a joint of lsp_14"):
        read_keypoints(_write(tmp_path / "r.json"), skeleton="lsp_14", joint_map={"0": "nose"})


# Bad input


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "found an empty file"),
        ("   \n", "found an empty file"),
        ("hello", "begins with b'hello'"),
        ('[{"image_id": 1, "keyp', "expected complete JSON"),
        ("[" * 100_000, "expected complete JSON"),
        ("[]", "format: expected coco, openpose, .*found a list of 0 entries"),
        ("{}", "an object with nothing in it"),
        ('{"shapes": []}', "an object with 'shapes'"),
        ("[1, 2]", "a list of 2 entries"),
        ('[{"image_id": 1}]', r"\[0\].keypoints: expected numbers, found nothing"),
        ('[{"image_id": 1, "keypoints": []}]', r"\[0\].keypoints: expected x, y, score"),
        ('[{"image_id": 1, "keypoints": [1, 2, 3, 4]}]', "a multiple of 3"),
        ('[{"image_id": 1, "keypoints": [1, 2, "x"]}]', r"\[0\].keypoints: expected numbers"),
        ('[{"image_id": 1, "keypoints": [[1, 2], [3]]}]', r"\[0\].keypoints: expected numbers"),
        ('[{"image_id": 1.5, "keypoints": [1, 2, 3]}]', "image_id: expected a number or a name"),
        ('[{"image_id": 1, "keypoints": [1, 2, 3], "idx": "a"}]', "expected a whole number"),
        ('{"people": []}', "expected at least one person, found nobody in 1 frames"),
        ('{"people": [{}]}', r"people\[0\]: expected pose_keypoints_2d"),
        ('{"people": 3}', "an object with 'people'"),
        ('{"instance_info": {}}', "MMPose's list of frames"),
        ('[{"instances": 3}]', "a list of instances"),
        ('[{"frame_id": 0, "instances": []}]', "found nobody in 1 frames"),
        ('{"images": [], "annotations": 3}', "annotations: expected a COCO list"),
        ('{"images": [], "annotations": []}', "found nobody in 0 frames"),
        ('{"images": [3], "annotations": []}', r"images\[0\]: expected an image with an id"),
    ],
)
def test_damaged_and_foreign_files_are_refused(tmp_path, content, says):
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(InputError, match=says) as caught:
        read_keypoints(path)
    assert caught.value.source == str(path)


def test_people_with_different_numbers_of_keypoints_are_refused(tmp_path):
    entries = [{"image_id": i, "keypoints": [5.0, 6.0, 0.5] * n} for i, n in ((1, 17), (2, 16))]
    path = tmp_path / "r.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(InputError, match="keypoints of frame 2: expected 17 as before, found 16"):
        read_keypoints(path)


def test_a_file_without_a_single_detected_joint_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a detected joint, found none in 1 rows"):
        read_keypoints(_write(tmp_path / "r.json", [[0, 0, 0]] * 17))


def test_text_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "r.json"
    path.write_bytes(b'[{"image_id": "\xff.jpg"}]')
    with pytest.raises(InputError, match="expected complete JSON"):
        read_keypoints(path)


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_does_not_matter(tmp_path, mark):
    path = _write(tmp_path / "r.json")
    path.write_text(path.read_text(), encoding=mark)
    assert len(read_keypoints(path)) == 1


def test_paths_and_folders_that_hold_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: expected a file or folder"):
        read_keypoints(tmp_path / "nowhere")
    with pytest.raises(InputError, match="JSON files, one for each frame, found no JSON file"):
        read_keypoints(tmp_path)


def test_formats_are_known_and_must_fit(tmp_path):
    path = _write(tmp_path / "r.json")
    with pytest.raises(InputError, match=f"format: expected one of {', '.join(FORMATS)}"):
        read_keypoints(path, "sleap")
    for format in ("deeplabcut", "npz"):
        with pytest.raises(InputError, match="format: expected a JSON file of coco"):
            read_keypoints(path, format)
    with pytest.raises(InputError, match="an object with 'people'"):
        read_keypoints(path, "openpose")
    with pytest.raises(InputError, match="format: expected a folder of openpose, mmpose"):
        read_keypoints(tmp_path, "coco")


# Our own npz


def _npz(path, **more):
    pixels = np.array([[p[:2] for p in POINTS]] * 3)
    np.savez(path, keypoints=pixels, skeleton="coco_17", image_size=(640, 480), **more)
    return path


def test_our_own_file_is_one_more_format(tmp_path):
    path = _npz(tmp_path / "o.npz", frame=np.array([3, 3, 5]), person=np.array([0, 1, 0]))
    table = read_keypoints(path, focal=500)
    assert table.frame.tolist() == [3, 3, 5]
    assert table.person.tolist() == [0, 1, 0]
    assert table.keypoints.intrinsics[:, 0, 0].tolist() == [500] * 3
    assert table.keypoints.pixels[2, 4].tolist() == POINTS[4][:2]


def test_rows_of_our_own_file_without_labels_are_frames(tmp_path):
    for path in (_npz(tmp_path / "a.npz"), _npz(tmp_path / "b.npz", frame=np.array([7, 7, 7]))):
        table = read_keypoints(path)
        assert table.frame.tolist() == [0, 1, 2]
        assert table.person.tolist() == [0, 0, 0]


def test_our_own_file_names_its_skeleton(tmp_path):
    path = _npz(tmp_path / "o.npz")
    assert len(read_keypoints(path, skeleton="coco_17")) == 3
    with pytest.raises(InputError, match="expected coco_17, which the file names"):
        read_keypoints(path, skeleton="h36m_17")
    with pytest.raises(InputError, match="expected no map"):
        read_keypoints(path, joint_map={"0": "nose"})


# Names


def test_natural_order():
    names = ["b10", "b9", "a", "b1_2", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "b1_2", "b9", "b10"]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["v_000000000004_keypoints.json", "v_000000000010_keypoints.json"], [4, 10]),
        (["12.jpg", "3.jpg"], [12, 3]),
        (["a1.jpg", "b1.jpg"], [0, 1]),
        (["cover.jpg", "2.jpg"], [0, 1]),
        (["9" * 30 + ".jpg", "1.jpg"], [0, 1]),
    ],
)
def test_frame_numbers(names, numbers):
    assert frame_numbers(names) == numbers


@pytest.mark.parametrize(
    ("value", "number"), [(None, -1), ([-1], -1), ([], -1), (4, 4), ([[2.0]], 2), (-7, -1)]
)
def test_person_numbers(value, number):
    assert person_number(value, "f", "idx") == number


@pytest.mark.parametrize("value", ["3", 1.5, math.nan, math.inf, {}])
def test_person_numbers_that_are_none_are_refused(value):
    with pytest.raises(InputError, match="f: idx: expected a whole number"):
        person_number(value, "f", "idx")


def test_images_numbered_too_high_for_a_table_are_refused(tmp_path):
    with pytest.raises(InputError, match="image_id: expected a number or a name"):
        read_keypoints(_write(tmp_path / "r.json", image=2**70))
    with pytest.raises(InputError, match="image_id: expected a number or a name"):
        read_keypoints(_write(tmp_path / "r.json", image=True))

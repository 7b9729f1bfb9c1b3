"""COCO, OpenPose, MMPose and AlphaPose files, each written here as its tool documents it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from poseterior.data.keypoint_files import read_keypoints
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, OPENPOSE_25

RNG = np.random.default_rng(0)


def _person(joints=17, score=0.9, at=(300.0, 200.0)):
    """(J, 3) of x, y, score."""
    points = RNG.uniform(0, 100, (joints, 2)) + at
    return np.column_stack([points, np.full(joints, score)])


def _flat(person):
    return [float(value) for value in person.ravel()]


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def _same(table, row, person, joints=slice(None)):
    expected = torch.tensor(person[joints], dtype=torch.float32)
    torch.testing.assert_close(table.keypoints.pixels[row], expected[:, :2])
    if table.keypoints.confidence is not None:
        torch.testing.assert_close(table.keypoints.confidence[row], expected[:, 2])


# COCO results: [{image_id, category_id, keypoints, score}]


def _coco(image, person, **more):
    return {
        "image_id": image, "category_id": 1, "keypoints": _flat(person), "score": 0.8, **more,
    }  # fmt: skip


def test_coco_results_keep_images_in_order_and_number_people_by_place(tmp_path):
    people = [_person() for _ in range(3)]
    entries = [_coco(785, people[0]), _coco(139, people[1]), _coco(785, people[2])]
    table = read_keypoints(_write(tmp_path / "results.json", entries))
    assert table.frame.tolist() == [785, 785, 139]
    assert table.person.tolist() == [0, 1, 0]
    assert table.frame_names is None
    assert table.keypoints.skeleton == COCO_17
    for row, person in enumerate([people[0], people[2], people[1]]):
        _same(table, row, person)
    assert table.keypoints.valid.all()
    assert {"skeleton", "image_size", "focal", "covariance", "person"} == set(table.assumptions)


def test_coco_results_keep_a_tracker_s_numbers(tmp_path):
    entries = [
        _coco(1, _person(), track_id=7),
        _coco(1, _person()),
        _coco(2, _person(), track_id=3),
    ]
    table = read_keypoints(_write(tmp_path / "r.json", entries))
    assert table.person.tolist() == [7, 9, 3]  # the one without a number clashes with nobody
    assert "person" not in table.assumptions


def test_coco_results_with_flags_of_one_are_all_confident(tmp_path):
    table = read_keypoints(_write(tmp_path / "r.json", [_coco(1, _person(score=1))]))
    sigma = table.keypoints.covariance[0, :, 0, 0].sqrt()
    box = np.ptp(table.keypoints.pixels[0].numpy(), axis=0).max()
    assert sigma.tolist() == pytest.approx([0.55 * 1.25 * box / 64] * 17, rel=1e-5)


def test_coco_annotations_have_flags_sizes_and_images_with_nobody(tmp_path):
    person = _person()
    person[:, 2] = 2
    person[3, 2] = 1
    person[4] = 0
    content = {
        "images": [
            {"id": 9, "width": 640, "height": 427, "file_name": "000009.jpg"},
            {"id": 4, "width": 500, "height": 375, "file_name": "000004.jpg"},
        ],
        "annotations": [{**_coco(4, person), "id": 183, "num_keypoints": 16, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}],
    }
    table = read_keypoints(_write(tmp_path / "person_keypoints.json", content))
    keypoints = table.keypoints
    assert table.frame.tolist() == [9, 4]
    assert table.person.tolist() == [-1, 0]
    assert keypoints.image_size.tolist() == [[640, 427], [500, 375]]
    assert keypoints.intrinsics[1, :2, 2].tolist() == [250, 187.5]
    assert keypoints.confidence is None
    assert not keypoints.valid[0].any()
    assert keypoints.valid[1].tolist() == [j != 4 for j in range(17)]
    assert keypoints.visible[1].tolist() == [j not in (3, 4) for j in range(17)]
    assert set(table.assumptions) >= {"focal", "confidence"}
    assert "image_size" not in table.assumptions


def test_coco_annotations_of_an_image_that_is_not_listed_are_refused(tmp_path):
    content = {"images": [{"id": 1, "width": 9, "height": 9}], "annotations": [_coco(2, _person())]}
    with pytest.raises(InputError, match=r"annotations\[0\].image_id: expected one of the images"):
        read_keypoints(_write(tmp_path / "a.json", content))


# OpenPose --write_json: NAME_FRAME_keypoints.json each with people


def _openpose(*people, person_id=(-1,)):
    empty = {"face_keypoints_2d": [], "hand_left_keypoints_2d": [], "pose_keypoints_3d": []}
    return {
        "version": 1.3,
        "people": [
            {"person_id": list(person_id), "pose_keypoints_2d": _flat(person), **empty}
            for person in people
        ],
    }


def test_openpose_folder_keeps_empty_frames_and_zeros_are_missing(tmp_path):
    people = [_person(25) for _ in range(3)]
    people[1][[4, 7]] = 0
    folder = tmp_path / "json"
    for frame, found in {0: people[:2], 1: [], 2: people[2:]}.items():
        _write(folder / f"dance_{frame:012d}_keypoints.json", _openpose(*found))
    table = read_keypoints(folder)
    assert table.frame.tolist() == [0, 0, 1, 2]
    assert table.person.tolist() == [0, 1, -1, 0]
    assert table.frame_names[2] == "dance_000000000001_keypoints.json"
    assert table.keypoints.skeleton == OPENPOSE_25
    assert table.keypoints.valid.sum(1).tolist() == [25, 23, 0, 25]
    for row, person in zip((0, 1, 3), people, strict=True):
        _same(table, row, person)


def test_openpose_frames_sort_as_numbers(tmp_path):
    for frame in (10, 9, 100):
        _write(tmp_path / f"clip_{frame}_keypoints.json", _openpose(_person(25)))
    assert read_keypoints(tmp_path, "openpose").frame.tolist() == [9, 10, 100]


def test_openpose_single_file_and_person_id(tmp_path):
    path = _write(tmp_path / "one_keypoints.json", _openpose(_person(25), person_id=[5]))
    table = read_keypoints(path)
    assert table.person.tolist() == [5]
    assert len(table) == 1


def test_openpose_coco_model_drops_the_neck(tmp_path):
    names = [
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder",
        "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip",
        "left_knee", "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear",
    ]  # fmt: skip
    person = _person(18)
    table = read_keypoints(_write(tmp_path / "f.json", _openpose(person)))
    _same(table, 0, person, [names.index(joint) for joint in COCO_17.joints])


def test_openpose_people_without_a_body_are_left_out(tmp_path):
    content = _openpose(_person(25))
    content["people"].insert(0, {"person_id": [-1], "pose_keypoints_2d": []})
    assert len(read_keypoints(_write(tmp_path / "f.json", content))) == 1


def test_openpose_normalised_coordinates_are_refused(tmp_path):
    person = _person(25)
    person[:, :2] /= 1000
    with pytest.raises(InputError, match="keypoint_scale 0"):
        read_keypoints(_write(tmp_path / "f.json", _openpose(person)))


def test_a_damaged_frame_of_a_folder_is_named(tmp_path):
    _write(tmp_path / "a_0_keypoints.json", _openpose(_person(25)))
    (tmp_path / "a_1_keypoints.json").write_text('{"version": 1.3, "peo')
    with pytest.raises(InputError, match=r"a_1_keypoints.json: expected complete JSON"):
        read_keypoints(tmp_path)


# MMPose: split_instances() of each frame


def _mmpose(person, **more):
    return {
        "keypoints": person[:, :2].tolist(),
        "keypoint_scores": person[:, 2].tolist(),
        "bbox": [[250.0, 150.0, 450.0, 350.0]],
        "bbox_score": 0.98,
        **more,
    }


PEOPLE = [_person() for _ in range(3)]
INSTANCES = [_mmpose(person) for person in PEOPLE]
VIDEO = [
    {"frame_id": 5, "instances": INSTANCES[:2]},
    {"frame_id": 6, "instances": []},
    {"frame_id": 7, "instances": INSTANCES[2:]},
]
META = {
    "dataset_name": "coco",
    "keypoint_id2name": {str(j): name for j, name in enumerate(COCO_17.joints)},
    "sigmas": {"__ndarray__": [0.026], "dtype": "float64", "shape": [1]},
}


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        (VIDEO, [5, 5, 6, 7]),
        ({"meta_info": META, "instance_info": VIDEO}, [5, 5, 6, 7]),
        ([INSTANCES[:2], [], INSTANCES[2:]], [0, 0, 1, 2]),
        ({"visualization": [], "predictions": [INSTANCES[:2], [], INSTANCES[2:]]}, [0, 0, 1, 2]),
    ],
)
def test_mmpose_videos_in_every_form(tmp_path, content, frames):
    table = read_keypoints(_write(tmp_path / "video.json", content))
    assert table.frame.tolist() == frames
    assert table.person.tolist() == [0, 1, -1, 0]
    for row, person in zip((0, 1, 3), PEOPLE, strict=True):
        _same(table, row, person)
    assert not table.keypoints.valid[2].any()


@pytest.mark.parametrize("wrapped", [False, True])
def test_mmpose_image_is_one_frame(tmp_path, wrapped):
    content = {"meta_info": META, "instance_info": INSTANCES} if wrapped else INSTANCES
    table = read_keypoints(_write(tmp_path / "image.json", content))
    assert table.frame.tolist() == [0, 0, 0]
    assert table.person.tolist() == [0, 1, 2]


def test_mmpose_folder_has_one_image_a_file(tmp_path):
    for name, found in {"b_2": INSTANCES[:1], "b_10": [], "b_11": INSTANCES[1:]}.items():
        _write(tmp_path / "predictions" / f"{name}.json", found)
    table = read_keypoints(tmp_path / "predictions")
    assert table.frame.tolist() == [2, 10, 11, 11]
    _same(table, 3, PEOPLE[2])


def test_mmpose_track_ids_and_scores_above_one(tmp_path):
    scores = [0.3, 2.0, 4.0, 6.0, *[8.0] * 13]  # SimCC scores are raw maxima
    person = _person()
    person[:, 2] = scores
    table = read_keypoints(_write(tmp_path / "v.json", [_mmpose(person, track_id=12)]))
    assert table.person.tolist() == [12]
    sigma = table.keypoints.covariance[0, :, 0, 0].sqrt()
    assert (sigma[:5].diff() < 0).all()
    assert sigma[4] == sigma[16]
    assert "8" in table.assumptions["confidence"]


def test_mmpose_names_that_contradict_the_count_are_not_taken_for_coco(tmp_path):
    animal = {str(j): f"paw_{j}" for j in range(17)}
    content = {"meta_info": {"keypoint_id2name": animal}, "instance_info": INSTANCES}
    path = _write(tmp_path / "ap10k.json", content)
    with pytest.raises(InputError, match="17 for each person, named paw_0"):
        read_keypoints(path)
    mapped = read_keypoints(path, skeleton="coco_17", joint_map={"paw_3": "nose"})
    assert mapped.keypoints.valid.sum() == 3
    torch.testing.assert_close(
        mapped.keypoints.pixels[0, 0], torch.tensor(PEOPLE[0][3, :2], dtype=torch.float32)
    )


def test_mmpose_3d_keypoints_are_refused(tmp_path):
    instance = INSTANCES[0] | {"keypoints": np.ones((17, 3)).tolist()}
    with pytest.raises(InputError, match=r"keypoints: expected \(K, 2\) pixels"):
        read_keypoints(_write(tmp_path / "v.json", [instance]))


def test_mmpose_scores_of_another_count_are_refused(tmp_path):
    instance = INSTANCES[0] | {"keypoint_scores": [0.5] * 16}
    with pytest.raises(InputError, match="keypoint_scores: expected 17 scores"):
        read_keypoints(_write(tmp_path / "v.json", [{"frame_id": 0, "instances": [instance]}]))


# AlphaPose: alphapose-results.json


def _alphapose(image, person, **more):
    box = [10.0, 20.0, 30.0, 40.0]
    return _coco(image, person) | {"score": 3.1, "box": box, **more}


def test_alphapose_list_takes_frames_and_people_from_names_and_idx(tmp_path):
    people = [_person(26) for _ in range(3)]
    entries = [
        _alphapose("0.jpg", people[0], idx=1),
        _alphapose("0.jpg", people[1], idx=[2.0]),
        _alphapose("12.jpg", people[2], idx=1),
    ]
    table = read_keypoints(_write(tmp_path / "alphapose-results.json", entries))
    assert table.frame.tolist() == [0, 0, 12]
    assert table.frame_names == ("0.jpg", "0.jpg", "12.jpg")
    assert table.person.tolist() == [1, 2, 1]
    assert table.keypoints.skeleton.name == "halpe_26"
    assert table.assumptions["frames"].startswith("11 frame numbers")
    for row, person in enumerate(people):
        _same(table, row, person)


# cmu and open both write COCO's joints and their own neck in this order
_CMU_ORDER = [0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]


@pytest.mark.parametrize(
    ("people", "joints"), [("people", "pose_keypoints_2d"), ("bodies", "joints")]
)
def test_alphapose_open_and_cmu_formats(tmp_path, people, joints):
    person = _person()
    neck = (person[5] + person[6]) / 2
    ordered = np.vstack([person, neck])[_CMU_ORDER]
    content = {
        name: {"version": "AlphaPose v0.3", people: [{joints: _flat(ordered)}]}
        for name in ("3.jpg", "4.jpg")
    }
    table = read_keypoints(_write(tmp_path / "alphapose-results.json", content))
    assert table.frame.tolist() == [3, 4]
    _same(table, 1, person)


@pytest.mark.parametrize(("joints", "skeleton", "used"), [
    (133, "coco_17", 17), (136, "halpe_26", 26), (16, "mpii_16", 16), (68, "halpe_26", 26),
])  # fmt: skip
def test_skeletons_are_told_by_the_number_of_keypoints(tmp_path, joints, skeleton, used):
    person = _person(joints)
    path = _write(tmp_path / "a.json", [_alphapose("1.jpg", person)])
    for table in (read_keypoints(path), read_keypoints(path, skeleton=skeleton)):
        assert table.keypoints.skeleton.name == skeleton
        _same(table, 0, person, slice(used))
    assert str(joints) in read_keypoints(path).assumptions["skeleton"]

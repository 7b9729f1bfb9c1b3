"""Skeletons against the orders that the tools and data sets publish, written out."""

from __future__ import annotations

import pytest

from poseterior.errors import InputError
from poseterior.geometry.skeleton import SKELETONS, Skeleton, get_skeleton

PUBLISHED = {
    "h36m_17": "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax "
    "nose head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    "mpii_16": "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax "
    "upper_neck head_top right_wrist right_elbow right_shoulder left_shoulder left_elbow "
    "left_wrist",
    "coco_17": "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder "
    "left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle",
    "openpose_25": "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    "left_wrist pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye "
    "left_eye right_ear left_ear left_big_toe left_small_toe left_heel right_big_toe "
    "right_small_toe right_heel",
    "halpe_26": "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder "
    "left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle head_top neck pelvis left_big_toe right_big_toe left_small_toe "
    "right_small_toe left_heel right_heel",
    "smpl_24": "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle "
    "right_ankle spine3 left_foot right_foot neck left_collar right_collar head left_shoulder "
    "right_shoulder left_elbow right_elbow left_wrist right_wrist left_hand right_hand",
    "lsp_14": "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist "
    "right_elbow right_shoulder left_shoulder left_elbow left_wrist neck head_top",
    "mpi_inf_3dhp_17": "head_top neck right_shoulder right_elbow right_wrist left_shoulder "
    "left_elbow left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle pelvis "
    "spine head",
}

H36M_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
SMPL_PARENTS = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
)  # fmt: skip
ROOTS = dict.fromkeys(PUBLISHED, "pelvis") | {"coco_17": "nose", "lsp_14": "neck"}


def test_every_skeleton_is_known():
    assert set(SKELETONS) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_order_and_root_are_the_published_ones(name):
    skeleton = get_skeleton(name)
    assert skeleton.joints == tuple(PUBLISHED[name].split())
    assert len(skeleton) == int(name.rpartition("_")[2])
    assert skeleton.joints[skeleton.root] == ROOTS[name]


def test_parents_of_the_two_published_trees():
    assert get_skeleton("h36m_17").parents == H36M_PARENTS
    assert get_skeleton("smpl_24").parents == SMPL_PARENTS


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_trees_and_sides_are_symmetric(skeleton):
    for joint, partner in enumerate(skeleton.partners):
        sides = {"left": "right", "right": "left"}
        words = skeleton.joints[joint].split("_")
        assert skeleton.joints[partner].split("_") == [sides.get(word, word) for word in words]
        parent = skeleton.parents[joint]
        mirrored = skeleton.partners[parent] if parent >= 0 else -1
        assert skeleton.parents[partner] == mirrored
    assert sorted(skeleton.order) == list(range(len(skeleton)))
    seen = {-1}
    for joint in skeleton.order:
        assert skeleton.parents[joint] in seen
        seen.add(joint)
    assert len(skeleton.edges) == len(skeleton) - 1


@pytest.mark.parametrize(
    ("written", "meant"), [("coco17", "coco_17"), ("H36m_17", "h36m_17"), ("body_25", "")]
)
def test_unknown_names_are_answered_with_the_nearest(written, meant):
    with pytest.raises(InputError) as caught:
        get_skeleton(written, "people.npz")
    assert repr(meant) in str(caught.value) if meant else "one of" in str(caught.value)
    assert "people.npz" in str(caught.value)
    assert written in str(caught.value)


@pytest.mark.parametrize(
    ("parents", "partners"),
    [
        ((-1, 2, 1), (0, 1, 2)),  # a circle
        ((-1, -1, 0), (0, 1, 2)),  # two roots
        ((0, 0, 0), (0, 1, 2)),  # no root
        ((-1, 0, 7), (0, 1, 2)),  # no such parent
        ((-1, 0), (0, 1, 2)),  # too few
        ((-1, 0, 0), (0, 2, 2)),  # no pair
        ((-1, 0, 0), (0, 1)),
    ],
)
def test_broken_skeletons_are_refused(parents, partners):
    with pytest.raises(InputError):
        Skeleton("broken", ("a", "b", "c"), parents, partners)

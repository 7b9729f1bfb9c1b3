"""Skeletons against the orders that the tools and data sets publish, written out."""

from __future__ import annotations

import pytest

from poseterior.errors import InputError
from poseterior.geometry.skeleton import SKELETONS, Skeleton, get_skeleton

# Orders as written in public sources, in their own words; `ours` translates words, not order.
PUBLISHED = {
    # The order of Martinez et al. 2017; sides and tree are VideoPose3D's, tested below. (SPIN's
    # `constants.py` and a few others number the left leg first.)
    "h36m_17": "pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax "
    "nose head_top left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
    # Wehrbein et al. 2021, `utils/data_utils.py`: `MPII_NAMES`, its feet being H36M's ankles.
    "h36m_16": "right_ankle right_knee right_hip left_hip left_knee left_ankle hip spine thorax "
    "head_top right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    # MMPose, `configs/_base_/datasets/mpii.py`, `keypoint_info` by id.
    "mpii_16": "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax "
    "upper_neck head_top right_wrist right_elbow right_shoulder left_shoulder left_elbow "
    "left_wrist",
    # Detectron2, `detectron2/data/datasets/builtin_meta.py`, `COCO_PERSON_KEYPOINT_NAMES`.
    "coco_17": "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder "
    "left_elbow right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee "
    "left_ankle right_ankle",
    # OpenPose, `doc/output.md`, `POSE_BODY_25_BODY_PARTS` 0 to 24.
    "openpose_25": "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee "
    "RAnkle LHip LKnee LAnkle REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel",
    # Halpe-FullBody, `README.md`, the 26 body keypoints.
    "halpe_26": "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip "
    "RHip LKnee Rknee LAnkle RAnkle Head Neck Hip LBigToe RBigToe LSmallToe RSmallToe LHeel RHeel",
    # smplx, `smplx/joint_names.py`: the first 22 names of SMPL-H, left_hand, right_hand.
    "smpl_24": "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle "
    "right_ankle spine3 left_foot right_foot neck left_collar right_collar head left_shoulder "
    "right_shoulder left_elbow right_elbow left_wrist right_wrist left_hand right_hand",
    # MMHuman3D, `core/conventions/keypoints_mapping/lsp.py`; SPIN, `constants.py`, 25 to 38.
    "lsp_14": "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist "
    "right_elbow right_shoulder left_shoulder left_elbow left_wrist neck headtop",
}
# MPI-INF-3DHP, `util/mpii_get_joint_set.m`: all joints, and which of them, counted from 1, are
# the set 'relevant'. MMPose's `configs/_base_/datasets/mpi_inf_3dhp.py` has the same order.
MPI_ALL = (
    "spine3 spine4 spine2 spine pelvis neck head head_top left_clavicle left_shoulder left_elbow "
    "left_wrist left_hand right_clavicle right_shoulder right_elbow right_wrist right_hand "
    "left_hip left_knee left_ankle left_foot left_toe right_hip right_knee right_ankle right_foot "
    "right_toe"
)
MPI_RELEVANT = (8, 6, 15, 16, 17, 10, 11, 12, 24, 25, 26, 19, 20, 21, 5, 4, 7)
PUBLISHED["mpi_inf_3dhp_17"] = " ".join(MPI_ALL.split()[n - 1] for n in MPI_RELEVANT)
# MMPose, `configs/_base_/datasets/coco_wholebody.py`: names by id, and `swap` of the face's points
# as runs (first, last, sum of a point's number and its partner's); the midline's swap with none.
HAND = "hand_root " + " ".join(
    f"{finger}{n}"
    for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
    for n in (1, 2, 3, 4)
)
PUBLISHED["coco_wholebody_133"] = " ".join(
    [PUBLISHED["coco_17"], "left_big_toe left_small_toe left_heel"]
    + ["right_big_toe right_small_toe right_heel", *(f"face-{n}" for n in range(68))]
    + [f"{side}_{word}" for side in ("left", "right") for word in HAND.split()]
)
FACE_SWAPS = (
    (0, 16, 16), (17, 26, 43), (31, 35, 66), (36, 39, 81), (40, 41, 87), (42, 45, 81), (46, 47, 87),
    (48, 54, 102), (55, 59, 114), (60, 64, 124), (65, 67, 132),
)  # fmt: skip

TRANSLATED = {"mid_hip": "pelvis", "hip": "pelvis", "headtop": "head_top"}


def ours(word: str, name: str) -> str:
    """A source's word for a joint, such as `LBigToe`, as ours: `left_big_toe`."""
    if word.islower():
        return TRANSLATED.get(word, word)
    sided = word[1].isupper() or word == "Rknee"
    side = {"L": "left_", "R": "right_"}[word[0]] if sided else ""
    rest = word[1:] if side else word
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in rest).strip("_")
    head = "head_top" if (name, word) == ("halpe_26", "Head") else snake
    return side + (head if side else TRANSLATED.get(head, head))


# VideoPose3D, `common/h36m_dataset.py`: H36M's 32 joints, those removed and those on the left;
# the shoulders, 11 and 14 of the 17, are rewired to the thorax, 8.
H36M_32_PARENTS = (
    -1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 12, 16, 17, 18, 19, 20, 19, 22, 12, 24,
    25, 26, 27, 28, 27, 30,
)  # fmt: skip
H36M_REMOVED = {4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31}
H36M_32_LEFT = {6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23}
H36M_32_RIGHT = {1, 2, 3, 4, 5, 24, 25, 26, 27, 28, 29, 30, 31}
# The parents in SMPL's model files (`kintree_table`).
SMPL_PARENTS = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
)  # fmt: skip
ROOTS = dict.fromkeys(PUBLISHED, "pelvis") | {
    "coco_17": "nose", "lsp_14": "neck", "coco_wholebody_133": "nose",
}  # fmt: skip


def test_every_skeleton_is_known():
    assert set(SKELETONS) == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_order_and_root_are_the_published_ones(name):
    skeleton = get_skeleton(name)
    words = PUBLISHED[name].split()
    if name == "coco_wholebody_133":  # whose source has numbers for names of the face
        words[23:91] = skeleton.joints[23:91]
    assert skeleton.joints == tuple(ours(word, name) for word in words)
    assert len(skeleton) == int(name.rpartition("_")[2])
    assert skeleton.joints[skeleton.root] == ROOTS[name]


def test_parents_of_the_published_trees():
    kept = [j for j in range(32) if j not in H36M_REMOVED]
    h36m = get_skeleton("h36m_17")
    for index, joint in enumerate(kept):
        parent = H36M_32_PARENTS[joint]
        while parent in H36M_REMOVED:
            parent = H36M_32_PARENTS[parent]
        above = kept.index(parent) if parent >= 0 else -1
        assert h36m.parents[index] == (8 if index in (11, 14) else above)
        side = "left_" if joint in H36M_32_LEFT else "right_" if joint in H36M_32_RIGHT else ""
        assert h36m.joints[index].startswith(side or ("p", "s", "t", "n", "h"))
    assert get_skeleton("smpl_24").parents == SMPL_PARENTS


def test_sides_of_the_face_are_the_published_ones():
    skeleton = get_skeleton("coco_wholebody_133")
    swaps = {n: total - n for first, last, total in FACE_SWAPS for n in range(first, last + 1)}
    for number in range(68):
        assert skeleton.partners[23 + number] == 23 + swaps.get(number, number)
    # 300-W counts from the person's right ear over the chin, 8, to the left one.
    sides = [name.split("_")[0] for name in skeleton.joints[23:91]]
    assert sides[:17] == ["right"] * 8 + ["chin"] + ["left"] * 8
    assert (sides[17], sides[36], sides[48], sides[60]) == ("right",) * 4


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

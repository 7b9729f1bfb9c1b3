"""`select_person` against a plain loop over frames."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poseterior.data.keypoint_files import KeypointTable, select_person
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Keypoints


def _table(frames, seed=0, present=0.7):
    """Rows of (frame, person), with random joints missing."""
    rows = len(frames)
    generator = torch.Generator().manual_seed(seed)
    valid = torch.rand(rows, 17, generator=generator) < present
    valid &= torch.tensor([person >= 0 for _, person in frames])[:, None]
    pixels = torch.randint(1, 30, (rows, 17, 2), generator=generator).float()
    keypoints = Keypoints(
        pixels=torch.where(valid[..., None], pixels, 0.0),
        covariance=torch.eye(2).expand(rows, 17, 2, 2),
        valid=valid,
        skeleton=COCO_17,
        confidence=valid.float(),
        visible=valid,
    )
    frame, person = (torch.tensor(column) for column in zip(*frames, strict=True))
    return KeypointTable(keypoints, frame, person, tuple(f"{f}.jpg" for f, _ in frames))


TABLE = _table([(4, 0), (4, 1), (2, -1), (9, 1), (9, 0), (9, 2)])


def _area(keypoints, row):
    points = keypoints.pixels[row][keypoints.valid[row]]
    return float((points.amax(0) - points.amin(0)).prod()) if len(points) else -1.0


people = st.lists(st.lists(st.integers(0, 3), unique=True), min_size=1, max_size=6)


@given(people, st.integers(0, 99), st.sampled_from([0.05, 0.3, 1.0]))
def test_largest_is_the_largest_box_of_each_frame(persons, seed, present):
    frames = [(f, p) for f, found in enumerate(persons) for p in (found or [-1])]
    table = _table(frames, seed, present)
    chosen = select_person(table)
    assert chosen.frame.tolist() == list(range(len(persons)))
    for frame in range(len(persons)):
        rows = [row for row, (f, _) in enumerate(frames) if f == frame]
        best = max(rows, key=lambda row: _area(table.keypoints, row))  # the first among equals
        assert chosen.person[frame] == table.person[best]
        assert torch.equal(chosen.keypoints.pixels[frame], table.keypoints.pixels[best])


@given(people.filter(lambda persons: any(2 in found for found in persons)), st.integers(0, 99))
def test_a_person_has_a_row_in_every_frame(persons, seed):
    frames = [(f, p) for f, found in enumerate(persons) for p in (found or [-1])]
    table = _table(frames, seed)
    chosen = select_person(table, "2")
    assert chosen.frame.tolist() == list(range(len(persons)))
    assert (chosen.person == 2).all()
    for frame, found in enumerate(persons):
        keypoints = chosen.keypoints[frame]
        if 2 in found:
            row = frames.index((frame, 2))
            assert torch.equal(keypoints.pixels, table.keypoints.pixels[row])
            assert torch.equal(keypoints.valid, table.keypoints.valid[row])
        else:
            for value in (keypoints.pixels, keypoints.valid, keypoints.confidence):
                assert not value.any()


def test_frames_keep_order_and_names():
    chosen = select_person(TABLE, 0)
    assert chosen.frame.tolist() == [4, 2, 9]
    assert chosen.frame_names == ("4.jpg", "2.jpg", "9.jpg")
    assert TABLE.frame_starts.tolist() == [0, 2, 3]


def test_all_is_the_table_itself():
    assert select_person(TABLE, "all") is TABLE


@pytest.mark.parametrize("who", ["smallest", 3, "-1", -1, ""])
def test_people_that_are_not_there_are_refused(who):
    with pytest.raises(InputError, match="largest, all or one of the persons 0, 1, 2"):
        select_person(TABLE, who)


def test_columns_must_fit_the_keypoints():
    with pytest.raises(InputError, match="frame: expected shape"):
        KeypointTable(TABLE.keypoints, TABLE.frame[:2], TABLE.person)

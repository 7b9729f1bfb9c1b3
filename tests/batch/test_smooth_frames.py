"""From frames to smoothed tracks: what `lift` says of frames in which people are missing."""

from __future__ import annotations

import numpy as np
import pytest
from fake_lifters import FlatGaussian

from fake_detectors import BlockFinder, BoxDetector, draw
from poseterior.batch.lift_frames import lift_frames
from poseterior.batch.smooth import smooth_file
from poseterior.data.images import open_images
from poseterior.data.predictions import open_predictions
from poseterior.geometry.skeleton import H36M_17
from poseterior.smoothing.defaults import default_model

Image = pytest.importorskip("PIL.Image", reason="reading images needs Pillow")
A, B = (30.0, 20.0, 60.0), (200.0, 60.0, 40.0)
# A everywhere but in frame 2; B from frame 1 on; frame 3 is broken, frame 5 empty.
PEOPLE = [[A], [B, A], [B], None, [A, B], [], [A, B]]


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, people in enumerate(PEOPLE):
        path = folder / f"{number}.png"
        if people is None:
            path.write_bytes(b"broken")
        else:
            Image.fromarray(draw(people)).save(path)
    return open_images(folder)


def smoothed(frames, tmp_path, person):
    path, out = tmp_path / "p.npz", tmp_path / "s.npz"
    finder, detector = BlockFinder(), BoxDetector()
    lift_frames(frames, finder, detector, FlatGaussian(), path, person, hypotheses=9)
    with open_predictions(path) as opened:
        done = smooth_file(opened, default_model(H36M_17), out)
    with np.load(out) as arrays:
        return done, dict(arrays)


def rows(arrays, chosen):
    frame, person = (arrays[name][chosen].tolist() for name in ("frame", "person"))
    return sorted(zip(person, frame, strict=True))


def test_of_all_people_every_frame_between_their_ends_is_filled(frames, tmp_path):
    done, arrays = smoothed(frames, tmp_path, "all")
    assert (done.tracks, done.filled, done.added, done.invalid) == (2, 5, 3, 0)
    everywhere = [(0, frame) for frame in range(7)] + [(1, frame) for frame in range(1, 7)]
    assert rows(arrays, arrays["valid"]) == everywhere
    assert rows(arrays, arrays["filled"]) == [(0, 2), (0, 3), (0, 5), (1, 3), (1, 5)]
    assert set(arrays["clip"]) == {"frames"}


def test_of_the_largest_a_file_keeps_one_row_a_frame(frames, tmp_path):
    done, arrays = smoothed(frames, tmp_path, "largest")
    assert (done.poses, done.filled, done.added, done.invalid) == (7, 2, 0, 0)
    assert arrays["frame"].tolist() == list(range(7))
    assert arrays["person"].tolist() == [0, 0, 1, 0, 0, 0, 0]
    assert np.flatnonzero(arrays["filled"]).tolist() == [3, 5]


def test_of_one_person_the_same(frames, tmp_path):
    done, arrays = smoothed(frames, tmp_path, "1")
    assert (done.poses, done.filled, done.invalid) == (7, 2, 1)
    assert rows(arrays, arrays["filled"]) == [(1, 3), (1, 5)]

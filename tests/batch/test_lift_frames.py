"""Lifting frames: order, cameras, people, what is broken, and going on after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_lifters import FlatGaussian

from fake_detectors import STANDING, UNSURE, BlockFinder, BoxDetector, draw
from poseterior.batch.detect_frames import FixedBox, detect_frames
from poseterior.batch.detected_people import DetectedPeople
from poseterior.batch.lift_frames import lift_frames, parts_folder
from poseterior.data.detection_log import DetectionLog
from poseterior.data.frames import Frame
from poseterior.data.predictions import open_predictions
from poseterior.data.video import open_video
from poseterior.detectors.images import checked_boxes
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.metrics.oks import oks_sigmas

H = 4


@dataclass
class Drawn:
    """Drawn frames as a `FrameSource`; None is a broken one."""

    images: list
    focal: list = field(default_factory=list)
    name: str = "drawn"
    label: str = "drawn"
    facts: dict = field(default_factory=dict)

    @property
    def frames(self):
        return len(self.images)

    def read(self, start=0):
        for place in range(start, self.frames):
            focal = self.focal[place] if self.focal else None
            yield Frame(place, 10 + place, self.images[place], focal)

    def place_of(self, number):
        return number - 10

    def fingerprint(self):
        return str(hash(tuple(i is None or i.tobytes() for i in self.images)))


A, B = (30.0, 20.0, 60.0), (200.0, 60.0, 40.0)


@pytest.fixture
def clip():
    """A everywhere but in frame 2; B from frame 1 on; frame 3 is broken, frame 5 empty."""
    people = [[A], [B, A], [B], None, [A, B], [], [A, B]]
    return Drawn([None if p is None else draw(p) for p in people])


def lifted(frames, out, **options):
    done = lift_frames(
        frames, BlockFinder(), BoxDetector(), FlatGaussian(), out, hypotheses=H, **options
    )
    with np.load(out, allow_pickle=False) as file:
        return done, dict(file)


def test_one_row_a_frame_of_the_largest(clip, tmp_path):
    done, arrays = lifted(clip, tmp_path / "p.npz")
    assert arrays["frame"].tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert arrays["person"].tolist() == [0, 0, 1, -1, 0, -1, 0]
    assert arrays["valid"].tolist() == [True, True, True, False, True, False, True]
    assert set(arrays["clip"]) == {"drawn"}
    assert arrays["hypotheses"].shape == (7, H, 17, 3)
    assert not arrays["hypotheses"][[3, 5]].any()
    assert (done.survey.broken, done.survey.broken_numbers) == (1, [13])
    assert (done.survey.people, done.survey.empty) == (2, 1)
    told = json.loads(str(arrays["provenance"]))["frames"]
    assert (told["broken_frames"], told["people"]) == (1, 2)
    # Two wrists of each of eight people.
    assert (told["joints"], told["doubtful_joints"]) == (8 * 17, 16)
    with open_predictions(tmp_path / "p.npz") as file:
        assert file.poses == 7


def test_all_people_by_number_and_one_person(clip, tmp_path):
    _, arrays = lifted(clip, tmp_path / "p.npz", person="all")
    rows = list(zip(arrays["frame"].tolist(), arrays["person"].tolist(), strict=True))
    assert rows == [(10, 0), (11, 0), (11, 1), (12, 1), (13, -1), (14, 0), (14, 1), (15, -1),
                    (16, 0), (16, 1)]  # fmt: skip
    _, one = lifted(clip, tmp_path / "one.npz", person="1")
    assert one["person"].tolist() == [1] * 7
    assert one["valid"].tolist() == [False, True, True, False, True, False, True]
    seen = arrays["observed_keypoints"][[2, 3, 6, 9]]
    assert np.array_equal(one["observed_keypoints"][[1, 2, 4, 6]], seen)


def test_keypoints_and_covariances_are_the_detector_s_in_px_of_the_image(clip, tmp_path):
    _, arrays = lifted(clip, tmp_path / "p.npz", person="1")
    x, y, s = B
    wrist = H36M_17.index("right_wrist")
    expected = np.array([x - 0.5, y - 0.5]) + s * STANDING[10]
    assert arrays["observed_keypoints"][1, wrist] == pytest.approx(expected, abs=1e-3)
    assert arrays["observed_covariance"][1, wrist] == pytest.approx(np.eye(2) * UNSURE**2)


def test_focal_length_of_the_user_of_the_frame_or_assumed(clip, tmp_path):
    def focal(frames, **options):
        done, arrays = lifted(frames, tmp_path / "p.npz", **options)
        return dict(done.notes), arrays["observed_intrinsics"][[0, 1], 0, 0].tolist()

    notes, found = focal(clip)
    assert found == pytest.approx([1.15 * 320] * 2)
    assert "1.15" in notes["focal"]
    told = Drawn(clip.images, focal=[500.0, None, 600.0, None, 600.0, 600.0, 600.0])
    notes, found = focal(told)
    assert found == pytest.approx([500, 1.15 * 320])
    assert notes["focal"].endswith("in 1 of 6 images, whose EXIF tells none")
    notes, found = focal(told, focal=700.0)
    assert (notes, found) == ({}, [700, 700])
    every = Drawn(clip.images, focal=[500.0, 550.0, 600.0, None, 600.0, 600.0, 600.0])
    notes, found = focal(every)
    assert (notes, found) == ({}, [500, 550])


def test_nobody_is_an_empty_and_valid_result(tmp_path):
    for person in ("largest", "all", "0"):
        done, arrays = lifted(Drawn([draw([])] * 3), tmp_path / "p.npz", person=person)
        assert done.survey.people == 0
        assert arrays["valid"].tolist() == [False] * 3
        assert not arrays["hypotheses"].any()
        with open_predictions(tmp_path / "p.npz") as file:
            assert sum(int(rows.valid.sum()) for rows in file.chunks()) == 0


def test_a_person_who_is_not_there(clip, tmp_path):
    with pytest.raises(InputError, match="0 to 1"):
        lifted(clip, tmp_path / "p.npz", person="2")
    assert not (tmp_path / "p.npz").exists()
    _, arrays = lifted(clip, tmp_path / "p.npz")  # goes on with what was detected
    assert len(arrays["valid"]) == 7


@pytest.mark.parametrize(
    ("field", "value"), [("person", "-1"), ("person", "me"), ("focal", -1.0), ("focal", np.inf)]
)
def test_options_that_cannot_be_are_refused_before_anything_is_detected(
    clip, tmp_path, field, value
):
    detector = BoxDetector()
    with pytest.raises(InputError, match=field):
        lift_frames(clip, BlockFinder(), detector, FlatGaussian(), tmp_path / "p.npz",
                    **{field: value})  # fmt: skip
    assert detector.seen == 0
    assert not list(tmp_path.iterdir())


def test_frames_of_which_none_can_be_read_are_an_error_and_leave_nothing(tmp_path):
    with pytest.raises(
        InputError, match="drawn: expected a frame that can be read, found none of 4"
    ):
        lifted(Drawn([None] * 4), tmp_path / "p.npz")
    assert not list(tmp_path.iterdir())


def test_the_same_frames_give_the_same_file_and_leave_nothing_else(clip, tmp_path):
    for name in ("a.npz", "b.npz"):
        lifted(clip, tmp_path / name, person="all")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz"]


class Stops(BoxDetector):
    """Fails when it has seen `calls` images."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def detect(self, images, boxes):
        if self.seen >= self.calls:
            raise KeyboardInterrupt
        return super().detect(images, boxes)


@pytest.mark.parametrize(("torn", "again"), [(0, 1), (0.1, 1), (1.1, 2), (2.5, 2), (3.5, 2)])
def test_a_lift_that_was_stopped_goes_on_to_the_same_file(clip, tmp_path, torn, again):
    """Stopped in frame 6; `torn` records are lost of 8, the last of them frame 4's and 5's."""
    lifted(clip, tmp_path / "whole.npz", person="all")
    out = tmp_path / "p.npz"
    with pytest.raises(KeyboardInterrupt):
        lift_frames(clip, BlockFinder(), Stops(4), FlatGaussian(), out, "all", hypotheses=H)
    people = parts_folder(out) / "people.bin"
    content = people.read_bytes()
    people.write_bytes(content[: round(len(content) * (1 - torn / 8))])
    detector = BoxDetector()
    lift_frames(clip, BlockFinder(), detector, FlatGaussian(), out, "all", hypotheses=H)
    assert detector.seen == again
    assert out.read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert not parts_folder(out).exists()


def test_a_log_of_other_work_is_not_gone_on_with(clip, tmp_path):
    out = tmp_path / "p.npz"
    with pytest.raises(KeyboardInterrupt):
        lift_frames(clip, BlockFinder(), Stops(2), FlatGaussian(), out, hypotheses=H)
    other = Drawn(clip.images[::-1])
    with pytest.raises(InputError, match=r"about\.json: input: .*remove it"):
        lifted(other, out)
    with pytest.raises(InputError, match="detector"):
        lifted(clip, out, made={"detector": "another"})


def test_a_box_that_is_given(clip, tmp_path):
    box = FixedBox((30.0, 20.0, 90.0, 140.0))
    lift_frames(clip, box, BoxDetector(), FlatGaussian(), tmp_path / "p.npz", hypotheses=H)
    with np.load(tmp_path / "p.npz") as arrays:
        assert arrays["person"].tolist() == [0, 0, 0, -1, 0, 0, 0]
    for corners in ((10, 10, 10, 20), (10, 20, 30, 5), (0, 0, float("nan"), 1)):
        with pytest.raises(InputError, match="box"):
            FixedBox(corners)
    with pytest.raises(InputError, match=r"drawn: frame 10, box: .*320 x 240"):
        lift_frames(clip, FixedBox((400, 0, 500, 50)), BoxDetector(), FlatGaussian(),
                    tmp_path / "q.npz")  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.npz"]


@pytest.mark.parametrize(
    ("corners", "good"),
    [
        ((-9.0, 5.0, -0.4, 9.0), True),
        ((-9.0, 5.0, -0.5, 9.0), False),
        ((5.0, 239.4, 9.0, 260.0), True),
        ((5.0, 239.5, 9.0, 260.0), False),
    ],
)
def test_a_given_box_overlaps_where_detectors_say_so(corners, good):
    """Pixel i covers i - 1/2 to i + 1/2."""
    image, box = draw([A]), FixedBox(corners)
    for check in (lambda: box.find([image]), lambda: checked_boxes(torch.tensor([corners]), image)):
        if good:
            check()
        else:
            with pytest.raises(InputError, match="overlaps the image of 320 x 240"):
                check()


class Odd(BoxDetector):
    """Says NaN of one joint."""

    def detect(self, images, boxes):
        found = super().detect(images, boxes)
        for keypoints in found:
            keypoints.pixels[:, 5] = torch.nan
        return found


def test_joints_that_are_not_finite_are_not_valid(clip, tmp_path):
    with DetectionLog(tmp_path / "log", COCO_17, {}) as log:
        detect_frames(clip, BlockFinder(), Odd(), log)
        source = DetectedPeople(log)
        rows = next(source.chunks(64))
    valid = rows.keypoints.valid
    assert not valid[:, 5].any()
    assert valid[0].sum() == 16
    assert rows.keypoints.pixels.isfinite().all()
    assert source.rows == 7
    assert len(oks_sigmas(source.skeleton)) == 17


def test_chunks_do_not_change_the_rows(clip, tmp_path):
    with DetectionLog(tmp_path / "log", COCO_17, {}) as log:
        detect_frames(clip, BlockFinder(), BoxDetector(), log)
        source = DetectedPeople(log, "all")
        whole = next(source.chunks(100)).keypoints.pixels
        for size in (1, 2, 3, 10):
            chunks = list(source.chunks(size))
            assert [c.start for c in chunks] == list(range(0, source.rows, size))
            assert torch.equal(torch.cat([c.keypoints.pixels for c in chunks]), whole)


PROGRAM = """
    import resource, sys
    sys.path[:0] = {paths!r}
    from fake_detectors import BlockFinder, BoxDetector
    from fake_lifters import FlatGaussian
    from poseterior.batch.lift_frames import lift_frames
    from poseterior.data.video import open_video

    for video, out, seconds in {lifts!r}:
        lift_frames(open_video(video), BlockFinder(), BoxDetector(seconds), FlatGaussian(), out,
                    hypotheses=8)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, flush=True)
"""
LENGTHS, SIZE = (70, 170), (480, 240)


@pytest.fixture(scope="module")
def lifted_elsewhere(tmp_path_factory):
    """A process that lifts two videos, and is killed in the middle of the second's second time.

    The second video, its file, what that time was to be written to, and the process's peak memory
    in MB after each that it lifted whole.
    """
    folder = tmp_path_factory.mktemp("videos")
    short, long = (_walk(folder / f"{frames}.mp4", frames) for frames in LENGTHS)
    whole, out = folder / "whole.npz", folder / "again.npz"
    lifts = [(short, folder / "short.npz", 0), (long, whole, 0), (long, out, 0.02)]
    here = Path(__file__).parent
    names = [(str(video), str(path), seconds) for video, path, seconds in lifts]
    code = PROGRAM.format(paths=[str(here), str(here.parent)], lifts=names)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE
    )
    people = parts_folder(out) / "people.bin"
    deadline = time.monotonic() + 120
    while not (people.exists() and people.stat().st_size > 20_000):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    printed, _ = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    return long, whole, out, [int(line) for line in printed.split()]


def _walk(path, frames):
    pytest.importorskip("av", reason="reading videos needs PyAV")
    from drawn_media import write_video

    images = (draw([(5 + n, 20, 60)] if n % 50 else [], SIZE) for n in range(frames))
    return write_video(path, images, g="20", preset="ultrafast")


def test_killed_in_the_middle_it_goes_on_to_the_same_file(lifted_elsewhere):
    video, whole, out, _ = lifted_elsewhere
    assert not out.exists()
    detector = BoxDetector()
    lift_frames(open_video(video), BlockFinder(), detector, FlatGaussian(), out, hypotheses=8)
    assert 0 < detector.seen < 160  # 166 for the whole, and not again from the first
    assert not parts_folder(out).exists()
    assert out.read_bytes() == whole.read_bytes()


def test_memory_does_not_grow_with_the_length_of_a_video(lifted_elsewhere):
    *_, (short, long) = lifted_elsewhere
    # 100 frames more are 35 MB of pixels: all at once they would be seen here.
    assert long - short < 12

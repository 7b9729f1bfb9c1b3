"""Videos: order, rotation, broken frames, starting anywhere."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from drawn_media import break_frames, numbered, shown_number, turn_video, write_video
from poseterior.data.frames import FrameSource
from poseterior.data.video import open_video
from poseterior.errors import InputError

av = pytest.importorskip("av", reason="reading videos needs PyAV")

N = 50
# Container and codec; B-frames, several key frames, and raw streams that have no times.
FORMATS = {
    "mp4": ("libx264", {"g": "12", "bf": "2"}),
    "mkv": ("libx264", {"g": "12", "bf": "2"}),
    "webm": ("libvpx-vp9", {"g": "12", "deadline": "realtime"}),
    "ts": ("libx264", {"g": "12"}),
    "avi": ("libx264", {"g": "12", "bf": "2"}),
    "mpg": ("mpeg2video", {"g": "12"}),
    "h264": ("libx264", {"g": "12", "bf": "2"}),
}


@pytest.fixture(scope="module", params=FORMATS)
def clip(request, tmp_path_factory):
    codec, options = FORMATS[request.param]
    path = tmp_path_factory.mktemp("clip") / f"clip.{request.param}"
    return write_video(path, map(numbered, range(N)), codec, **options)


def digests(frames):
    return [(f.place, f.image is not None and hashlib.md5(f.image).hexdigest()) for f in frames]


def test_frames_come_one_at_a_time_in_order(clip):
    video = open_video(clip)
    assert isinstance(video, FrameSource)
    assert video.frames == N
    for place, frame in enumerate(video.read()):
        assert frame.place == frame.number == place
        assert frame.image.shape == (96, 160, 3)
        assert shown_number(frame.image) == place
    assert place == N - 1
    assert video.title(12) in {"frame 12 (0.40 s)", "frame 12"}


def test_reading_from_any_frame_gives_the_same_pictures(clip):
    video = open_video(clip)
    whole = digests(video.read())
    for start in (1, 11, 12, 13, 30, N - 1, N):
        assert digests(video.read(start)) == whole[start:]


# VP9 takes the noise of a small packet for a picture.
@pytest.mark.parametrize(
    ("kind", "spoilt"), [("mp4", {20, 21, N - 1}), ("mkv", {20, 21, N - 1}), ("webm", {20})]
)
def test_broken_frames_keep_their_place(tmp_path, kind, spoilt):
    codec, options = FORMATS[kind]
    path = write_video(tmp_path / f"clip.{kind}", map(numbered, range(N)), codec, **options)
    break_frames(path, spoilt)
    video = open_video(path)
    frames = list(video.read())
    assert [f.place for f in frames] == list(range(N))
    broken = {f.place for f in frames if f.image is None}
    assert broken >= spoilt
    assert not broken & {*range(12), *range(24, 36)}  # other groups of pictures are whole
    for frame in frames:
        if frame.place in range(12) or frame.place in range(24, 36):
            assert shown_number(frame.image) == frame.place
    for start in (15, 20, 21, 22, 40):
        assert digests(video.read(start)) == digests(frames)[start:]


def test_a_raw_stream_without_times_keeps_the_number_of_frames(tmp_path):
    path = write_video(tmp_path / "clip.avi", map(numbered, range(N)), "mpeg4", g="12")
    data = path.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data)
    break_frames(tmp_path / "cut.avi", (30,))
    frames = list(open_video(tmp_path / "cut.avi").read())
    assert [f.place for f in frames] == list(range(N))
    assert frames[30].image is None


# (x, y) stored goes to (a x + c y, b x + d y) shown, y down: ISO 14496-12, 6.2.2.
@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), ("bottom", "left")),
        ((0, 1, -1, 0), ("top", "left")),
        ((-1, 0, 0, -1), ("top", "right")),
        ((0, -1, 1, 0), ("bottom", "right")),
        ((-1, 0, 0, 1), ("bottom", "right")),
        ((1, 0, 0, -1), ("top", "left")),
        ((0, 1, 1, 0), ("top", "right")),
        ((0, -1, -1, 0), ("bottom", "left")),
    ],
)
def test_the_display_matrix_is_applied(tmp_path, matrix, corner):
    path = write_video(tmp_path / "clip.mp4", [numbered(0)] * 3)
    turn_video(path, matrix)
    image = next(open_video(path).read()).image
    assert image.shape == ((96, 160, 3) if matrix[0] else (160, 96, 3))
    # The red square, stored at the bottom left.
    rows, columns = np.nonzero((image[..., 0] > 180) & (image[..., 1] < 90))
    row, column = rows.mean() / len(image), columns.mean() / image.shape[1]
    assert ("bottom" if row > 0.5 else "top", "right" if column > 0.5 else "left") == corner


def test_a_file_that_ends_early_says_so(tmp_path):
    path = write_video(tmp_path / "whole.mp4", map(numbered, range(N)), movflags="faststart")
    whole = open_video(path)
    assert whole.facts == {"frames_per_second": 30.0}
    short = tmp_path / "short.mkv"
    write_video(short, map(numbered, range(N)), g="12")
    short.write_bytes(short.read_bytes()[: short.stat().st_size // 2])
    video = open_video(short)
    assert 0 < video.frames < N
    assert [f.place for f in video.read()] == list(range(video.frames))


@pytest.mark.parametrize("content", [b"", b"no video at all " * 50, b"\0\0\0\x20ftypisom"])
def test_a_file_that_is_no_video_is_one_error_that_names_it(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"clip\.mp4"):
        open_video(path)
    with pytest.raises(InputError, match="nowhere"):
        open_video(tmp_path / "nowhere.mp4")


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="video"):
        open_video(path)


def test_the_cover_of_a_piece_of_music_is_no_video(tmp_path):
    """It is stored as a video of one picture beside the sound."""
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16000)
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 96, 160, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(numbered(3), format="rgb24")
        container.mux(cover.encode(image.reformat(format="yuvj420p")))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        tone.sample_rate = 16000
        container.mux(sound.encode(tone))
        container.mux(sound.encode())
        container.mux(cover.encode())
    with pytest.raises(InputError, match=r"song\.m4a: expected a video, found no video stream"):
        open_video(path)


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    """As DV stores 16:9: the red square of 20 x 20 stored px is 30 px wide."""
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        frame = av.VideoFrame.from_ndarray(numbered(0), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    image = next(open_video(path).read()).image
    assert image.shape == (96, 240, 3)
    red = (image[..., 0] > 180) & (image[..., 1] < 90)
    assert np.flatnonzero(red.any(0)).size == pytest.approx(30, abs=3)
    assert np.flatnonzero(red.any(1)).size == pytest.approx(20, abs=2)


def test_a_varying_frame_rate_is_told_and_an_even_one_is_not(tmp_path):
    times = [0, 1, 2, 3, 9, 10, 11, 12]
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    video = open_video(path)
    assert [shown_number(frame.image) for frame in video.read()] == list(range(8))
    assert video.facts["steps_s"] == pytest.approx([1 / 30, 0.2], abs=1e-3)
    assert video.title(4) == "frame 4 (0.30 s)"
    for name in ("even.mp4", "even.mkv"):  # Matroska's times are rounded to ms
        even = write_video(tmp_path / name, map(numbered, range(9)))
        assert "steps_s" not in open_video(even).facts


def test_frames_of_odd_sizes(tmp_path):
    path = tmp_path / "odd.mkv"
    image = numbered(77)[:91, :157]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.height, stream.width, stream.pix_fmt = 91, 157, "yuv444p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    found = next(open_video(path).read()).image
    assert found.shape == (91, 157, 3)
    assert np.abs(found.astype(int) - image).max() <= 6


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_pictures_that_are_never_shown_are_no_frames(tmp_path, codec):
    """VP8 and VP9 store some that others only refer to."""
    path = write_video(
        tmp_path / "clip.webm", map(numbered, range(N)), codec,
        **{"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good", "cpu-used": "4"},
    )  # fmt: skip
    frames = list(open_video(path).read())
    assert [shown_number(frame.image) for frame in frames] == list(range(N))


def test_a_file_cut_anywhere_is_read_up_to_there_or_refused(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", map(numbered, range(N)), g="12", bf="2",
                        movflags="faststart")  # fmt: skip
    path, data = tmp_path / "cut.mp4", whole.read_bytes()
    seen = []
    for share in (0.1, 0.5, 0.7, 0.9, 0.99):
        path.write_bytes(data[: int(share * len(data))])
        if share < 0.2:
            with pytest.raises(InputError, match=r"cut\.mp4"):
                open_video(path)
            continue
        video = open_video(path)
        frames = list(video.read())
        assert [frame.place for frame in frames] == list(range(video.frames))
        assert video.frames + video.facts.get("missing_frames", 0) == N
        good = [f.place for f in frames if f.image is not None]
        assert all(shown_number(frames[place].image) == place for place in good[:-1])
        for start in {1, video.frames // 2, video.frames - 1} - {0}:
            assert digests(video.read(start)) == digests(frames)[start:]
        seen.append(len(good))
    assert seen == sorted(seen)
    assert seen[-1] > 40


def test_a_playlist_leads_nowhere(tmp_path):
    target = write_video(tmp_path / "clip.mp4", [numbered(1)] * 3)
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{target}'\n")
    with pytest.raises(InputError, match=r"list\.mp4"):
        open_video(playlist)

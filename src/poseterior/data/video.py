"""Videos, frame by frame: upright, in order, the broken ones kept as such."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from poseterior.data.frames import Frame, digest
from poseterior.errors import InputError, require

__all__ = ["Video", "open_video"]

_Picture = tuple[int, np.ndarray | None]  # its place, and what is seen
_UNEVEN = 1.5  # longest step between frames over the median: more is not rounding
_ASPECTS = (0.25, 4.0)  # width over height of pixels; others are slips of the writer


@dataclass(frozen=True)
class _Index:
    """What reading a file's packets without decoding them tells.

    `times` (F,) are the packets' presentation times in order, one a frame, or None where they
    cannot be trusted to name the frames: raw streams have none, AVI's are those of decoding.
    They are in units of `second` seconds.
    """

    frames: int
    times: np.ndarray | None
    second: float
    facts: dict[str, object]


class Video:
    """A video file as a `FrameSource`; see `open_video`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name, self.label = str(path), self.path.name
        self._index = _index(self.path)
        self.frames = self._index.frames

    @property
    def facts(self) -> Mapping[str, object]:
        """Frames per second, where the file tells, and what of it is missing."""
        return self._index.facts

    def place_of(self, number: int) -> int:
        """Frames are called by their place."""
        return number

    def title(self, number: int) -> str:
        """The frame and, where the file tells, how long after the first it is shown."""
        times = self._index.times
        if times is None:
            return f"frame {number}"
        return f"frame {number} ({(times[number] - times[0]) * self._index.second:.2f} s)"

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the file's name and content."""
        return digest([self.path])

    def read(self, start: int = 0) -> Iterator[Frame]:
        """Every frame from place `start` on; memory holds those that the decoder holds.

        A packet that cannot be decoded, or whose picture the decoder calls corrupt, is a
        broken frame. What comes is the same for a frame wherever reading starts.
        """
        expected = start
        for place, image in self._pictures(start):
            yield from (Frame(n, n, None) for n in range(expected, place))
            yield Frame(place, place, image)
            expected = place + 1
        yield from (Frame(n, n, None) for n in range(expected, self.frames))

    def _pictures(self, start: int) -> Iterator[_Picture]:
        if self._index.times is None:
            return self._by_order(start)
        return self._by_time(self._index.times, start)

    def _by_time(self, times: np.ndarray, start: int) -> Iterator[_Picture]:
        """Pictures named by their time."""
        for seek in (True, False) if 0 < start < len(times) else (False,):
            with _opened(self.path) as (container, stream):
                since = int(times[start]) if seek else None
                packets = _packets(container, stream, since)
                if packets is None:
                    continue  # no table, or a wrong one: decode from the beginning
                done, show = start - 1, _Shown(stream)
                for picture in filter(None, _decoded(packets)):
                    place = int(np.searchsorted(times, picture.pts))
                    if done < place < len(times) and times[place] == picture.pts:
                        yield place, show(picture)
                        done = place
                return

    def _by_order(self, start: int) -> Iterator[_Picture]:
        """Pictures counted as they come, where times say nothing."""
        with _opened(self.path) as (container, stream):
            show, pictures = _Shown(stream), _decoded(container.demux(stream))
            for place, picture in zip(range(self.frames), pictures, strict=False):
                if place >= start:
                    yield place, None if picture is None else show(picture)


def open_video(path: str | os.PathLike[str]) -> Video:
    """Open a video and count its frames, which reads the file but decodes nothing.

    Raises:
        InputError: a file that is missing, damaged from its beginning or no video, one without
            frames, or PyAV is not installed.
    """
    require(Path(path).is_file(), path, "", expected="a video file", found="no such file")
    return Video(path)


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        expected = "PyAV (pip install 'poseterior[detect]')"
        raise InputError("videos", "", expected=expected, found="not installed") from error
    return av


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its main video stream. Playlists must not lead to other files."""
    av = _av()
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except av.error.FFmpegError as error:
        found = f"a damaged or foreign file ({error.strerror})"
        raise InputError(path, "", expected="a readable video", found=found) from error
    with container:
        stream = container.streams.best("video")
        # The cover of a piece of music is stored as a video of one frame.
        moving = stream is not None and not stream.disposition & av.stream.Disposition.attached_pic
        require(moving, path, "", expected="a video", found="no video stream")
        yield container, stream


def _index(path: Path) -> _Index:
    av = _av()
    with _opened(path) as (container, stream):
        seen: list[int | None] = []
        facts: dict[str, object] = {}
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:  # neither the last, empty one
                    seen.append(packet.pts)
        except av.error.FFmpegError as error:
            facts["damaged"] = f"nothing can be read after {len(seen)} frames ({error.strerror})"
        if stream.average_rate:
            facts["frames_per_second"] = round(float(stream.average_rate), 6)
        if stream.frames > len(seen):
            facts["missing_frames"] = stream.frames - len(seen)
        require(len(seen) > 0, path, "", expected="a video with frames", found="none")
        times, second = _times(seen, stream.codec_context.has_b_frames), float(stream.time_base)
        return _Index(len(seen), times, second, facts | _unevenness(times, second))


def _times(seen: list[int | None], reorders: bool) -> np.ndarray | None:
    """Times in order, unless they are missing, not unique, or those of decoding."""
    if None in seen or len(set(seen)) < len(seen):
        return None
    times = np.array(seen, np.int64)
    rising = len(times) > 1 and bool((np.diff(times) > 0).all())
    return None if rising and reorders else np.sort(times)


def _unevenness(times: np.ndarray | None, second: float) -> dict[str, object]:
    """The shortest and longest step between frames, of a video of variable frame rate."""
    steps = np.diff(times) * second if times is not None else np.zeros(0)
    if not len(steps) or steps.max() <= _UNEVEN * np.median(steps):
        return {}
    return {"steps_s": [round(float(steps.min()), 6), round(float(steps.max()), 6)]}


def _packets(container: Any, stream: Any, time: int | None) -> Iterator[Any] | None:
    """All packets, or those from the last key frame at or before a time.

    A seek may land anywhere before the time: what is earlier is decoded and passed by. None
    where it fails, or lands behind it or not on a key frame, as in formats without a table.
    """
    packets = container.demux(stream)
    if time is None:
        return packets
    try:
        container.seek(time, stream=stream, backward=True, any_frame=False)
        first = next(packets)
    except _av().error.FFmpegError:
        return None
    begins = first.pts if first.pts is not None else first.dts
    good = first.is_keyframe and begins is not None and begins <= time
    return chain([first], packets) if good else None


def _decoded(packets: Iterator[Any]) -> Iterator[Any]:
    """Pictures in order; None for a packet that cannot be decoded and for a corrupt picture."""
    error = _av().error.FFmpegError
    while True:
        try:
            packet = next(packets, None)
        except error:  # the file is damaged from here on
            return
        if packet is None:
            return
        try:
            pictures = packet.decode()
        except error:
            pictures = [None]
        yield from (None if p is None or p.is_corrupt else p for p in pictures)


class _Shown:
    """Makes of pictures what is to be shown of them."""

    def __init__(self, stream: Any) -> None:
        aspect = float(stream.sample_aspect_ratio or 1)
        self._aspect = aspect if _ASPECTS[0] < aspect < _ASPECTS[1] else 1.0
        self._displays: dict[int, tuple[float, float, float, float]] = {}

    def __call__(self, picture: Any) -> np.ndarray:
        """(h, w, 3) uint8 RGB of square pixels, turned and mirrored as the file says."""
        image = picture.to_ndarray(format="rgb24", width=round(picture.width * self._aspect))
        # A picture whose side data were looked at is not freed until Python collects garbage.
        turn = picture.rotation
        if turn not in self._displays:
            self._displays[turn] = _display(picture)
        a, b, c, d = self._displays[turn]
        if abs(b) > abs(a):
            image, a, d = image.transpose(1, 0, 2), c, b
        return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _display(picture: Any) -> tuple[float, float, float, float]:
    """a, b, c, d: what is stored at (x, y) is shown at (a x + c y, b x + d y)."""
    try:
        told = picture.side_data.get("DISPLAYMATRIX")
    except ValueError:  # an entry that is new to PyAV, which then gives none of them
        turn = math.radians(picture.rotation)
        return math.cos(turn), -math.sin(turn), math.sin(turn), math.cos(turn)
    if told is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = np.frombuffer(told, np.int32).tolist()
    return a, b, c, d

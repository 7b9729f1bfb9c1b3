"""Rows for the frames of a clip in which a person of it was not found, that they can be filled.

A file lifted from a video says "nobody" (a row with `person` -1 that is not valid) of a frame in
which no one was found, and nothing at all of one that is missing beside others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from poseterior.batch.tracks import Track, numbered

__all__ = ["with_missing_frames"]

_NOBODY = -1


def with_missing_frames(
    tracks: Iterable[Track], labels: Mapping[str, np.ndarray], measured: np.ndarray
) -> tuple[list[Track], int]:
    """Tracks with a row for every frame between their ends that the file has of their clip.

    A row of nobody becomes the first track's that wants it. Where none is left, a row is added
    after those of the file, but not to a clip with one row a frame: that stays one. Frames that
    the file does not have, as of a video of which every fifth was lifted, are not made up.

    Args:
        tracks: of a file.
        labels: `frame`, and `clip` and `person` where known, (M,) each.
        measured: (M,) bool.

    Returns:
        The tracks, and the number of rows in all, at least M.
    """
    total = len(measured)
    if "person" not in labels:
        return list(tracks), total
    clip = numbered(labels["clip"]) if "clip" in labels else np.zeros(total, int)
    order = np.argsort(clip, kind="stable")
    ends = np.searchsorted(clip[order], np.arange(1, clip.max() + 1))
    person = labels["person"]
    free = ~measured & (person == _NOBODY) if person.dtype.kind == "i" else np.zeros(total, bool)
    clips = [_Clip(rows, labels["frame"], free) for rows in np.split(order, ends)]
    whole = []
    for track in tracks:
        rows, frames, total = clips[clip[track.rows[0]]].places(track, total)
        whole.append(_joined(track, rows, frames))
    return whole, total


class _Clip:
    """The frames that a file has of a clip, and its rows of nobody."""

    def __init__(self, rows: np.ndarray, frame: np.ndarray, free: np.ndarray) -> None:
        self._frames, count = np.unique(frame[rows], return_counts=True)
        self._crowded = bool(count.max() > 1)
        nobody = rows[free[rows]]
        self._nobody = dict(zip(frame[nobody].tolist(), nobody.tolist(), strict=True))

    def places(self, track: Track, total: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Rows for the frames that a track lacks, these frames, and the rows there are then."""
        first, last = np.searchsorted(self._frames, track.frames[[0, -1]])
        lost = np.setdiff1d(self._frames[first:last], track.frames, assume_unique=True)
        rows = np.array([self._nobody.pop(number, -1) for number in lost.tolist()], int)
        new = np.flatnonzero(rows < 0)
        if not self._crowded:
            return np.delete(rows, new), np.delete(lost, new), total
        rows[new] = total + np.arange(len(new))
        return rows, lost, total + len(new)


def _joined(track: Track, rows: np.ndarray, frames: np.ndarray) -> Track:
    """The track with these rows in their places."""
    if not len(rows):
        return track
    frames = np.concatenate([track.frames, frames])
    rows = np.concatenate([track.rows, rows])
    measured = np.concatenate([track.measured, np.zeros(len(rows) - len(track), bool)])
    return Track(rows, frames, measured, track.fps).part(np.argsort(frames))

"""`DetectedPeople`: a detection log's people, tracked and chosen, as a `KeypointSource`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from poseterior.batch.tracker import Tracker
from poseterior.data.assumptions import FOCAL_OVER_LONGER_SIDE, camera_matrix
from poseterior.data.detection_log import DetectionLog, keypoints_of, nobody
from poseterior.data.keypoint_files.table import box_area
from poseterior.data.keypoint_source import ObservationRows
from poseterior.errors import require

__all__ = ["DetectedPeople", "Survey", "check_choice"]

_BROKEN_LISTED = 10
_GROUPS = ("largest", "all")


@dataclass
class Survey:
    """What a log holds, in numbers.

    Attributes:
        frames: of the source.
        seen: for each track, by its number, in how many frames it is.
        rows: people of all frames, and one for each frame with nobody.
        empty: frames with nobody in them, broken ones not counted.
        broken: frames that cannot be read; `broken_numbers` are the first of them.
        joints: valid ones of all people; `doubtful` of them were seen in no single place.
        focal: lowest and highest focal length in px that frames tell; `told` is how many do.
    """

    frames: int = 0
    rows: int = 0
    empty: int = 0
    broken: int = 0
    joints: int = 0
    doubtful: int = 0
    told: int = 0
    focal: tuple[float, float] = (np.inf, -np.inf)
    broken_numbers: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    @property
    def people(self) -> int:
        """Tracks; their numbers are 0 to `people` - 1."""
        return len(self.seen)

    @property
    def exif_focal(self) -> str:
        """The focal lengths that frames tell, in words."""
        low, high = (f"{focal:.0f}" for focal in self.focal)
        return f"{low if low == high else f'{low} to {high}'} px"

    def add(self, rows: np.ndarray, people: np.ndarray) -> None:
        """Count a frame."""
        self.frames, self.rows = self.frames + 1, self.rows + len(rows)
        for person in people[people >= 0].tolist():
            self.seen.extend([0] * (person + 1 - len(self.seen)))
            self.seen[person] += 1
        self.joints += int(rows["valid"].sum())
        self.doubtful += int(rows["doubtful"].sum())
        if rows["broken"][0]:
            self.broken += 1
            if self.broken <= _BROKEN_LISTED:
                self.broken_numbers.append(int(rows["number"][0]))
        elif people[0] < 0:
            self.empty += 1
        focal = float(rows["focal"][0])
        if np.isfinite(focal):
            self.told += 1
            self.focal = min(focal, self.focal[0]), max(focal, self.focal[1])


def check_choice(person: str | int, focal: float | None) -> None:
    """`InputError` for a `person` or a focal length that cannot be, whoever is found."""
    good = focal is None or 0 < focal < np.inf
    require(good, "focal", "", expected="positive and finite px", found=focal)
    known = person in _GROUPS or str(person).isdecimal()
    expected = "largest, all or a person's number, 0 or above"
    require(known, "person", "", expected=expected, found=repr(person))


class DetectedPeople:
    """The people of a log's frames in order, with their cameras.

    The principal point is the image's centre; the focal length the one given, else the frame's
    own, else assumed, as `notes` say. A frame without the person keeps its place: one row, no
    joint valid. Tracks are made anew in every pass: memory holds one chunk.

    Args:
        log: of all frames.
        person: "largest", in each frame the person whose valid joints have the box of largest
            area, labelled with the number of their track, -1 where there is nobody; "all", a
            row for each person by number, and one, -1, for a frame with nobody; or the number
            of a track, one row a frame.
        focal: in px, before the frames' own.
        name: what messages call the source.
        clip: the rows' label.

    Raises:
        InputError: `person` is none of these, or a focal length that is not positive.
    """

    def __init__(
        self,
        log: DetectionLog,
        person: str | int = "largest",
        focal: float | None = None,
        name: str = "images",
        clip: str = "images",
    ) -> None:
        check_choice(person, focal)
        self._log, self._focal, self._clip = log, focal, clip
        self.name, self.skeleton = name, log.skeleton
        self.survey = Survey()
        for rows, people in self._tracked():
            self.survey.add(rows, people)
        require(self.survey.frames > 0, name, "", expected="at least one frame", found="none")
        self._person = self._chosen(person)
        self.rows = self.survey.rows if self._person == "all" else self.survey.frames
        self.notes = self._notes()

    def _chosen(self, person: str | int) -> str | int:
        if person in _GROUPS:
            return person
        number, people = int(person), self.survey.people
        expected = f"largest, all or a person's number, 0 to {people - 1}"
        require(not people or number < people, "person", "", expected=expected, found=number)
        return number

    def _notes(self) -> dict[str, str]:
        if self._focal is not None:
            return {}
        assumed = f"{FOCAL_OVER_LONGER_SIDE:g} times the image's longer side"
        told, readable = self.survey.told, self.survey.frames - self.survey.broken
        if not told:
            return {"focal": assumed}
        some = f"{assumed} in {readable - told} of {readable} images, whose EXIF tells none"
        return {"focal": some} if told < readable else {}

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the detections, the person or the camera."""
        text = f"{self._log.fingerprint()} {self._person} {self._focal} {self._clip}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def chunks(self, rows: int) -> Iterator[ObservationRows]:
        """Consecutive rows, `rows` at a time, the last chunk maybe fewer."""
        start, waiting, numbers = 0, [], []
        count = 0
        for records, people in self._tracked():
            chosen, who = self._choose(records, people)
            waiting.append(chosen)
            numbers.append(who)
            count += len(chosen)
            while count >= rows:
                joined, ids = np.concatenate(waiting), np.concatenate(numbers)
                yield self._observed(joined[:rows], ids[:rows], start)
                waiting, numbers = [joined[rows:]], [ids[rows:]]
                start, count = start + rows, count - rows
        if count:
            yield self._observed(np.concatenate(waiting), np.concatenate(numbers), start)

    def _tracked(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each frame's records and the numbers of their tracks, -1 for nobody."""
        tracker = Tracker()
        for rows in self._log.by_frame():
            if rows["person"][0] < 0:
                yield rows, np.array([-1])
                continue
            boxes = torch.from_numpy(rows["box"].copy())
            place = int(rows["place"][0])
            people = tracker.update(place, boxes, keypoints_of(rows, self.skeleton))
            order = people.argsort()
            yield rows[order], people[order]

    def _choose(self, rows: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._person == "all":
            return rows, people
        if self._person == "largest":
            one = int(box_area(keypoints_of(rows, self.skeleton)).argmax())
            return rows[one : one + 1], people[one : one + 1]
        here = rows[people == self._person]
        return here if len(here) else nobody(rows), np.array([self._person])

    def _observed(self, rows: np.ndarray, people: np.ndarray, start: int) -> ObservationRows:
        keypoints = keypoints_of(rows, self.skeleton)
        assert keypoints.image_size is not None
        camera = camera_matrix(keypoints.image_size, self._focal)
        own = torch.from_numpy(rows["focal"].copy()).to(camera)
        if self._focal is None:
            known = torch.where(own.isfinite(), own, camera[:, 0, 0])
            camera[:, 0, 0] = camera[:, 1, 1] = known
        labels = {
            "clip": np.full(len(rows), self._clip),
            "frame": rows["number"].astype(np.int64),
            "person": people.astype(np.int64),
        }
        return ObservationRows(start, replace(keypoints, intrinsics=camera), None, labels)

"""2D keypoints of other tools as one labelled table; one source a file."""

from __future__ import annotations

from poseterior.data.keypoint_files.reading import FORMATS, read_keypoints
from poseterior.data.keypoint_files.table import KeypointTable, select_person

__all__ = ["FORMATS", "KeypointTable", "read_keypoints", "select_person"]

"""People and detections in COCO's format, as arrays that confidences are scored and fitted on."""

from __future__ import annotations

from poseterior.data.coco.people import CocoPeople, read_people
from poseterior.data.coco.results import CocoResults, read_results, write_results

__all__ = ["CocoPeople", "CocoResults", "read_people", "read_results", "write_results"]

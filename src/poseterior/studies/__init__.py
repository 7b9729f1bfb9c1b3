"""One question of a paper a file; `STUDIES` maps the name of each to it."""

from __future__ import annotations

from poseterior.studies.ambiguous import AMBIGUOUS
from poseterior.studies.study import Study
from poseterior.studies.table1 import TABLE1

__all__ = ["STUDIES"]

STUDIES: dict[str, Study] = {study.name: study for study in (TABLE1, AMBIGUOUS)}

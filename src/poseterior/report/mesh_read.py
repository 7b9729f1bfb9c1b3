"""`read_mesh`: what a page on bodies tells of the file that they are in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from poseterior.batch.mesh_people import BodyPerson
from poseterior.batch.provenance import made_by
from poseterior.keypoints import Keypoints
from poseterior.meshes.mesh_files import BodiesFile
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.report.mesh_page import MeshReport

__all__ = ["read_mesh"]


def read_mesh(
    path: str | os.PathLike[str],
    name: str,
    body: SkinnedBody,
    people: Sequence[BodyPerson],
    keypoints: Sequence[Keypoints],
    notes: Sequence[str] = (),
) -> MeshReport:
    """The page of people from a file of bodies.

    Args:
        path: of the file.
        name: what the page calls the input.
        body: that the file's parameters are of.
        people: to show, see `people_of`.
        keypoints: theirs, see `observed_rows`.
        notes: what to know before trusting it.
    """
    with BodiesFile(path, body) as file:
        made: Any = made_by(file.provenance)
        many = "1 hypothesis" if file.hypotheses == 1 else f"{file.hypotheses} hypotheses"
        facts = [f"{file.people} rows", f"{many} each"]
    made = made if isinstance(made, dict) else {}
    facts += [f"body {body.name}, {body.vertex_count:,} vertices"]
    facts += [str(made[key]) for key in ("lifter", "source") if made.get(key)]
    return MeshReport(name, body, people, keypoints, facts, notes, made)

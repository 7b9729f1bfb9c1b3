"""Meshes and the page of `poseterior mesh`, of the bodies that it has written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseterior.errors import require

if TYPE_CHECKING:
    from poseterior.batch.mesh_frames import BodyFrames
    from poseterior.data.keypoint_source import KeypointSource
    from poseterior.meshes.skinned_body import SkinnedBody
    from poseterior.posterior import Lifter

__all__ = ["show"]

_MOST_EXPORTED = 200
_SHOWN = 6
_Mesh = Any  # `poseterior.cli.mesh.Mesh`, whose file imports this one


def show(
    command: _Mesh,
    source: KeypointSource,
    body: SkinnedBody,
    lifter: Lifter,
    asked: list[range] | None,
    notes: Mapping[str, str],
) -> None:
    """Write what has a path: GLB, OBJ, the page; say which people they show."""
    if command.glb is None and command.obj is None and command.report is None:
        return
    from poseterior.batch.mesh_frames import body_frames
    from poseterior.batch.mesh_people import observed_rows, people_of
    from poseterior.cli.reporting import naming
    from poseterior.report.mesh_page import write_mesh_report
    from poseterior.report.mesh_read import read_mesh

    there = body_frames(command.out, body)
    rows = None if asked is None else there.asked(asked)
    how = (body, lifter.skeleton)
    count = (command.representatives, command.seed)
    if command.glb is not None or command.obj is not None:
        exported = _exported(there, rows)
        _export(command, people_of(command.out, *how, exported, *count), body)
    if command.report is not None:
        shown = there.spread(there.rows if rows is None else rows, _SHOWN)
        people = people_of(command.out, *how, shown, *count)
        seen = list(observed_rows(source, shown, lifter.skeleton))
        told = [f"Assumed {subject}: {text}" for subject, text in notes.items()]
        with naming(command.report):
            page = read_mesh(command.out, command.input.name, body, people, seen, told)
            write_mesh_report(command.report, page)


def _exported(there: BodyFrames, rows: Any) -> Any:
    """The rows whose meshes are written; told where they are not all."""
    chosen = there.first() if rows is None else rows
    require(
        len(chosen) <= _MOST_EXPORTED, "--frames", "",
        expected=f"at most {_MOST_EXPORTED} people to write meshes of", found=len(chosen),
    )  # fmt: skip
    if rows is None and len(chosen) < len(there.rows):
        frames = f"frame {there.frames[0]} of {there.frames[0]} to {there.frames[-1]}"
        print(f"meshes: of {frames}; --frames writes others")
    return chosen


def _export(command: _Mesh, people: Sequence[Any], body: SkinnedBody) -> None:
    from poseterior.batch.mesh_meshes import spread_limits, write_glbs, write_objs

    meshes = sum(len(person.shares) for person in people)
    limit = 1000 * spread_limits(people)[1]
    who = f"{meshes} meshes of {len(people)} {'person' if len(people) == 1 else 'people'}"
    for path, write in ((command.glb, write_glbs), (command.obj, write_objs)):
        if path is not None:
            written = write(path, people, body)
            files = "" if written == [Path(path)] else f" in {len(written)} files"
            print(f"{path}: {who}{files}, coloured from 0 to {limit:.0f} mm of spread")

"""Representatives of people as meshes in files, coloured by how uncertain each vertex is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from poseterior.batch.mesh_people import BodyPerson
from poseterior.data.npz_writer import make_folder
from poseterior.errors import InputError
from poseterior.meshes.body import Body
from poseterior.meshes.mesh_export import write_glb, write_obj
from poseterior.meshes.vertex_spread import spread_colours

__all__ = ["is_glb_file", "spread_limits", "write_glbs", "write_objs"]

_LEAST_M = 1e-3


def is_glb_file(path: str | os.PathLike[str]) -> bool:
    """Whether a path means one file, and not a folder of files."""
    return Path(path).suffix.lower() == ".glb"


def spread_limits(people: Sequence[BodyPerson]) -> tuple[float, float]:
    """Metres of the darkest and the lightest colour, the same for all people shown together.

    At least a millimetre apart: a single hypothesis has no spread.
    """
    return 0.0, max(_LEAST_M, *(float(person.spread.max()) for person in people))


def write_glbs(
    path: str | os.PathLike[str], people: Sequence[BodyPerson], body: Body
) -> list[Path]:
    """One GLB of all people, where the path ends in `.glb`; else one for each in that folder.

    Every representative is a node of its own, named by its person, frame, number and weight.
    Files appear all together when the last is done, or none of them does.
    """
    drawn = [_drawn(person, body, spread_limits(people)) for person in people]
    if not is_glb_file(path):
        return _into_folder(path, [(f"{one.stem}.glb", one) for one in drawn], _write_glb)
    every = _Drawn(
        torch.cat([one.vertices for one in drawn]), torch.cat([one.colours for one in drawn]),
        body.faces, [name for one in drawn for name in one.names],
    )  # fmt: skip
    _write_glb(Path(path), every)
    return [Path(path)]


def write_objs(
    path: str | os.PathLike[str], people: Sequence[BodyPerson], body: Body
) -> list[Path]:
    """One OBJ for each representative, in a folder; all or none, as `write_glbs`."""
    limits = spread_limits(people)
    files = [
        (f"{name}.obj", _Drawn(one.vertices[k : k + 1], one.colours[k : k + 1], one.faces, [name]))
        for person in people
        for one in [_drawn(person, body, limits)]
        for k, name in enumerate(one.names)
    ]
    return _into_folder(path, files, _write_obj)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Meshes (N, V, 3), their colours (N, V, 3), faces (F, 3) and N names."""

    vertices: Tensor
    colours: Tensor
    faces: Tensor
    names: list[str]

    @property
    def stem(self) -> str:
        """What the names of one person's meshes begin with."""
        return self.names[0].rpartition("_r")[0]


@torch.no_grad()
def _drawn(person: BodyPerson, body: Body, limits: tuple[float, float]) -> _Drawn:
    colours, _ = spread_colours(person.spread, limits)
    vertices = body.vertices(person.representatives)
    return _Drawn(vertices, colours.expand_as(vertices), body.faces, person.mesh_names)


def _write_glb(path: Path, one: _Drawn) -> None:
    write_glb(path, one.vertices, one.faces, one.colours, one.names)


def _write_obj(path: Path, one: _Drawn) -> None:
    write_obj(path, one.vertices, one.faces, one.colours, one.names)


def _into_folder(
    path: str | os.PathLike[str],
    files: Sequence[tuple[str, _Drawn]],
    write: Callable[[Path, _Drawn], None],
) -> list[Path]:
    """Files by name, written beside the folder first and moved into it when all are done."""
    folder = Path(path).absolute()
    make_folder(folder.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            for name, one in files:
                write(Path(temporary) / name, one)
            make_folder(folder)
            for name, _ in files:
                os.replace(Path(temporary) / name, folder / name)
    except OSError as error:
        expected, found = "a folder that can be written", error.strerror or error
        raise InputError(path, "", expected=expected, found=found) from error
    return [Path(path) / name for name, _ in files]

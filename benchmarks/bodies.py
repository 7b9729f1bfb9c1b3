"""Forward of the reduced Anny body against that of Anny's own package, batch 64.

    python benchmarks/bodies.py [--batch 64] [--rounds 15] [--calls 1]

Both run on the same phenotypes and rotations, in float32 without gradients, in turns on one
machine; a row is the median over the rounds of the mean time of some calls. `landmarks` are
the 17 of COCO: ours make no mesh for them, the package's regressor needs its vertices and
the full topology. Needs the extra `[mesh]`. The package is measured with both of its ways of
linear blend skinning, on torch (`lbs`) and, its default, on warp (`warp_lbs`).
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import COCO_17
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.models.anny_package import coco_regressor, open_anny
from poseterior.meshes.models.anny_reduction import BONES
from poseterior.meshes.models.anny_shape import PhenotypeShapes

Calls = dict[str, Callable[[], object]]


def people(body: SkinnedBody, batch: int) -> BodyParameters:
    """Random poses and shapes, float32."""
    draw = torch.Generator().manual_seed(0)
    turns = 0.5 * torch.randn((batch, len(body.tree), 3), generator=draw)
    return BodyParameters.of(from_axis_angle(turns), torch.randn((batch, 6), generator=draw))


def pose_of(model: Any, p: BodyParameters) -> Tensor:
    """(B, bones, 4, 4) for the package: the same rotations, other bones at rest."""
    pose = torch.eye(4).repeat(len(p.betas), model.bone_count, 1, 1)
    bones = [model.bone_labels.index(bone) for bone in BONES.values()]
    pose[:, bones, :3, :3] = p.rotations
    return pose


def package(topology: str, skinning: str) -> Any:
    """The package's own model."""
    model = open_anny(topology).float()
    model.set_skinning_method(skinning)
    return model


def calls(topology: str, batch: int) -> Calls:
    """What is timed, by name."""
    body, lbs, warp = anny_body(topology), package(topology, "lbs"), package(topology, "warp_lbs")
    p = people(body, batch)
    assert isinstance(body.coefficients, PhenotypeShapes)
    pose, phenotypes = pose_of(lbs, p), body.coefficients.phenotypes(p.betas)
    timed: Calls = {
        "vertices": lambda: body.vertices(p),
        "vertices, package lbs": lambda: lbs(pose, phenotypes)["vertices"],
        "vertices, package warp_lbs": lambda: warp(pose, phenotypes)["vertices"],
        "landmarks": lambda: body.landmarks_of(p, COCO_17),
    }
    if topology == "default":
        regressor = coco_regressor(lbs, COCO_17.joints)
        timed["landmarks, package lbs"] = lambda: regressor @ lbs(pose, phenotypes)["vertices"]
    return timed


@torch.inference_mode()
def medians(timed: Calls, rounds: int, repeats: int) -> dict[str, float]:
    """Milliseconds of a call of each, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for call in timed.values():  # the first call prepares
        call()
    for _ in range(rounds):
        for name, call in timed.items():
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            taken[name].append(1e3 * (time.perf_counter() - start) / repeats)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=1)
    args = parser.parse_args()
    timed = {topology: calls(topology, args.batch) for topology in ("light", "default")}
    print(f"torch {torch.__version__}, {platform.machine()}, batch {args.batch}, float32\n")
    print("| topology | what | threads | ms | times ours |\n|---|---|---|---|---|")
    for topology, each in timed.items():
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for name, ms in (found := medians(each, args.rounds, args.calls)).items():
                ratio = ms / found[name.split(",")[0]]
                print(f"| {topology} | {name} | {threads} | {ms:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()

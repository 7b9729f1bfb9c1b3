"""How fast a body of SMPL's size is skinned, beside its matrix products alone.

    python benchmarks/skinning.py [--bodies 1 16 64 256] [--repeats 15] [--threads N]

All ways take turns; medians are printed, of processor time for one thread (which other programs
disturb less) and of wall time for several, and of ratios to the floor's in the same turn.

- floor: only the products that any exact way needs, on the same tensors, into buffers that are
  there already: shape and pose blend shapes as one product (B, 217) x (217, 3 V), the blend of
  transforms (12, 24) x (24, V) of each body, and its application to the vertices, a sum of three
  products and a term, by row and coordinate. Four bodies at a time for each thread after
  the first product, for what lies between the steps then stays in a core's cache. No kinematics,
  no checks of input, no translation, no memory to be had.
- vertices: `body.vertices`, from rotation matrices, with no gradient.
- usual: as it is often written, by einsum over (V, 3) and 4 x 4 matrices.
- products in order: the same products as the floor's, each over all bodies at once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import SMPL_24
from poseterior.meshes import BodyArrays, BodyParameters, SkinnedBody
from poseterior.meshes.skinning import bone_transforms

Way = Callable[[], object]
VERTICES, BETAS = 6890, 10
CHUNK = 4  # bodies of the floor, by each thread: the fastest number of 1, 2, 4, 8


def made_body() -> SkinnedBody:
    """Random numbers of SMPL's size."""
    draw = torch.Generator().manual_seed(0)
    joints = len(SMPL_24)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    arrays = BodyArrays(
        template=normal(VERTICES, 3),
        shapes=0.01 * normal(BETAS, VERTICES, 3),
        heads=normal(joints, 3),
        head_shapes=0.01 * normal(BETAS, joints, 3),
        weights=(4 * normal(VERTICES, joints)).softmax(1),
        tree=SMPL_24,
        faces=torch.randint(VERTICES, (13776, 3), generator=draw),
        betas=BETAS,
        corrections=0.001 * normal(9 * (joints - 1), VERTICES, 3),
    )
    return SkinnedBody("made", arrays)


def made_parameters(bodies: int) -> BodyParameters:
    """Bodies of any pose and shape."""
    draw = torch.Generator().manual_seed(1)
    turns = torch.randn((bodies, len(SMPL_24), 3), generator=draw)
    betas = torch.randn((bodies, BETAS), generator=draw)
    return BodyParameters.of(from_axis_angle(turns), betas, torch.randn((bodies, 3)))


class Pieces:
    """Tensors that the ways share: blend shapes in both layouts, weights and transforms."""

    def __init__(self, body: SkinnedBody, p: BodyParameters) -> None:
        feature = (p.body_pose - torch.eye(3)).flatten(1)
        self.known = torch.cat([p.betas, feature], 1)  # (B, 217)
        self.template, self.weights, self.transl = body.template, body.weights, p.transl
        self.blend = body.blend  # (217, 3 V)
        heads = (body.heads + p.betas @ body.head_shapes).unflatten(1, (-1, 3))
        linear, translation = bone_transforms(p.rotations, heads, body.tree)
        self.transforms = torch.cat([linear, translation[..., None]], -1)  # (B, 24, 3, 4)
        self.rows = self.transforms.permute(0, 2, 3, 1).flatten(1, 2).contiguous()  # (B, 12, 24)


def floor(piece: Pieces) -> Way:
    """The products, into buffers."""
    points = torch.empty(len(piece.known), 3 * VERTICES)
    posed = torch.empty(len(points), 3, VERTICES)
    size = CHUNK * torch.get_num_threads()
    blended = torch.empty(size, 3, 4, VERTICES)

    def run() -> Tensor:
        torch.addmm(piece.template, piece.known, piece.blend, out=points)
        parts = (x.split(size) for x in (piece.rows, points.view_as(posed)[:, None], posed))
        for moves, at_rest, out in zip(*parts, strict=True):
            rows = blended[: len(moves)]
            torch.mm(moves.view(-1, len(SMPL_24)), piece.weights, out=rows.view(-1, VERTICES))
            torch.addcmul(rows[:, :, 3], rows[:, :, 0], at_rest[:, :, 0], out=out)
            for i in (1, 2):
                out.addcmul_(rows[:, :, i], at_rest[:, :, i])
        return posed

    return run


def products_in_order(piece: Pieces) -> Tensor:
    """The products over all bodies at once."""
    points = torch.addmm(piece.template, piece.known, piece.blend).unflatten(1, (3, 1, -1))
    rows = (piece.rows @ piece.weights).unflatten(1, (3, 4))
    posed = sum(rows[:, :, i] * points[:, i] for i in range(3)) + rows[:, :, 3]
    return posed.mT + piece.transl[:, None]


def usual(piece: Pieces) -> Callable[[], Tensor]:
    """Over (V, 3) and homogeneous coordinates."""
    template = piece.template.view(3, -1).T.contiguous()
    by_vertex = piece.blend.unflatten(1, (3, -1)).permute(2, 1, 0).contiguous()  # (V, 3, 217)
    weights = piece.weights.T.contiguous()  # (V, 24)
    shapes, corrections = by_vertex[..., :BETAS], by_vertex[..., BETAS:]
    last = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(*piece.transforms.shape[:2], 1, 4)
    square = torch.cat([piece.transforms, last], 2)

    def run() -> Tensor:
        points = template + torch.einsum("bl,vcl->bvc", piece.known[:, :BETAS], shapes)
        points = points + torch.einsum("bl,vcl->bvc", piece.known[:, BETAS:], corrections)
        blended = torch.einsum("vk,bkxy->bvxy", weights, square)
        homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], -1)
        posed = (blended @ homogeneous[..., None])[..., :3, 0]
        return posed + piece.transl[:, None]

    return run


def measure(ways: dict[str, Way], repeats: int) -> dict[str, list[float]]:
    """Seconds of ways that take turns, after one unmeasured turn."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            start = clock()
            way()
            taken[name].append(clock() - start)
    return {name: times[1:] for name, times in taken.items()}


def print_times(bodies: int, taken: dict[str, list[float]]) -> None:
    """A line for each way."""
    for name, times in taken.items():
        seconds = statistics.median(times)
        ratios = (a / b for a, b in zip(times, taken["floor"], strict=True))
        each, ratio = 1e6 * seconds / bodies, statistics.median(ratios)
        print(f"{bodies:6d}  {name:18s} {1e3 * seconds:8.2f} {each:10.0f} {ratio:13.2f}")


def ways_of(body: SkinnedBody, bodies: int) -> dict[str, Way]:
    """All ways, that give the same vertices."""
    p = made_parameters(bodies)
    piece = Pieces(body, p)
    ways: dict[str, Way] = {
        "floor": floor(piece),
        "vertices": lambda: body.vertices(p),
        "usual": usual(piece),
        "products in order": lambda: products_in_order(piece),
    }
    vertices = body.vertices(p)
    for name, way in ways.items():
        found = way().mT + p.transl[:, None] if name == "floor" else way()
        torch.testing.assert_close(found, vertices, atol=1e-4, rtol=1e-4)
    return ways


@torch.no_grad()
def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bodies", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--repeats", type=int, default=15, help="three times as many of one body")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    body = made_body()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()}")
    print(f"{'bodies':>6s}  {'way':18s} {'ms':>8s} {'us a body':>10s} {'of the floor':>13s}")
    for bodies in given.bodies:
        repeats = given.repeats * (3 if bodies == 1 else 1)
        print_times(bodies, measure(ways_of(body, bodies), repeats))


if __name__ == "__main__":
    main()

"""The area of a person over the square of their height: what stands for MPII's missing areas.

    python benchmarks/mpii_area.py --root CMU --cache poses [--people 1000] [--body anny_light]

Bodies of random shape in poses of motion capture, before cameras all around them as in `poseterior
render`, seen from far away with nothing before them. Their height is that of the same body at
rest, upright. MPII's `scale` is a height over 200 px, and `poseterior.data.mpii.AREA` about the mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from poseterior.geometry.skeleton import H36M_17
from poseterior.meshes.bodies import open_body
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.rendering.poses import poses_for
from poseterior.meshes.rendering.random_scene import draw_people
from poseterior.meshes.skinned_body import SkinnedBody

PIXELS = 200.0  # of a metre


def silhouette(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Square metres of vertices (V, 3), metres, seen along their third axis."""
    points = (vertices[:, :2] - vertices[:, :2].min(0)) * PIXELS
    width, height = (int(side) + 2 for side in points.max(0))
    image = Image.new("1", (width, height))
    draw = ImageDraw.Draw(image)
    for corner in points[faces]:
        draw.polygon([(x, y) for x, y in corner], fill=1)
    # A polygon's own border is drawn too: half a pixel of the outline is too much.
    filled = np.asarray(image)
    inner = filled[1:-1, 1:-1] & filled[:-2, 1:-1] & filled[2:, 1:-1]
    inner &= filled[1:-1, :-2] & filled[1:-1, 2:]
    return float(filled.sum() + inner.sum()) / 2 / PIXELS**2


def height(body: SkinnedBody, betas: torch.Tensor) -> float:
    """Metres from the lowest to the highest point of a body at rest, along its spine."""
    rest = BodyParameters.of(torch.eye(3).expand(1, len(body.tree), 3, 3), betas)
    vertices, joints = body.vertices(rest)[0], body.landmarks_of(rest, H36M_17)[0]
    up = joints[H36M_17.index("thorax")] - joints[H36M_17.index("pelvis")]
    along = vertices @ (up / up.norm())
    return float(along.max() - along.min())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--body", default="anny_light")
    options = parser.parse_args()
    body = open_body(options.body)
    rotations = poses_for(open_body("anny_light"), options.root, options.cache).rotations["train"]
    faces, shares, heights = body.faces.numpy(), [], []
    for number in range(options.people):
        draw = draw_people(rotations, body, (0, number))
        posed = BodyParameters.of(draw.rotations[:1], draw.betas[:1])
        heights.append(height(body, draw.betas[:1]))
        area = silhouette(body.vertices(posed)[0].numpy(), faces)
        shares.append(area / heights[-1] ** 2)
    low, middle, high = np.quantile(shares, [0.05, 0.5, 0.95])
    print(f"{len(shares)} people of {np.mean(heights):.2f} m on average")
    print(
        f"area / height²: mean {np.mean(shares):.3f}, standard deviation {np.std(shares):.3f}; "
        f"quantiles of 5, 50 and 95 %: {low:.3f}, {middle:.3f}, {high:.3f}"
    )


if __name__ == "__main__":
    with torch.no_grad():
        main()

"""What it takes to fit one person from 25 representatives, on the light body of Anny.

    python benchmarks/fitting.py [--starts 25] [--repeats 3] [--threads 1 2] [--run RUN] [--seed 0]

Two priors take turns: `prohmr` (that of RUN, or an untrained one of the small size whose flow has
the mean and width of made-up poses), and the generic one. People are drawn from such poses, 2 px of
noise on 17 keypoints; representatives are K-means of 200 draws of the prior, by their joints.
Printed: median wall and processor seconds of fitting all representatives side by side, without
choosing them, and the root mean square error of the keypoints before and after, px: of the
median representative, and of the best.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor

from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import H36M_17
from poseterior.keypoints import Keypoints
from poseterior.meshes.fitting.fitting import FittedBodies, fit_body
from poseterior.meshes.fitting.fitting_prior import BodyPrior
from poseterior.meshes.fitting.flow_prior import FlowPrior
from poseterior.meshes.fitting.generic_prior import GenericPrior
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.prohmr import ProHMR
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.quantization import quantized
from poseterior.training.checkpoint import load_lifter

_FACING = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
_BEND, _HEADING = 0.25, 0.5  # radians


def people(body: SkinnedBody, count: int, draw: torch.Generator) -> BodyParameters:
    """Bodies of made-up poses about 4 m in front of the camera."""
    turns = _BEND * torch.randn((count, len(body.tree), 3), generator=draw)
    turns[:, 0, 1] *= _HEADING / _BEND
    rotations = from_axis_angle(turns)
    rotations[:, 0] = _FACING @ rotations[:, 0]
    place = 0.2 * torch.randn((count, 3), generator=draw) + torch.tensor([0.0, 0.0, 4.0])
    betas = 0.5 * torch.randn((count, body.betas), generator=draw)
    return BodyParameters.of(rotations, betas, place - body.root_at_rest(betas))


def seen(body: SkinnedBody, bodies: BodyParameters, draw: torch.Generator) -> Keypoints:
    """Keypoints with 2 px of noise."""
    joints = body.landmarks_of(bodies, H36M_17)
    pixels = 1150 * joints[..., :2] / joints[..., 2:] + 500
    pixels = pixels + 2 * torch.randn(pixels.shape, generator=draw)
    matrix = torch.tensor([[1150.0, 0, 500], [0, 1150, 500], [0, 0, 1]])
    count = len(pixels)
    covariance = 4 * torch.eye(2).expand(count, 17, 2, 2)
    valid = torch.ones(count, 17, dtype=torch.bool)
    return Keypoints(pixels, covariance, valid, H36M_17, intrinsics=matrix.expand(count, 3, 3))


def lifter_of(run: str | None, draw: torch.Generator) -> ProHMR:
    """A trained `prohmr`, or one that has only seen how widely poses vary."""
    if run is not None:
        found = load_lifter(run, {ProHMR.name: ProHMR})
        assert isinstance(found, ProHMR)
        return found
    torch.manual_seed(0)
    lifter = ProHMR(ProHMR.PRESETS["small"])
    bodies = people(lifter.body, 512, draw)
    lifter.flow.initialise(lifter.vector.encode_rotations(bodies) - lifter.start)
    return lifter.eval()


def representatives(
    prior: BodyPrior, keypoints: Keypoints, count: int, draw: torch.Generator
) -> Tensor:
    """Latents (count, 1, D) of what stands for 200 draws."""
    given = prior.given(keypoints)
    latents = torch.randn((200, *given.like.shape), generator=draw)
    with torch.no_grad():
        joints = prior.body.landmarks_of(given.decode(latents), H36M_17)
    members = quantized(joints - joints[..., :1, :], count, generator=draw).members
    return latents[members[:, 0]]


def timed(
    prior: BodyPrior, keypoints: Keypoints, starts: Tensor
) -> tuple[float, float, FittedBodies]:
    """Wall and processor seconds, and what was found."""
    wall, processor = time.perf_counter(), time.process_time()
    fit = fit_body(prior.body, keypoints, prior, start=starts)
    return time.perf_counter() - wall, time.process_time() - processor, fit


def main() -> None:
    """Print one line a prior and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--run")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw = torch.Generator().manual_seed(args.seed)
    body = anny_body()
    keypoints = seen(body, people(body, args.repeats + 1, draw), draw)
    priors = {
        "prohmr": FlowPrior(lifter_of(args.run, draw)),
        "generic": GenericPrior.about_rest(body),
    }
    for threads in args.threads:
        torch.set_num_threads(threads)
        for name, prior in priors.items():
            rows = []
            for person in range(args.repeats + 1):
                one = keypoints[person : person + 1]
                rows.append(timed(prior, one, representatives(prior, one, args.starts, draw)))
            report(name, threads, rows[1:])


def report(name: str, threads: int, rows: list[tuple[float, float, FittedBodies]]) -> None:
    """One line: seconds, px before and after."""
    wall, processor = (statistics.median(row[k] for row in rows) for k in (0, 1))
    fits = [row[2] for row in rows]
    before = statistics.median(float(fit.start_residual_px.median()) for fit in fits)
    after = statistics.median(float(fit.end_residual_px.median()) for fit in fits)
    best = statistics.median(float(fit.residual_px.square().mean().sqrt()) for fit in fits)
    print(
        f"{name:8} threads {threads}: wall {wall:5.2f} s, processor {processor:5.2f} s; "
        f"median start {before:6.1f} -> {after:5.2f} px, best {best:5.2f} px"
    )


if __name__ == "__main__":
    main()

"""What n-quantisation costs beside the forward pass that makes the M bodies (paper 004: < 20 %).

    python benchmarks/quantization.py [--poses 64 1] [--heads 100] [--count 25] [--repeats 15]
                                      [--threads N] [--prior RUN] [--body anny_light|made]
                                      [--device cuda] [--no-rivals]

All parts take turns; medians of wall and processor time are printed, and shares of the clock
that one thread is judged by (processor time, which other programs disturb less) or several are
(wall time). A GPU is waited for.

- forward: `multi_bodies` of the published sizes, keypoints to the control joints of M bodies.
- prior: log densities of these and their weights (Eq. 2).
- quantise: weighted K-means (Eq. 3) from seeds to centres and members, no prior.
- loops: the same by Lloyd's iterations over the batch in Python, from the same kind of seeds.
- scipy: `scipy.cluster.vq.kmeans2`, which knows no weights, one pose after another.

The weights are those of the prior in RUN, or of an untrained one: heads of an untrained lifter
are alike, so random turns of every joint are added to their bodies, standard deviation 20
degrees. How far weights collapse is told for a few powers of the density.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from poseterior.data.demo_clip import demo_observations
from poseterior.geometry.rotations import from_axis_angle
from poseterior.keypoints import Keypoints
from poseterior.meshes.mesh_posterior import BodySet
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors import mesh_lifter
from poseterior.meshes.regressors.multi_bodies import MultiBodies, MultiBodiesConfig
from poseterior.meshes.regressors.pose_prior import PosePrior
from poseterior.meshes.regressors.quantized import prior_weights
from poseterior.quantization import quantized
from poseterior.training.checkpoint import load_lifter

Way = Callable[[], object]
RIVALS = ("loops", "scipy, equal weights")


def keypoints_of(poses: int) -> Keypoints:
    """Frames of the demo clip, over and over."""
    frames = next(demo_observations().chunks(256)).keypoints
    return frames[torch.arange(poses) % len(frames.pixels)]


def lifter_of(heads: int, body: str) -> MultiBodies:
    """Untrained, of the published sizes; `made` is the tests' body of sticks, for no Anny."""
    if body == "made":
        path = Path(__file__).parents[1] / "tests" / "meshes" / "stick_body.py"
        spec = importlib.util.spec_from_file_location("stick_body", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        setattr(mesh_lifter, "open_body", lambda name: module.stick_body())  # noqa: B010
    return MultiBodies(MultiBodiesConfig(body=body, heads=heads)).eval()


def prior_of(run: Path | None) -> PosePrior:
    """The prior of a run, or an untrained one."""
    if run is None:
        return PosePrior().eval()
    loaded = load_lifter(run, {PosePrior.name: PosePrior})
    assert isinstance(loaded, PosePrior)
    return loaded


def spread(bodies: BodySet) -> Tensor:
    """Control joints (M, B, J, 3) of the bodies with every joint turned at random."""
    own = bodies.parameters
    draw = torch.Generator().manual_seed(0)
    turns = torch.randn(own.rotations.shape[:-1], generator=draw).to(own.betas)
    rotations = from_axis_angle(torch.deg2rad(20 * turns)) @ own.rotations
    return bodies.poses(BodyParameters.of(rotations, own.betas, own.transl))


def loops(hypotheses: Tensor, count: int, weights: Tensor) -> list[Tensor]:
    """Weighted K-means as one would write it down."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for b in range(hypotheses.shape[1]):
        points, mass = hypotheses[:, b].flatten(1).cpu(), weights[:, b].cpu()
        centres = points[torch.multinomial(mass, 1, generator=draw)]
        for _ in range(count - 1):
            chance = mass * torch.cdist(points, centres).amin(1).square() + 1e-30
            centres = torch.cat([centres, points[torch.multinomial(chance, 1, generator=draw)]])
        for _ in range(50):
            owner, before = torch.cdist(points, centres).argmin(1), centres
            parts = [owner == k for k in range(count)]
            centres = torch.stack([
                (mass[part] @ points[part]) / mass[part].sum() if mass[part].sum() > 0 else old
                for part, old in zip(parts, before, strict=True)
            ])  # fmt: skip
            if torch.equal(centres, before):
                break
        found.append(centres)
    return found


def one_after_another(hypotheses: Tensor, count: int) -> list[object]:
    """The same by scipy, of equal weights."""
    flat = hypotheses.flatten(2).double().cpu().numpy()
    return [
        kmeans2(flat[:, b], count, iter=10, minit="++", rng=0, missing="warn")
        for b in range(flat.shape[1])
    ]


def ways(lifter: MultiBodies, prior: PosePrior, poses: int, count: int) -> dict[str, Way]:
    """What is timed, by name; a few lines about the weights on standard output."""
    device = next(lifter.parameters()).device
    keypoints = keypoints_of(poses).to(device)
    hypotheses = spread(lifter(keypoints))
    log_prob = prior.log_prob(hypotheses)
    weights = prior_weights(log_prob)
    draw = torch.Generator(device).manual_seed(0)
    found = quantized(hypotheses, count, weights, draw)
    used = (found.weights > 1e-3).sum(0).float().mean()
    print(f"{used:.1f} of {count} representatives weigh over 0.001; effective number of hypotheses")
    for power in (1.0, 0.5, 0.2, 0.1):
        effective = 1 / prior_weights(log_prob, power).square().sum(0)
        print(f"  with density to the power {power:g}: {effective.median():.1f}")
    equal = torch.full_like(weights, 1 / len(weights))

    def forward() -> Tensor:
        bodies = lifter(keypoints)
        return bodies.poses(bodies.parameters)

    return {
        "forward": forward,
        "prior": lambda: prior_weights(prior.log_prob(hypotheses)),
        "quantise": lambda: quantized(hypotheses, count, weights, draw),
        "quantise, equal weights": lambda: quantized(hypotheses, count, equal, draw),
        "loops": lambda: loops(hypotheses, count, weights),
        "scipy, equal weights": lambda: one_after_another(hypotheses, count),
    }


def timed(parts: dict[str, Way], repeats: int, device: str) -> dict[str, tuple[float, float]]:
    """Median wall and processor milliseconds of each, taking turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in parts}
    for turn in range(repeats + 1):
        for name, part in parts.items():
            wall, processor = time.perf_counter(), time.process_time()
            part()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn:
                each = time.perf_counter() - wall, time.process_time() - processor
                times[name].append((1e3 * each[0], 1e3 * each[1]))
    return {
        name: (statistics.median(t[0] for t in all_), statistics.median(t[1] for t in all_))
        for name, all_ in times.items()
    }


def main() -> None:
    """Read the arguments, time and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--poses", type=int, nargs="+", default=[64, 1])
    parser.add_argument("--heads", type=int, default=100)
    parser.add_argument("--count", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prior", type=Path)
    parser.add_argument("--body", default="anny_light")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-rivals", action="store_true", help="neither loops nor scipy")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    lifter = lifter_of(options.heads, options.body).to(options.device)
    prior = prior_of(options.prior).to(options.device)
    clock = 1 if options.threads == 1 and options.device == "cpu" else 0
    which = "processor" if clock else "wall"
    print(f"{lifter.config}\n{prior.config}, torch {torch.__version__}, {options.device}")
    print(f"{options.heads} hypotheses to {options.count}, {options.threads} threads", end="; ")
    print(f"shares by {which} time")
    for poses in options.poses:
        with torch.no_grad():
            parts = ways(lifter, prior, poses, options.count)
            if options.no_rivals:
                parts = {name: part for name, part in parts.items() if name not in RIVALS}
            table = timed(parts, options.repeats, options.device)
        print(f"{f'{poses} poses':26}{'wall ms':>9}{'processor ms':>14}{'of forward':>12}")
        for name, times in table.items():
            share = times[clock] / table["forward"][clock]
            print(f"  {name:24}{times[0]:9.2f}{times[1]:14.2f}{share:12.1%}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

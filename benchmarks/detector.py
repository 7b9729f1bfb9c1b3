"""What reading Gaussians off the heatmaps costs beside the network that makes them.

    python benchmarks/detector.py [--people 1] [--repeats 9] [--device cpu]

The network is ViTPose-B as published (86 million parameters) with random weights. The heatmaps
that are fitted are simulated, since those of random weights look like nobody's: 64 x 48, sigma
about 2 px, anisotropic, noise 0.01, 15 % of them with a second peak. Network and fits take turns
and medians are compared: of processor time on the CPU, which other programs there disturb less, of
wall time elsewhere. `all` adds what follows the fit: the training targets' width taken off, pixels
of the image.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

from poseterior.detectors.crops import Grid, person_regions
from poseterior.heatmaps import fit_gaussians, without_blur

HEIGHT, WIDTH = 64, 48


def vitpose_base(device: str) -> VitPoseForPoseEstimation:
    """ViTPose-B with its simple decoder, random weights."""
    backbone = VitPoseBackboneConfig(out_indices=[12])
    config = VitPoseConfig(backbone_config=backbone, num_labels=17)
    return VitPoseForPoseEstimation(config).eval().to(device)


def bumps(people: int, generator: torch.Generator) -> Tensor:
    """(people, 17, 64, 48): one Gaussian each, of height 1, somewhere inside."""

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand((people, 17, 1, 1), generator=generator)
        return low + (high - low) * drawn

    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    dx, dy, angle = x - uniform(8, WIDTH - 8), y - uniform(8, HEIGHT - 8), uniform(0, 3.14)
    along, across = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
    square = (along / uniform(1.7, 3.0)).square() + (across / uniform(1.7, 2.3)).square()
    return torch.exp(-square / 2)


def simulated(people: int, seed: int = 0) -> Tensor:
    """Heatmaps as the module says."""
    generator = torch.Generator().manual_seed(seed)
    first, second = bumps(people, generator), bumps(people, generator)
    two = torch.rand((people, 17, 1, 1), generator=generator) < 0.15
    noise = 0.01 * torch.randn(first.shape, generator=generator)
    return torch.where(two, first + 0.7 * second, first) + noise


def interleaved(contenders: list[Callable[[], object]], repeats: int, device: str) -> list[float]:
    """Median seconds of each, taking turns after one turn that is not counted."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    seconds: list[list[float]] = [[] for _ in contenders]
    for turn in range(repeats + 1):
        for taken, contender in zip(seconds, contenders, strict=True):
            _settle(device)
            start = clock()
            contender()
            _settle(device)
            if turn:
                taken.append(clock() - start)
    return [statistics.median(taken) for taken in seconds]


def _settle(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@torch.no_grad()
def compare(model: VitPoseForPoseEstimation, people: int, repeats: int, device: str) -> None:
    """Print what network and fits cost, a person of `people` at a time."""
    crops = torch.randn((people, 3, 256, 192), generator=torch.Generator().manual_seed(0))
    crops, heatmaps = crops.to(device), simulated(people).to(device)
    boxes = torch.tensor([[100.0, 50.0, 200.0, 350.0]]).expand(people, 4)
    grid = Grid.unbiased(person_regions(boxes, (192, 256)), (WIDTH, HEIGHT))

    def everything() -> None:
        fit = fit_gaussians(heatmaps)
        grid.points(fit.mean.cpu())
        grid.covariances(without_blur(fit.covering.cpu()))

    contenders = [lambda: model(crops), lambda: fit_gaussians(heatmaps), everything]
    network, fits, whole = (
        1e3 * taken / people for taken in interleaved(contenders, repeats, device)
    )
    print(
        f"{people} at a time: network {network:.1f} ms a person, 17 fits {fits:.2f} ms "
        f"({fits / network:.2%}), all {whole:.2f} ms ({whole / network:.2%})"
    )


def main() -> None:
    """Compare for each number of people at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=[1])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    model = vitpose_base(given.device)
    millions = sum(weights.numel() for weights in model.parameters()) / 1e6
    print(
        f"ViTPose-B, {millions:.0f} M parameters, {given.device}, {torch.get_num_threads()} threads"
    )
    for people in given.people:
        compare(model, people, given.repeats, given.device)


if __name__ == "__main__":
    main()

"""What a confidence network adds to the detector that it is on.

    python benchmarks/ccnet.py [--preset small] [--people 1] [--repeats 15] [--threads 1]

Detectors and heads have random weights: the time does not depend on them. Detector (crops to
heatmaps, or to places and sigmas) and head (its features to confidences) take turns; medians of
processor time on the CPU, which other programs disturb less than wall time. Multiply-adds are
counted by torch. The two detectors' own speed, of a forward pass and of a training step on the
same crops, is printed too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from poseterior.confidence.ccnet import CCNet, CCNetConfig
from poseterior.detectors.crop_detector import CropDetector
from poseterior.detectors.rle import RLE
from poseterior.detectors.sbl import SBL

HEADS = ("conv_pool", "conv_sigmoid_pool")
CALLS = 20  # of a head in one turn: it takes less than a clock's tick


def seconds(function: Callable[[], object], calls: int = 1) -> float:
    """Processor time of one call."""
    start = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - start) / calls


def gmac(function: Callable[[], object]) -> float:
    """Billions of multiply-adds of one call."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops() / 2e9


def compare(detector: CropDetector, people: int, repeats: int) -> None:
    """Detector and heads in turn; printed."""
    width, height = detector.size
    crops = torch.randint(256, (people, 3, height, width), dtype=torch.uint8)
    with torch.inference_mode():
        features = detector.features(crops)
        heads = {h: CCNet(CCNetConfig(features.shape[1], head=h)).eval() for h in HEADS}
        ways: dict[str, Callable[[], object]] = {"detector": lambda: detector(crops)}
        ways |= {name: lambda head=head: head(features) for name, head in heads.items()}
        calls = {name: 1 if name == "detector" else CALLS for name in ways}
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(repeats + 1):
            for name, way in ways.items():
                taken = seconds(way, calls[name])
                if turn:  # the first warms up
                    times[name].append(taken)
        amounts = {name: gmac(way) / people for name, way in ways.items()}
    whole = statistics.median(times["detector"])
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(
            f"{detector.name:4} {name:18} {1e3 * middle / people:9.4f} ms a person, "
            f"{100 * middle / whole:7.3f} % of the detector, {amounts[name]:.6f} G multiply-adds"
        )


def training_speed(detector: CropDetector, people: int, repeats: int) -> float:
    """People a second of a forward and backward pass."""
    width, height = detector.size
    crops = torch.randint(256, (people, 3, height, width), dtype=torch.uint8)
    places = torch.rand(people, 17, 2) * torch.tensor([width, height])
    joints = torch.cat([places, torch.ones(people, 17, 1)], -1)
    generator = torch.Generator()
    detector.train()

    def step() -> None:
        detector.zero_grad()
        torch.stack([*detector.losses(crops, joints, generator).values()]).sum().backward()

    step()
    return people / statistics.median(seconds(step) for _ in range(repeats))


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=("small", "paper"))
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for kind in (SBL, RLE):
        detector = kind(kind.PRESETS[given.preset]).eval()
        weights = sum(p.numel() for p in detector.parameters()) / 1e6
        print(
            f"{kind.name} {given.preset}: {weights:.2f} million parameters, crops {detector.size}"
        )
        compare(detector, given.people, given.repeats)
        if given.preset == "small":
            speed = training_speed(detector, 32, given.repeats)
            print(f"{kind.name} trains on {speed:.0f} people a second of processor time")


if __name__ == "__main__":
    main()

"""Memory and time of lifting videos of 1 and of 10 minutes, and what a kill costs.

    python benchmarks/long_video.py OUT [--minutes 1 10] [--hypotheses 20]

A block walks through drawn frames of 320 x 240 px at 30 a second; one frame in 100 is empty. The
detector here finds the block and puts a standing person into it, so what is timed is all but the
network: decoding, the log, tracks, lifting and writing. Each video is lifted in a process of its
own, whose peak memory is printed; the last once more, killed half-way through detection and begun
again: the two files are compared byte for byte.
"""

from __future__ import annotations

import argparse
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from poseterior.batch.lift_frames import lift_frames, parts_folder
from poseterior.data.detection_log import record_layout
from poseterior.data.video import open_video
from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Keypoints, PersonBoxes
from poseterior.training.shipped import open_lifter

RATE, SIZE = 30, (320, 240)
# A standing person, in parts of a box's width and height.
STANDING = torch.tensor(
    [(.5, .07), (.55, .05), (.45, .05), (.6, .06), (.4, .06), (.75, .2), (.25, .2), (.85, .38),
     (.15, .38), (.9, .53), (.1, .53), (.65, .53), (.35, .53), (.67, .75), (.33, .75),
     (.68, .96), (.32, .96)]
)  # fmt: skip


class Block:
    """Finds the red block, and a person in it."""

    skeleton = COCO_17

    def find(self, images: Sequence[np.ndarray]) -> list[PersonBoxes]:
        """The block of each image, if there is one."""
        return [self._find(image) for image in images]

    def _find(self, image: np.ndarray) -> PersonBoxes:
        red = (image[..., 0] > 160) & (image[..., 1] < 100)
        rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
        if not len(rows):
            return PersonBoxes(torch.zeros(0, 4), torch.zeros(0))
        corners = [columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5]
        return PersonBoxes(torch.tensor([corners], dtype=torch.float32), torch.ones(1))

    def detect(self, images: Sequence[np.ndarray], boxes: Sequence[Tensor]) -> list[Keypoints]:
        """A standing person in each box, with 2 px of uncertainty."""
        return [self._detect(i, b) for i, b in zip(images, boxes, strict=True)]

    def _detect(self, image: np.ndarray, boxes: Tensor) -> Keypoints:
        people = len(boxes)
        pixels = boxes[:, None, :2] + STANDING * (boxes[:, 2:] - boxes[:, :2])[:, None]
        covariance = (4 * torch.eye(2)).expand(people, 17, 2, 2).contiguous()
        valid = torch.ones(people, 17, dtype=torch.bool)
        size = torch.tensor(image.shape[1::-1], dtype=torch.float32).expand(people, 2)
        return Keypoints(pixels, covariance, valid, COCO_17, size, confidence=valid.float())


def images(frames: int) -> Iterator[np.ndarray]:
    """The drawn frames."""
    for n in range(frames):
        image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
        if n % 100 != 50:
            x = 10 + n % 200
            image[40:200, x : x + 80] = (250, 10, 10)
        yield image


def write_video(path: Path, frames: int) -> None:
    """The frames as x264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for image in images(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def lift(video: Path, out: Path, hypotheses: int) -> None:
    """Lift in this process, and print what it took."""
    start, block = time.perf_counter(), Block()
    lift_frames(open_video(video), block, block, open_lifter(), out, hypotheses=hypotheses)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{seconds:.0f} s, peak {peak:.0f} MB, file {out.stat().st_size / 1e6:.0f} MB")


def process(video: Path, out: Path, hypotheses: int) -> subprocess.Popen[str]:
    """`lift` in a process of its own."""
    command = [sys.executable, __file__, str(out.parent), "--video", str(video), "--to", str(out)]
    command += ["--hypotheses", str(hypotheses)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed(video: Path, out: Path, hypotheses: int, frames: int) -> None:
    """Lift, kill half-way, and lift again."""
    first = process(video, out, hypotheses)
    people, record = parts_folder(out) / "people.bin", record_layout(len(COCO_17)).itemsize
    while not people.exists() or people.stat().st_size < record * frames // 2:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    print(f"killed after {people.stat().st_size // record} of {frames} frames; begun again:")
    print(f"  {process(video, out, hypotheses).communicate()[0].strip()}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--hypotheses", type=int, default=20)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--to", type=Path)
    given = parser.parse_args()
    if given.video:
        lift(given.video, given.to, given.hypotheses)
        return
    given.out.mkdir(parents=True, exist_ok=True)
    for minutes in given.minutes:
        frames = round(minutes * 60 * RATE)
        video = given.out / f"{minutes:g}.mp4"
        write_video(video, frames)
        whole = given.out / f"{minutes:g}.npz"
        print(f"{minutes:g} minutes, {frames} frames:")
        print(f"  {process(video, whole, given.hypotheses).communicate()[0].strip()}", flush=True)
    again = given.out / "again.npz"
    killed(video, again, given.hypotheses, frames)
    same = again.read_bytes() == whole.read_bytes()
    print(f"the two files are {'equal' if same else 'DIFFERENT'}, byte for byte")


if __name__ == "__main__":
    main()

"""Fixed-lag smoothing: each frame by all before it and those of the next few seconds.

A track of any length thus streams through a bounded window. What lies further ahead than the
lag tells next to nothing of a frame where limbs forget in half a second how they move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor

from poseterior.smoothing.kalman import StateSpace
from poseterior.smoothing.measurement import Measured

__all__ = ["smooth_track"]

# Frames that are smoothed at a time: more would repeat less work and hold more memory.
_BLOCK = 128


def smooth_track(
    model: StateSpace,
    times: np.ndarray,
    read: Callable[[int, int], Measured],
    lag: float,
    block: int = _BLOCK,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Smooth the frames of one track, some at a time.

    Args:
        model: of the motion and the errors.
        times: (T,) seconds, ascending.
        read: gives what was measured in the frames from its first number to before its second.
        lag: seconds after a frame of which it hears at least.
        block: frames to smooth at a time.

    Yields:
        the first frame's index, mean (t, J, 3) in metres and covariance (t, J, 3, 3).
    """
    # Differences of k / fps that only differ by rounding are the same.
    waits = np.diff(times, prepend=times[:1]).round(9)
    belief = model.begin()
    for start in range(0, len(times), block):
        stop = min(start + block, len(times))
        ahead = int(np.searchsorted(times, times[stop - 1] + lag, side="right"))
        steps = model.forward(belief, waits[start:ahead].tolist(), read(start, ahead))
        mean, covariance = model.backward(steps)
        yield start, mean[: stop - start], covariance[: stop - start]
        belief = steps[stop - start - 1].after

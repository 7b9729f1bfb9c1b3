"""`poseterior probability`: probabilities of events by a predictions file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

__all__ = ["Probability"]


@dataclass(frozen=True)
class Probability:
    """Probabilities of events, such as "left_knee_flexion > 60", as CSV.

    An event compares an angle in degrees (left_knee_flexion) or a function in metres or degrees
    with a number: distance(left_wrist, right_wrist) < 0.2, height(left_wrist, head_top) > 0,
    elevation(left_hip, left_knee) > 45, azimuth(pelvis, nose) < 90; or it is
    within(right_wrist, 0.1, -0.2, 0.4, 0.3): the joint is at most 0.3 m from the point, in
    camera axes (x right, y down, z forward). Events are combined with &, |, ~ and parentheses.
    """

    predictions: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="POSTERIOR.npz")]
    """A predictions file, as `lift` writes it."""
    event: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="EVENT")]
    """What may be the case; give it again for further events."""
    out: Path
    """The table: one line for each pose and event, with the 95 % interval of finite hypotheses."""
    down: Annotated[tuple[float, float, float], tyro.conf.arg(metavar="X Y Z")] = (0.0, 1.0, 0.0)
    """Direction of gravity in camera axes; the default is a camera held level."""

    frame: Literal["root", "camera"] = "root"
    """What points are relative to: the root joint, or the camera (by the keypoints lifted)."""

    def run(self) -> None:
        """Write the table."""
        from poseterior.batch.probability import write_probabilities
        from poseterior.cli.console import bar
        from poseterior.cli.reporting import check_outputs
        from poseterior.data.predictions import open_predictions
        from poseterior.errors import require
        from poseterior.event_text import parse_event

        require(bool(self.event), "--event", "", expected="at least one event", found="none")
        events = [parse_event(text, self.down) for text in self.event]
        check_outputs(self.out, inputs=(self.predictions,))
        with open_predictions(self.predictions) as opened, bar("probability") as advance:
            lines = write_probabilities(opened, events, self.out, self.frame, advance)
            hypotheses, poses = opened.hypotheses, opened.poses
        print(f"{self.out}: {lines} probabilities of {poses} poses, {hypotheses} hypotheses each")

"""`poseterior smooth`: the posteriors of a video, each by what its neighbours in time say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from poseterior.data.predictions import Predictions
    from poseterior.smoothing.kalman import StateSpace

__all__ = ["Smooth"]

_Share = Annotated[float | None, tyro.conf.arg(metavar="SHARE", help_behavior_hint="")]
_Video = Annotated[Path | None, tyro.conf.arg(metavar="VAL.npz", help_behavior_hint="")]


@dataclass(frozen=True)
class Smooth:
    """Smooth hypotheses over the frames of each person and fill the frames that are missing."""

    predictions: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PRED.npz")]
    """A predictions file with `frame`, and `clip` and `person` where there are several."""
    out: Path
    """The smoothed .npz."""
    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = "velocity"
    """walk or velocity: a random walk of each joint's position or of its velocity."""
    fps: Annotated[float, tyro.conf.arg(metavar="FPS")] = 30.0
    """Frames a second."""
    lag: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 2.0
    """How far a frame hears of what comes after it; a longer gap is not filled."""
    fit: _Video = None
    """Fit the model to held-out tracks with a target; else as fitted on the CMU clips."""
    share: _Share = None
    """Share of the errors' variance that lasts from frame to frame; 0 if they are independent."""

    def run(self) -> None:
        """Smooth, and say what was filled."""
        from poseterior.batch.smooth import check_rate, smooth_file
        from poseterior.cli.console import bar, show_notes
        from poseterior.cli.reporting import check_outputs
        from poseterior.data.predictions import open_predictions

        check_rate(self.fps, self.lag)
        check_outputs(self.out, inputs=(self.predictions, self.fit))
        with open_predictions(self.predictions) as opened:
            model = self._model(opened)
            with bar("smoothing") as advance:
                done = smooth_file(opened, model, self.out, self.fps, self.lag, advance)
        show_notes(done.notes)
        print(
            f"{done.path}: {done.poses - done.invalid} poses in {done.tracks} tracks smoothed "
            f"({self.model}, share {model.share:.2f}); {done.filled} of them were missing and are "
            f"filled; {done.invalid} are not valid"
        )

    def _model(self, opened: Predictions) -> StateSpace:
        """As fitted here or as shipped, with the share that was asked for."""
        from dataclasses import replace

        from poseterior.batch.smooth_fit import fit_tracks
        from poseterior.data.predictions import open_predictions
        from poseterior.errors import require
        from poseterior.smoothing.defaults import default_model

        if self.fit is None:
            return default_model(opened.skeleton, self.model, self.share)
        with open_predictions(self.fit) as held_out:
            require(
                held_out.skeleton == opened.skeleton, self.fit, "skeleton",
                expected=opened.skeleton.name, found=held_out.skeleton.name,
            )  # fmt: skip
            fitted = fit_tracks(held_out, self.model, self.fps)
        return fitted if self.share is None else replace(fitted, share=self.share)

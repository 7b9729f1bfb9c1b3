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

_FPS = 30.0
_Rate = Annotated[float | None, tyro.conf.arg(metavar="FPS", help_behavior_hint="")]
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
    fps: _Rate = None
    """Frames a second; else as the video that was lifted tells, else 30."""
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

        check_rate(_FPS if self.fps is None else self.fps, self.lag)
        check_outputs(self.out, inputs=(self.predictions, self.fit))
        with open_predictions(self.predictions) as opened:
            fps, notes = self._rate(opened)
            model = self._model(opened)
            with bar("smoothing") as advance:
                done = smooth_file(opened, model, self.out, fps, self.lag, advance)
        show_notes(notes | done.notes)
        new = f", {done.added} of these in rows that are new, the last" if done.added else ""
        print(
            f"{done.path}: {done.poses - done.invalid} poses in {done.tracks} tracks smoothed "
            f"({self.model}, share {model.share:.2f}, {fps:g} frames a second); {done.filled} of "
            f"them were missing and are filled{new}; {done.invalid} are not valid"
        )

    def _rate(self, opened: Predictions) -> tuple[float, dict[str, str]]:
        """Frames a second as given, as the file tells, or assumed, and what to say of it."""
        from poseterior.batch.provenance import frames_per_second

        told = frames_per_second(opened.provenance) if self.fps is None else self.fps
        if told is not None:
            return told, {}
        return _FPS, {"fps": f"{_FPS:g} in {opened.path}, which does not tell"}

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
            fitted = fit_tracks(held_out, self.model, self._rate(held_out)[0])
        return fitted if self.share is None else replace(fitted, share=self.share)

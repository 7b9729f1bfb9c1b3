"""`poseterior recalibrate`: repair posteriors by what held-out predictions tell of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from poseterior.cli.options import Data, Name, Root, SeenPath

if TYPE_CHECKING:
    from poseterior.batch.recalibrate import Repaired
    from poseterior.recalibration.file import Fitted

__all__ = ["Recalibrate"]

_TEMPERATURE = "latent_temperature"
_SHOWN_CLIPS = 5


@dataclass(frozen=True)
class Recalibrate:
    """Fit a repair on held-out predictions (--method), or repair others by it (--apply)."""

    predictions: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="PRED.npz|NAME|RUN")]
    """A predictions file; for latent_temperature a lifter that comes with the package, or the folder of a run."""  # noqa: E501
    out: Path
    """What to write: the recalibration, a JSON file, or the repaired predictions, an .npz."""
    method: Name = None
    """Fit spread, spread_joint, spread_axis, quantile, adaptive, conformal or latent_temperature."""  # noqa: E501
    apply: SeenPath = None
    """The JSON file of a recalibration, to repair the predictions by."""
    target: SeenPath = None
    """An .npz with the target to fit on, where the predictions have none."""
    rule: Name = None
    """Of conformal: held_out_frames, held_out_clips, clips or frames."""
    regions: SeenPath = None
    """With --apply of conformal: also write a CSV table of the regions of each pose."""
    level: Annotated[float, tyro.conf.arg(metavar="SHARE")] = 0.9
    """How often these regions are to hold the target."""
    data: Data = "cmu"
    """Of latent_temperature: the data set."""
    root: Root = None
    split: Name = None
    """Of latent_temperature: the split to choose it on; the held-out one if not given."""

    def run(self) -> None:
        """Fit or repair, and say what that does."""
        from poseterior.cli.reporting import check_outputs
        from poseterior.errors import require

        given = [name for name in ("method", "apply") if getattr(self, name) is not None]
        expected, found = "one of --method and --apply", " and ".join(given) or "neither"
        require(len(given) == 1, "recalibrate", "", expected=expected, found=found)
        fits = self.regions is None or self.apply is not None
        require(fits, "--regions", "", expected="--apply beside it", found="--method")
        check_outputs(
            self.out, self.regions, inputs=(Path(self.predictions), self.target, self.apply)
        )
        if self.method is not None:
            self._fit(self.method)
        else:
            self._repair(Path(self.apply or ""))

    def _fit(self, method: str) -> None:
        from poseterior.recalibration.file import save_recalibration

        fitted = self._fit_lifter() if method == _TEMPERATURE else self._fit_file(method)
        save_recalibration(fitted, self.out)
        _show_fit(fitted, self.out)

    def _fit_file(self, method: str) -> Fitted:
        from poseterior.batch.recalibrate import fit_file
        from poseterior.data.predictions import open_predictions

        with open_predictions(self.predictions, self.target, sums_to_one=True) as opened:
            return fit_file(opened, method, rule=self.rule)

    def _fit_lifter(self) -> Fitted:
        from poseterior.batch.recalibrate import fit_lifter
        from poseterior.data.datasets import DATA_SETS
        from poseterior.errors import known, require
        from poseterior.training.shipped import open_lifter

        expected = "a lifter, whose latent it is (its name or the folder of a run)"
        is_file = Path(self.predictions).is_file()
        require(not is_file, self.predictions, "", expected=expected, found="a file")
        lifter = open_lifter(self.predictions)
        data = DATA_SETS[known("--data", self.data, DATA_SETS)]
        split = known("--split", self.split or data.held_out or data.splits[0], data.splits)
        source = data.open(data.folder(self.root), split)
        return fit_lifter(lifter, source, _show_temperature)

    def _repair(self, path: Path) -> None:
        from poseterior.batch.recalibrate import repair_file
        from poseterior.cli.console import bar
        from poseterior.data.predictions import open_predictions
        from poseterior.recalibration.file import load_recalibration

        fitted = load_recalibration(path)
        self._write_regions(fitted, path)
        with (
            open_predictions(self.predictions, sums_to_one=True) as opened,
            bar("repairing") as advance,
        ):
            done = repair_file(opened, fitted, self.out, advance)
        _warn(done, path)
        print(
            f"{done.path}: {done.poses - done.invalid} poses repaired by "
            f"{fitted.recalibration.method}; {done.invalid} are not valid and stay as they were"
        )

    def _write_regions(self, fitted: Fitted, path: Path) -> None:
        if self.regions is None:
            return
        from poseterior.batch.regions import write_regions
        from poseterior.cli.console import bar
        from poseterior.data.predictions import open_predictions
        from poseterior.errors import InputError
        from poseterior.recalibration.conformal import Conformal

        of = fitted.recalibration
        if not isinstance(of, Conformal):
            raise InputError(path, "method", expected="conformal for --regions", found=of.method)
        with (
            open_predictions(self.predictions, sums_to_one=True) as opened,
            bar("regions") as advance,
        ):
            shares = write_regions(opened, of, self.regions, self.level, advance)
        covered = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
        print(f"{self.regions}: regions at {self.level:g}; targets covered: {covered or 'unknown'}")


def _show_temperature(temperature: float, error: float) -> None:
    print(f"temperature {temperature:.3f}: mean ECE of a joint {error:.4f}", file=sys.stderr)


def _show_fit(fitted: Fitted, path: Path) -> None:
    of, about = fitted.recalibration, fitted.fitted_on
    clips = f" of {len(about['clips'])} clips" if about.get("clips") else ""
    print(
        f"{path}: {of.method} fitted on {about['poses']} poses{clips}, {of.hypotheses} hypotheses"
    )
    names = {
        "ece_median": "ECE (median centre)", "ece_joint_mean": "ECE of the mean joint",
        "ece_joint_max": "ECE of the worst joint",
    }  # fmt: skip
    for key, name in names.items() if fitted.effect else ():
        before, after = (fitted.effect[when][key] for when in ("before", "after"))
        print(f"  {name:<24} {before:.4f} -> {after:.4f}")
    if fitted.effect:
        print("  on the poses of the fit: other clips will be less well calibrated")
    else:
        print(f"  temperature {of.parameters()['temperature']:.3f}")


def _warn(done: Repaired, path: Path) -> None:
    """Of clips that the recalibration has seen: their calibration is no longer held out."""
    if done.of_the_fit:
        print(f"warning: {path} was fitted on this very file: its scores are too good",
              file=sys.stderr)  # fmt: skip
    if not done.shared_clips or done.of_the_fit:
        return
    shown = ", ".join(done.shared_clips[:_SHOWN_CLIPS])
    more = len(done.shared_clips) - _SHOWN_CLIPS
    clips = f"clips {shown}" + (f" and {more} more" if more > 0 else "")
    if done.same_observations:
        text = f"warning: {path} was fitted on {clips} of this file too: its scores are too good"
    else:
        text = f"note: {clips} have namesakes in the fit; taken for others, as the observations are"
    print(text, file=sys.stderr)

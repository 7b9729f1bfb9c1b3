"""The data sets that users hold, by name: where they are and how their observations are opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from poseterior.data.cmu import load_cmu, observations_path
from poseterior.data.cmu_archive import SPLITS as CMU_SPLITS
from poseterior.data.human36m import open_human36m
from poseterior.data.human36m_protocols import SUBJECTS
from poseterior.data.keypoint_source import KeypointSource
from poseterior.data.mpi_inf_3dhp import open_mpi_inf_3dhp
from poseterior.data.observations import open_observations
from poseterior.data.observed_anew import observed_anew
from poseterior.data.threedpw import SPLITS as THREEDPW_SPLITS
from poseterior.data.threedpw import open_3dpw
from poseterior.errors import InputError, require

__all__ = ["DATA_SETS", "DataSet", "open_cmu"]


@dataclass(frozen=True)
class DataSet:
    """A data set of observations with targets.

    Attributes:
        title: what messages call it.
        variable: the environment variable that can name its folder.
        splits: the parts it has.
        opener: called with the folder, `split` and options, gives the observations.
        options: what else the opener can be asked for.
        train, held_out: the splits to train on and to validate with; None where its
            targets do not tell all joints.
    """

    title: str
    variable: str
    splits: tuple[str, ...]
    opener: Callable[..., KeypointSource]
    options: tuple[str, ...] = ()
    train: str | None = None
    held_out: str | None = None

    def folder(self, root: str | os.PathLike[str] | None = None) -> Path:
        """`root`, else the folder that the environment variable names.

        `InputError` if neither is given, or if there is no such folder.
        """
        given = root if root is not None else os.environ.get(self.variable)
        if not given:
            expected = f"its folder (--root DIR or {self.variable})"
            raise InputError(self.title, "root", expected=expected, found="none given")
        found = "a file" if Path(given).exists() else "no such folder"
        expected = f"the folder of {self.title}"
        require(Path(given).is_dir(), given, "", expected=expected, found=found)
        return Path(given)

    def open(
        self, root: Path, split: str, options: Mapping[str, object] | None = None
    ) -> KeypointSource:
        """A split's observations; `options` that are None are left to the opener.

        `InputError` for an option that the data set does not have, and for all that opening
        it finds.
        """
        asked = {name: value for name, value in (options or {}).items() if value is not None}
        for name, value in asked.items():
            has = " and ".join(f"--{option}" for option in self.options) or "no such option"
            found = f"{value} for {self.title}"
            require(
                name in self.options, f"--{name.replace('_', '-')}", "", expected=has, found=found
            )
        return self.opener(root, split=split, **asked)


def open_cmu(
    root: Path, split: str, limb_scale: float | None = None, seed: int = 0
) -> KeypointSource:
    """The fixed observations of a split of the CMU motion capture, or the split observed anew.

    Args:
        root: its folder.
        split: "train", "val", "test" or "test_dance".
        limb_scale: observe anew, with each bone's length times U(1 - s, 1 + s).
        seed: of what is observed anew.
    """
    fixed = observations_path(root, split)
    if limb_scale is None and fixed.is_file():
        return open_observations(fixed)
    source = observed_anew(load_cmu(root, split), limb_scale or 0.0, seed)
    if limb_scale is None:
        text = f"{root} has no {fixed.name}; {source.rows} poses seen by the simulated detector"
        source.notes["observations"] = text
    return source


DATA_SETS: dict[str, DataSet] = {
    "cmu": DataSet(
        "the CMU motion capture", "POSETERIOR_CMU", CMU_SPLITS, open_cmu,
        train="train", held_out="val",
    ),
    "human36m": DataSet(
        "Human3.6M", "POSETERIOR_HUMAN36M", tuple(SUBJECTS), open_human36m,
        ("protocol", "keypoints", "subset"), train="train", held_out="test",
    ),
    "mpi_inf_3dhp": DataSet(
        "MPI-INF-3DHP", "POSETERIOR_MPI_INF_3DHP", ("test",), open_mpi_inf_3dhp
    ),
    "3dpw": DataSet("3DPW", "POSETERIOR_3DPW", THREEDPW_SPLITS, open_3dpw),
}  # fmt: skip

"""`poseterior data`: where data sets come from, whether they are whole, people of photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from poseterior.cli.options import Root, check_range

__all__ = ["CheckData", "CutPeople", "DataCommand"]

_LEAST_SIDE, _MOST_SIDE = 16, 4096


@dataclass(frozen=True)
class CheckData:
    """Tell where to get the CMU motion capture, and check a copy of it."""

    root: Root = None

    def run(self) -> None:
        """Print the source and terms, then check the copy, if one is known."""
        import os

        from poseterior.data.cmu import cmu_root
        from poseterior.data.cmu_check import CMU_INFO

        known = self.root is not None or bool(os.environ.get("POSETERIOR_CMU"))
        folder = cmu_root(self.root) if known else None
        print(CMU_INFO)
        if folder is None:
            print("Check a copy with `poseterior data cmu --root DIR`.")
        else:
            print(f"\n{folder}:")
            _check(folder)


def _check(folder: Path) -> None:
    """Print the findings; `InputError` if any is a problem."""
    from poseterior.data.cmu_check import check_cmu
    from poseterior.errors import require

    findings = check_cmu(folder)
    for finding in findings:
        print(finding)
    problems = sum(finding.kind == "problem" for finding in findings)
    found = f"{problems} problem{'s' * (problems > 1)}, listed above"
    require(not problems, folder, "", expected="whole data", found=found)


@dataclass(frozen=True)
class CutPeople:
    """Cut annotated people out of photographs: what detectors and confidence networks train on."""

    annotations: Annotated[Path, tyro.conf.arg(metavar="ANN.json|MPII.mat")]
    """COCO's or COCO-WholeBody's keypoints, MPII's .mat, or its people as a JSON list."""
    images: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The folder of the photographs."""
    out: Annotated[Path, tyro.conf.arg(metavar="PEOPLE")]
    """The folder that gets the split; it may have others already."""
    split: Literal["train", "val", "test"]
    """The split's name; MPII's .mat is divided by it, other files are taken whole."""
    size: Annotated[tuple[int, int], tyro.conf.arg(metavar="W H")] = (96, 128)
    """Width and height of the crops, px: 192 256 for detectors of `--preset paper`."""

    def run(self) -> None:
        """Cut, with a bar, and print what became of it."""
        for side in self.size:
            check_range(_LEAST_SIDE, _MOST_SIDE, size=side)
        from poseterior.batch.people_of_photographs import cut_people
        from poseterior.cli.console import bar, show_notes
        from poseterior.data.annotated_people import read_annotated

        people = read_annotated(self.annotations, self.split)
        with bar(self.split) as display:
            told = cut_people(people, self.images, self.out, self.split, self.size, display)
        show_notes(people.notes)
        _show(f"{self.out}: {self.split}", told)


def _show(what: str, told: dict[str, Any]) -> None:
    left_out = ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in told["left_out"].items() if count
    )
    print(f"{what}: {told['people']} people of {told['images']} photographs", end="")
    print(f"; left out: {left_out}" if left_out else "")


@dataclass(frozen=True)
class DataCommand:
    """Check data sets; make crops of people out of photographs."""

    what: (
        Annotated[CheckData, tyro.conf.subcommand("cmu", prefix_name=False)]
        | Annotated[CutPeople, tyro.conf.subcommand("people", prefix_name=False)]
    )

    def run(self) -> None:
        """Run what was asked for."""
        self.what.run()

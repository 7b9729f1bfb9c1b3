"""`poseterior data`: where a data set comes from, and whether what is there is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from poseterior.cli.options import Root

__all__ = ["CheckData"]


@dataclass(frozen=True)
class CheckData:
    """Tell where to get a data set, and check a copy of it."""

    name: tyro.conf.Positional[Literal["cmu"]]
    """The data set."""
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

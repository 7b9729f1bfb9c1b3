"""`poseterior data`: where a data set comes from, and whether what is there is whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

__all__ = ["CheckData"]


@dataclass(frozen=True)
class CheckData:
    """Tell where to get a data set, and check a copy of it."""

    name: tyro.conf.Positional[Literal["cmu"]]
    """The data set."""
    root: Path | None = None
    """Its folder; else the environment variable POSETERIOR_CMU. Without either, only tell."""

    def run(self) -> None:
        """Print the source and terms, then the findings; `InputError` if any is a problem."""
        import os

        from poseterior.data.cmu_check import CMU_INFO, check_cmu
        from poseterior.errors import InputError

        print(CMU_INFO)
        if self.root is None and not os.environ.get("POSETERIOR_CMU"):
            return
        findings = check_cmu(self.root)
        for finding in findings:
            print(finding)
        problems = [f for f in findings if f.kind == "problem"]
        if problems:
            raise InputError(
                self.root or os.environ["POSETERIOR_CMU"], "",
                expected="whole data", found=f"{len(problems)} problems, listed above",
            )  # fmt: skip

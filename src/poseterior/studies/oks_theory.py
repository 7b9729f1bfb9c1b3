"""`oks_theory`: the closed forms of paper 003 against draws, searches and fitted heatmaps."""

from __future__ import annotations

from typing import Any

import torch

from poseterior.studies.heatmap_peaks import heatmap_peaks
from poseterior.studies.oks_draws import DRAWS, rows_by_draws
from poseterior.studies.oks_heatmaps import rows_on_a_grid
from poseterior.studies.oks_rows import holds

__all__ = ["oks_theory_study"]


def oks_theory_study(seed: int = 0) -> dict[str, Any]:
    """Everything that `oks_theory.json` holds.

    Returns:
        `study`, `draws`, `seed`; `rows` as of `oks_rows.searched`, each with whether it `holds`;
        `failed`, equations that should hold and do not, or that are slips and yet hold;
        `peaks`, the data of Figure f.
    """
    rows = [*rows_by_draws(torch.Generator().manual_seed(seed)), *rows_on_a_grid()]
    rows = [{**row, "holds": holds(row)} for row in rows]
    return {
        "study": "oks_theory",
        "seed": seed,
        "draws": DRAWS,
        "rows": rows,
        "failed": [row["equation"] for row in rows if row["holds"] == row["printed"]],
        "peaks": heatmap_peaks(torch.Generator().manual_seed(seed + 1)),
    }

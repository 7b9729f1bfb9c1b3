"""Write our measured figures from `benchmarks/results` into the README and the papers' pages.

    python tools/quote_results.py

`tests/test_papers.py` checks that they are what this writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from confidence_cells import CONFIDENCE_CELLS

from poseterior.report.faults_table import faults_table
from poseterior.report.study_tables import markdown_table
from poseterior.studies import STUDIES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ROOT / "docs" / "papers"
README = ROOT / "README.md"
DIAGNOSE = ROOT / "docs" / "diagnose.md"
# Kept in the package, because the report of `diagnose` shows it.
FAULTS = ROOT / "src" / "poseterior" / "report" / "assets" / "faults.json"

Row = Mapping[str, Any]


class NotRun(Exception):
    """There are no results of a study yet."""


class Results:
    """The studies' rows by study, method and what else tells them apart."""

    def __init__(self, folder: Path = RESULTS) -> None:
        names = [study for study in STUDIES if (folder / f"{study}.json").exists()]
        files = {name: json.loads((folder / f"{name}.json").read_text()) for name in names}
        self.table1 = files["table1"]
        self.rows = {name: result["rows"] for name, result in files.items()}

    def row(self, study: str, method: str, **wanted: Any) -> Row:
        """The one row of a method with these values."""
        if study not in self.rows:
            raise NotRun(study)
        found = [
            row
            for row in self.rows[study]
            if row["method"] == method and all(row.get(k) == v for k, v in wanted.items())
        ]
        if len(found) != 1:
            raise LookupError(f"{study}: {len(found)} rows of {method} with {wanted}")
        return found[0]


def said(row: Row, key: str) -> str:
    """A number as the pages write it."""
    value = row.get(key)
    if value is None:
        return "no " + {"ece_median": "ECE"}.get(key, key)
    if key == "pck150":
        return f"{100 * value:.1f}"
    return f"{value:.2f}" if key.startswith("ece") else f"{value:.1f}"


Cell = Callable[[Results], str]


def numbers(study: str, method: str, *keys: str, after: str = "", **wanted: Any) -> Cell:
    """A cell: some numbers of one row."""

    def cell(results: Results) -> str:
        row = results.row(study, method, **wanted)
        return ", ".join(said(row, key) for key in keys) + after

    return cell


_ERROR_AND_ECE = ("min_mpjpe_mm", "ece_median")
_TABLE_2 = ("min_mpjpe_mm", "min_pa_mpjpe_mm", "pck150", "cps_mm")
_FIVE = "at least 5 uncertain joints"
# The study `samples` is of these poses, the papers' tables are of all.
_AMBIGUOUS = f", poses with {_FIVE}"


def _in_turn(study: str, method: str, counts: tuple[int, ...]) -> Cell:
    """MPJPE and PMPJPE of the best of so many hypotheses."""

    def cell(results: Results) -> str:
        rows = [results.row(study, method, hypotheses=count) for count in counts]
        keys = ("min_mpjpe_mm", "min_pa_mpjpe_mm")
        shown = " / ".join(", ".join(said(row, key) for key in keys) for row in rows)
        return shown + _AMBIGUOUS

    return cell


def _centres(method: str) -> Cell:
    keys = ("ece_median", "ece_mean", "ece_latent_centre")
    return lambda results: " / ".join(said(results.row("table1", method), key) for key in keys)


def _along_axes(results: Results) -> str:
    row = results.row("diversity", "cinn")
    return " / ".join(said(row, f"spread_{axis}_mm") for axis in "zxy") + " mm"


def _worst(results: Results) -> str:
    rows = (results.row("diversity", name) for name in ("cinn", "cinn_no_generator_loss"))
    return ", ".join(said(row, "worst_pa_mpjpe_mm") + " mm" for row in rows)


def _share(results: Results) -> str:
    five = results.row("ambiguous", "cinn", subset=_FIVE)
    whole = results.row("table1", "cinn")["poses"] * 4
    return f"{100 * five['poses'] / whole:.1f} %: at least 5 uncertain joints"


def _figure_5(results: Results) -> str:
    said_of = (
        f"{name} {said(results.row('samples', name, hypotheses=1000), 'min_mpjpe_mm')}"
        for name in ("cinn", "heatmap_noise", "cvae")
    )
    return f"best of 1000: {', '.join(said_of)} mm"


def _noise(results: Results) -> str:
    rows = (results.row("samples", f"noise_{cm}_cm", hypotheses=4096) for cm in (1, 10, 20))
    return ", ".join(said(row, "min_pa_mpjpe_mm") for row in rows) + f" mm{_AMBIGUOUS}"


def _falling(method: str) -> Cell:
    """The least PA-MPJPE of 1, 10, 100, 1000 and 4096."""

    def cell(results: Results) -> str:
        rows = (results.row("samples", method, hypotheses=n) for n in (1, 10, 100, 1000, 4096))
        return (
            ", ".join(said(row, "min_pa_mpjpe_mm") for row in rows)
            + f" mm of 1 to 4096{_AMBIGUOUS}"
        )

    return cell


def _ambiguous(method: str) -> Cell:
    return numbers("ambiguous", method, *_TABLE_2, subset=_FIVE)


def _ablation(variant: str) -> Cell:
    return numbers("ablation", variant, *_TABLE_2, subset=_FIVE)


def _of_n(method: str, data: str) -> Cell:
    """MPJPE and RE of the best of n bodies, n in turn."""

    def cell(results: Results) -> str:
        rows = [results.row("mesh_table", method, data=data, n=n) for n in (1, 5, 10, 25)]
        keys = ("mpjpe_mm", "re_mm")
        return " / ".join(", ".join(said(row, key) for key in keys) for row in rows)

    return cell


def _without(variant: str) -> Cell:
    """MPJPE and RE of the best of 5, 10 and 25 bodies, on ambiguous observations."""

    def cell(results: Results) -> str:
        wanted: dict[str, Any] = {"variant": variant, "data": "ambiguous"}
        rows = [results.row("mesh_ablation", "multi_bodies", n=n, **wanted) for n in (5, 10, 25)]
        keys = ("mpjpe_mm", "re_mm")
        return " / ".join(", ".join(said(row, key) for key in keys) for row in rows)

    return cell


def _aligned(method: str, *counts: int) -> Cell:
    """RE of the best of n bodies, on ambiguous observations."""

    def cell(results: Results) -> str:
        rows = (results.row("mesh_table", method, data="ambiguous", n=n) for n in counts)
        return ", ".join(said(row, "re_mm") for row in rows) + " mm"

    return cell


def _of_many(results: Results) -> str:
    """RE of the best of 400 bodies, on ambiguous observations."""
    methods = ("prohmr", "training_bodies")
    rows = [results.row("mesh_samples", name, data="ambiguous", n=400) for name in methods]
    drawn, anybody = (said(row, "re_mm") for row in rows)
    return f"{drawn} mm of 400; of as many training bodies {anybody} mm"


def _fitted(*wanted: tuple[str, str, int]) -> Cell:
    """PA-MPJPE after one body: variant, keypoints and views in turn."""

    def cell(results: Results) -> str:
        rows = (
            row
            for variant, keypoints, views in wanted
            for row in results.rows.get("mesh_fitting", ())
            if (row["variant"], row["keypoints"], row["views"]) == (variant, keypoints, views)
        )
        found = [said(row, "pa_mpjpe_mm") for row in rows]
        if len(found) != len(wanted):
            raise NotRun("mesh_fitting")
        return ", ".join(found) + " mm"

    return cell


# Page -> beginning of a row -> its cell.
CELLS: dict[str, dict[str, Cell]] = {
    "000": {
        "Table 1: Martinez": numbers("table1", "simple_baseline", *_ERROR_AND_ECE),
        "Table 1: Zhao": numbers("table1", "semgcn", *_ERROR_AND_ECE),
        "Table 1: Gaussian by minMPJPE": numbers("table1", "gaussian_minmpjpe", *_ERROR_AND_ECE),
        "Table 1: Gaussian by NLL": numbers("table1", "gaussian_nll", *_ERROR_AND_ECE),
        "Table 1: Sharma": numbers("table1", "cvae", *_ERROR_AND_ECE),
        "Table 1: Oikarinen": numbers("table1", "graph_mdn", *_ERROR_AND_ECE),
        "Table 1: Wehrbein": numbers("table1", "cinn", *_ERROR_AND_ECE),
        "Table 1: Kolotouros": numbers("table1", "glow", *_ERROR_AND_ECE),
        "Table 1: Pierzchlewicz": numbers("table1", "cgnf", *_ERROR_AND_ECE),
        "Supplementary Table 2: Sharma": _centres("cvae"),
        "Supplementary Table 2: Wehrbein": _centres("cinn"),
    },
    "001": {
        "Table 1, Protocol 1 average: Martinez": numbers(
            "table1", "simple_baseline", "min_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 1 average: Li and Lee 2019": numbers(
            "table1", "mdn_means", "min_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 1 average: Oikarinen": numbers(
            "table1", "graph_mdn", "min_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 1 average: Sharma": numbers(
            "table1", "cvae", "min_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 1: this paper, z = 0": numbers(
            "table1", "cinn", "mpjpe_latent_centre_mm", after=" mm"
        ),
        "Table 1, Protocol 1: this paper |": numbers("table1", "cinn", "min_mpjpe_mm", after=" mm"),
        "Table 1, Protocol 2 average: Martinez": numbers(
            "table1", "simple_baseline", "min_pa_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 2 average: Li and Lee 2019": numbers(
            "table1", "mdn_means", "min_pa_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 2 average: Oikarinen": numbers(
            "table1", "graph_mdn", "min_pa_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 2 average: Sharma": numbers(
            "table1", "cvae", "min_pa_mpjpe_mm", after=" mm"
        ),
        "Table 1, Protocol 2: this paper |": numbers(
            "table1", "cinn", "min_pa_mpjpe_mm", after=" mm"
        ),
        "Table 2, H36MA: Li and Lee 2019": _ambiguous("mdn_means"),
        "Table 2, H36MA: Sharma": _ambiguous("cvae"),
        "Table 2, H36MA: this paper": _ambiguous("cinn"),
        "Table 4, ablation: without condition": _ablation("no_condition"),
        "Table 4, ablation: without L_HM": _ablation("no_heatmap_loss"),
        "Table 4, ablation: without L_gen": _ablation("no_generator_loss"),
        "Table 4, ablation: without L_MB": _ablation("no_best_of_m"),
        "Table 4, ablation: L_MB with k = 1 |": _ablation("best_1"),
        "Table 4, ablation: L_MB with k = 10": _ablation("best_10"),
        "Table 4, ablation: L_MB with k = 50": _ablation("best_50"),
        "Table 4, ablation: full": _ablation("full"),
        "Table 5: Li and Lee 2019, 5 kernel": numbers(
            "ambiguous",
            "mdn_means",
            "min_mpjpe_mm",
            "min_pa_mpjpe_mm",
            after=_AMBIGUOUS,
            subset=_FIVE,
        ),
        "Table 5: Li and Lee 2019, 5 / 10": _in_turn("samples", "mdn_samples", (5, 10, 200)),
        "Table 5: this paper, 5 by": _in_turn("samples", "cinn_kmeans_of_200", (5,)),
        "Table 5: this paper, 5 / 10": _in_turn("samples", "cinn", (5, 10, 200)),
        "Figure 5: MPJPE on ambiguous": _figure_5,
        "Section 4.6: PMPJPE of the worst": _worst,
        "Section 4.5: spread by axis": _along_axes,
        "Section 4.1: H36MA": _share,
    },
    "002": {
        "Section 5.3: least PA-MPJPE of 4096 draws": _noise,
        "Figure 4, left": _falling("glow"),
        "Figure 4, right": _falling("training_poses"),
        "Table 1, AH36M PA-MPJPE: Biggs": _aligned("multi_bodies", 1, 25),
        "Table 1, AH36M PA-MPJPE: this paper": _aligned("prohmr", 1, 25),
        "Section 5.3: least PA-MPJPE of 4096 samples": _of_many,
        "Section 5.3: fitting on AH36M": _fitted(
            ("generic_prior, covariance", "detected", 1), ("flow_prior, covariance", "detected", 1)
        ),
        "Main paper, Table 3": _fitted(
            ("flow_prior, covariance", "detected", 1), ("flow_prior, covariance", "true", 1)
        ),
        "Main paper, Table 4": _fitted(
            ("flow_prior, covariance", "detected", 1),
            *((f"flow_prior, {n} views", "detected", n) for n in (2, 3, 4)),
        ),
    },
    "003": CONFIDENCE_CELLS,
    "004": {
        "Table 1, H36M: SMPL-MDN": _of_n("mesh_mdn", "plain"),
        "Table 1, H36M: SMPL-CVAE": _of_n("mesh_cvae", "plain"),
        "Table 1, H36M: this paper": _of_n("multi_bodies", "plain"),
        "Table 1, AH36M: SMPL-MDN": _of_n("mesh_mdn", "ambiguous"),
        "Table 1, AH36M: SMPL-CVAE": _of_n("mesh_cvae", "ambiguous"),
        "Table 1, AH36M: this paper": _of_n("multi_bodies", "ambiguous"),
        "Table 2, ablation on 3DPW": _without("neither"),
        "Table 2: prior only": _without("prior"),
        "Table 2: reprojection only": _without("reprojection"),
        "Table 2: both": _without("both"),
    },
}


def filled(page: str, text: str, results: Results) -> str:
    """The page with its measured cells."""
    lines = text.split("\n")
    for start, cell in CELLS[page].items():
        hits = [n for n, line in enumerate(lines) if line.startswith(f"| {start}")]
        if len(hits) != 1:
            raise LookupError(f"{page}.md: {len(hits)} rows begin with {start}")
        cells = lines[hits[0]].split(" | ")
        with suppress(NotRun):
            lines[hits[0]] = " | ".join([*cells[:-1], f"{cell(results)} |"])
    return "\n".join(lines)


def with_table(text: str, results: Results) -> str:
    """The README with the table of all methods between its marks."""
    return between(text, "table1", markdown_table(results.table1))


def with_faults(text: str) -> str:
    """The page on `diagnose` with what each diagnostic sees between its marks."""
    return between(text, "faults", faults_table(json.loads(FAULTS.read_text())) + "\n")


def between(text: str, name: str, table: str) -> str:
    """A text with the table between the marks of a name."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = text.split(opening)
    after = rest.split(closing)[1]
    return f"{before}{opening}\n{table}{closing}{after}"


def main() -> None:
    """Fill all pages."""
    results = Results()
    README.write_text(with_table(README.read_text(encoding="utf-8"), results), encoding="utf-8")
    DIAGNOSE.write_text(with_faults(DIAGNOSE.read_text(encoding="utf-8")), encoding="utf-8")
    for page in CELLS:
        path = PAGES / f"{page}.md"
        path.write_text(filled(page, path.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()

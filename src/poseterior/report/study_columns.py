"""The columns of a study's tables: heading, unit, digits, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from poseterior.report.ccnet_columns import CCNET_COLUMNS, CCNET_MAIN
from poseterior.report.numbers import NUMBERS, finite, named

__all__ = ["MAIN", "README", "Column", "better", "cell_text", "column", "heading", "present"]

_ARROWS = {"low": "↓", "high": "↑", "near": "→", "": ""}


@dataclass(frozen=True)
class Column:
    """One number of a study's rows; shown is `scale` times the value, in `unit`.

    `better` is "near" where the value should be 0.9, and empty where no way is better.
    """

    key: str
    heading: str
    unit: str = ""
    digits: int = 1
    better: Literal["low", "high", "near", ""] = "low"
    meaning: str = ""
    absent: str = "Not computable for this row."
    scale: float = 1.0


_SPREADLESS = "A single pose has no spread to calibrate."
_CENTRELESS = "The method has no latent centre."
_UNTRAINED = "Nothing is trained."

_COLUMNS = {
    c.key: c
    for c in (
        Column("hypotheses", "H", digits=0, better="",
               meaning="Hypotheses per pose. The best of more hypotheses is always nearer."),
        Column("n", "n", digits=0, better="",
               meaning="Bodies that stand for a posterior. The best of more is always nearer."),
        Column("mpjpe_mm", "MPJPE", "mm",
               meaning="Of the best of n bodies: 14 joints, pelvises put together."),
        Column("re_mm", "MPJPE, aligned", "mm",
               meaning="The same after Procrustes alignment (reconstruction error)."),
        Column("effective_number", "Effective", "", 1, "",
               "Median of 1 over the sum of the squared weights of a set of bodies."),
        Column("pa_mpjpe_mm", "PA-MPJPE", "mm",
               meaning="MPJPE of 14 joints after Procrustes alignment."),
        Column("seconds_per_person", "Time", "s", 3, "",
               "Processor seconds for each person, 25 at a time."),
        Column("views", "Views", digits=0, better="",
               meaning="Cameras that see a person at one instant."),
        Column("vertex_mm", "Surface", "mm",
               meaning="Mean distance of the vertices of the best of n bodies from the truth's."),
        Column("shown", "Shown", digits=0, better="", meaning="People, or lines, of a picture."),
        Column("nearest_mm", "Nearest", "mm", better="",
               meaning="MPJPE of the nearest body of each person shown, their mean."),
        Column("poses", "Poses", digits=0, better="", meaning="Poses scored."),
        Column("min_mpjpe_mm", "Best hypothesis", "mm"),
        Column("min_pa_mpjpe_mm", "Best, aligned", "mm"),
        Column("mpjpe_mean_mm", "Mean", "mm"),
        Column("mpjpe_mode_mm", "Mode", "mm", absent="The method does not know its mode."),
        Column("mpjpe_latent_centre_mm", "Latent centre", "mm", absent=_CENTRELESS),
        Column("pck150", "Within 150 mm", "", 3, "high"),
        Column("pck_150", "Within 150 mm", "", 3, "high", NUMBERS["pck150"].meaning),
        Column("cps_mm", "CPS", "mm", better="high"),
        Column("ece_median", "ECE", "", 3, absent=_SPREADLESS),
        Column("ece_mean", "ECE, mean", "", 3, absent=_SPREADLESS),
        Column("ece_mode", "ECE, mode", "", 3, absent="The method does not know its mode."),
        Column("ece_latent_centre", "ECE, latent centre", "", 3, absent=_CENTRELESS),
        Column("ece_joint_mean", "ECE, mean joint", "", 3, absent=_SPREADLESS),
        Column("ece_joint_max", "ECE, worst joint", "", 3, absent=_SPREADLESS),
        Column("coverage_90", "In 90% regions", "%", 1, "near",
               "Share of targets inside the regions that should hold 90% of them.",
               _SPREADLESS, 100.0),
        Column("energy_score_mm", "Energy score", "mm", absent=_SPREADLESS),
        Column("crps_mm", "CRPS", "mm", absent=_SPREADLESS),
        Column("nll", "NLL", "nats", absent="The method has no density."),
        Column("sharpness_mm", "Spread", "mm", better="", absent=_SPREADLESS),
        Column("spread_x_mm", "Spread, right", "mm", better="", absent=_SPREADLESS),
        Column("spread_y_mm", "Spread, down", "mm", better="", absent=_SPREADLESS),
        Column("spread_z_mm", "Spread, depth", "mm", better="", absent=_SPREADLESS),
        Column("worst_pa_mpjpe_mm", "Worst, aligned", "mm",
               meaning="PA-MPJPE of the worst hypothesis of each pose."),
        Column("bone_length_deviation", "Bone lengths vary", "%",
               meaning="Standard deviation of a bone's length among the hypotheses of a pose, as "
               "a share of its mean; 0 is one rigid skeleton.", scale=100.0),
        Column("bone_asymmetry", "Left and right differ", "%",
               meaning="Difference of a left and a right bone's lengths, as a share of them.",
               scale=100.0),
        Column("heatmap_sigma_correlation", "Follows the heatmaps", "", 2, "high",
               "Correlation of the spread across the image and that of the observed heatmaps."),
        Column("heatmap_sigma_ratio", "Spread to heatmaps'", "", 2, "",
               "Spread across the image over that of the heatmaps, at 1 px = 10 mm."),
        Column("parameters", "Parameters", "M", 2, "", "Learned numbers, in millions.",
               "Nothing is learned.", 1e-6),
        Column("train_s", "Training", "s", 0, "", "Time of training.", _UNTRAINED),
        Column("sample_s", "Sampling", "s", 2, "",
               "Time to lift 64 observations and draw their hypotheses."),
        Column("temperature", "Temperature", "", 2, "",
               "Standard deviation of the latent, chosen on held-out poses.",
               "The method has no temperature."),
        Column("steps", "Steps", "", 0, "", "Steps of training.", _UNTRAINED),
        *(Column(*each) for each in CCNET_COLUMNS),
        Column("invalid", "Not scored", "poses", 0, ""),
    )
}  # fmt: skip

# What the page's first table shows, and what fits into a README.
MAIN: dict[str, tuple[str, ...]] = {
    "table1": (
        "hypotheses", "min_mpjpe_mm", "min_pa_mpjpe_mm", "mpjpe_mean_mm", "ece_median",
        "ece_joint_max", "coverage_90", "energy_score_mm", "nll",
    ),
    "ambiguous": (
        "min_mpjpe_mm", "min_pa_mpjpe_mm", "mpjpe_mean_mm", "pck_150", "pck150", "cps_mm",
        "ece_median", "energy_score_mm",
    ),
    "ablation": (
        "min_mpjpe_mm", "min_pa_mpjpe_mm", "mpjpe_mean_mm", "ece_median", "coverage_90",
        "energy_score_mm",
    ),
    "samples": ("hypotheses", "min_mpjpe_mm", "min_pa_mpjpe_mm"),
    **dict.fromkeys(
        ("mesh_table", "mesh_ablation", "mesh_samples"),
        ("n", "mpjpe_mm", "re_mm", "vertex_mm", "ece_median"),
    ),
    "mesh_gallery": ("shown", "nearest_mm"),
    **CCNET_MAIN,
    "mesh_fitting": (
        "views", "mpjpe_mm", "pa_mpjpe_mm", "vertex_mm", "ece_median", "coverage_90",
        "effective_number", "seconds_per_person",
    ),
    "diversity": (
        "spread_x_mm", "spread_y_mm", "spread_z_mm", "worst_pa_mpjpe_mm",
        "bone_length_deviation", "bone_asymmetry", "heatmap_sigma_correlation",
    ),
}  # fmt: skip
README: dict[str, tuple[str, ...]] = MAIN | {
    "table1": (
        "hypotheses", "min_mpjpe_mm", "mpjpe_mean_mm", "ece_median", "coverage_90",
        "energy_score_mm", "nll", "verdict",
    ),
}  # fmt: skip


def column(key: str) -> Column:
    """The column of that key; one that is not known is called by its key."""
    known = _COLUMNS.get(key)
    if known is None:
        number = named(key)
        return Column(key, number.label, number.unit, number.digits, "", number.meaning)
    if not known.meaning and key in NUMBERS:
        return Column(**{**vars(known), "meaning": NUMBERS[key].meaning})
    return known


def heading(of: Column) -> str:
    """Heading, unit, and an arrow to what is better.

    >>> heading(column("mpjpe_mean_mm")), heading(column("coverage_90"))
    ('Mean, mm ↓', 'In 90% regions, % → 90')
    """
    goal = f"{_ARROWS[of.better]} 90" if of.better == "near" else _ARROWS[of.better]
    return f"{of.heading}{', ' if of.unit else ''}{of.unit} {goal}".strip()


def better(key: str) -> str:
    """Which way is better, in words."""
    ways = {"low": "lower is better", "high": "higher is better", "near": "90% is right"}
    return ways.get(column(key).better, "no way is better")


def cell_text(value: object, of: Column) -> str:
    """The value without its unit, or a dash.

    >>> cell_text(3_100_000, column("parameters")), cell_text(-8.31, column("nll"))
    ('3.10', '−8.3')
    """
    known = finite(value)
    if known is None:
        return "–"
    said = f"{known * of.scale:,.{of.digits}f}"
    return (said.removeprefix("-") if not float(said.replace(",", "")) else said).replace("-", "−")


def present(rows: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[Column]:
    """The columns of those keys for which some row has an entry, a null included."""
    held = {key for row in rows for key in row}
    return [column(key) for key in keys if key in held]

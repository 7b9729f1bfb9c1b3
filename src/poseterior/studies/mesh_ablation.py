"""`mesh_ablation`: what the reprojection of all hypotheses and the prior are worth (paper 004)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poseterior.meshes.regressors.mesh_losses import LossWeights
from poseterior.studies.mesh_data import mesh_data
from poseterior.studies.mesh_table import body_rows, by_prior, pose_prior
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.workshop import Workshop

__all__ = ["MESH_ABLATION"]

_METHOD = "multi_bodies"
# Of the paper's Table 2.
_COUNTS = (5, 10, 25)


@dataclass(frozen=True)
class _Variant:
    """A row of the paper's Table 2."""

    name: str
    reprojection: bool
    prior: bool

    def run(self, workshop: Workshop, scoring: Scoring) -> Rows:
        """Train, or find, and score."""
        changes: dict[str, Any] = {}
        if not self.reprojection:
            changes["weights"] = LossWeights(reprojection=0.0)
        key = _METHOD if self.reprojection else f"{_METHOD}_without_reprojection"
        trained = workshop.trained(_METHOD, changes=changes, key=key)
        prior = pose_prior(workshop) if self.prior else None
        about = {"method": _METHOD, "variant": self.name}
        return body_rows(about, trained, by_prior(prior), workshop, scoring, prior, _COUNTS)


_VARIANTS = (
    _Variant("neither", reprojection=False, prior=False),
    _Variant("prior", reprojection=False, prior=True),
    _Variant("reprojection", reprojection=True, prior=False),
    _Variant("both", reprojection=True, prior=True),
)


def _notes(rows: Rows) -> Sequence[str]:
    """Which of the four is best at n = 25, against the paper's finding that both help."""
    at = {(r["variant"], r["data"]): r["mpjpe_mm"] for r in rows if r["n"] == max(_COUNTS)}
    said = []
    for data in ("plain", "ambiguous"):
        found = {v.name: at[v.name, data] for v in _VARIANTS if (v.name, data) in at}
        if len(found) == len(_VARIANTS):
            best = min(found, key=found.__getitem__)
            errors = ", ".join(f"{name} {error:.1f}" for name, error in found.items())
            agrees = "as in the paper" if best == "both" else "where the paper has both"
            said.append(f"Least at n = {max(_COUNTS)}, {data}: {best}, {agrees} ({errors} mm).")
    return said


MESH_ABLATION = Study(
    name="mesh_ablation",
    title="Sets of bodies without the reprojection of all, and without the prior",
    rows=tuple(Row(variant.name, variant.run) for variant in _VARIANTS),
    notes=_notes,
    data=mesh_data,
)

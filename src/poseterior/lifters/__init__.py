"""The methods, one a file; `LIFTERS` maps the name of each to its class."""

from __future__ import annotations

from poseterior.lifters.cgnf import CGNF
from poseterior.lifters.cinn import Cinn
from poseterior.lifters.coupling_flow import CouplingFlow
from poseterior.lifters.cvae import CVAE
from poseterior.lifters.gaussian import Gaussian
from poseterior.lifters.glow import Glow
from poseterior.lifters.graph_mdn import GraphMDN
from poseterior.lifters.heatmap_noise import HeatmapNoise
from poseterior.lifters.mdn import MDN
from poseterior.lifters.mean_pose import MeanPose
from poseterior.lifters.semgcn import SemGCN
from poseterior.lifters.simple_baseline import SimpleBaseline
from poseterior.posterior import Lifter

__all__ = ["LIFTERS"]

LIFTERS: dict[str, type[Lifter]] = {
    lifter.name: lifter
    for lifter in (
        CGNF,
        Cinn,
        CouplingFlow,
        CVAE,
        Gaussian,
        Glow,
        HeatmapNoise,
        MeanPose,
        SimpleBaseline,
        MDN,
        GraphMDN,
        SemGCN,
    )
}

"""The methods, one a file; `LIFTERS` maps the name of each to its class."""

from __future__ import annotations

from poseterior.lifters.coupling_flow import CouplingFlow
from poseterior.lifters.gaussian import Gaussian
from poseterior.lifters.mean_pose import MeanPose
from poseterior.lifters.simple_baseline import SimpleBaseline
from poseterior.posterior import Lifter

__all__ = ["LIFTERS"]

LIFTERS: dict[str, type[Lifter]] = {
    lifter.name: lifter for lifter in (CouplingFlow, Gaussian, MeanPose, SimpleBaseline)
}

"""`MESH_LIFTERS` maps the name of each mesh regressor, and of their pose prior, to its class."""

from __future__ import annotations

from poseterior.meshes.regressors.hmr import Hmr
from poseterior.meshes.regressors.mesh_cvae import MeshCVAE
from poseterior.meshes.regressors.mesh_mdn import MeshMDN
from poseterior.meshes.regressors.multi_bodies import MultiBodies
from poseterior.meshes.regressors.pose_prior import PosePrior
from poseterior.meshes.regressors.prohmr import ProHMR
from poseterior.posterior import Lifter

__all__ = ["MESH_LIFTERS"]

MESH_LIFTERS: dict[str, type[Lifter]] = {
    lifter.name: lifter for lifter in (Hmr, MultiBodies, MeshMDN, MeshCVAE, ProHMR, PosePrior)
}

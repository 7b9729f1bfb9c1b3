"""One question of a paper a file; `STUDIES` maps the name of each to it."""

from __future__ import annotations

from poseterior.studies.ablation import ABLATION
from poseterior.studies.ambiguous import AMBIGUOUS
from poseterior.studies.ccnet_ablation import CCNET_ABLATION
from poseterior.studies.ccnet_aggregation import CCNET_AGGREGATION
from poseterior.studies.ccnet_mesh import CCNET_MESH
from poseterior.studies.ccnet_occlusion import CCNET_OCCLUSION
from poseterior.studies.ccnet_table import CCNET_TABLE
from poseterior.studies.diversity import DIVERSITY
from poseterior.studies.mesh_ablation import MESH_ABLATION
from poseterior.studies.mesh_fitting import MESH_FITTING
from poseterior.studies.mesh_gallery import MESH_GALLERY
from poseterior.studies.mesh_samples import MESH_SAMPLES
from poseterior.studies.mesh_table import MESH_TABLE
from poseterior.studies.samples import SAMPLES
from poseterior.studies.study import Study
from poseterior.studies.table1 import TABLE1

__all__ = ["STUDIES"]

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        TABLE1,
        AMBIGUOUS,
        ABLATION,
        SAMPLES,
        DIVERSITY,
        MESH_TABLE,
        MESH_ABLATION,
        MESH_SAMPLES,
        MESH_GALLERY,
        MESH_FITTING,
        CCNET_TABLE,
        CCNET_AGGREGATION,
        CCNET_ABLATION,
        CCNET_OCCLUSION,
        CCNET_MESH,
    )
}

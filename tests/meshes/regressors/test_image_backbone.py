"""Mesh regressors on images: crops, the ResNet's folder, frames, gradients, checkpoints."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detectors.tiny_models import noise, save_vitpose, transformers
from meshes.stick_body import stick_body
from poseterior.errors import InputError
from poseterior.geometry.rotations import from_axis_angle
from poseterior.geometry.skeleton import COCO_17, H36M_17
from poseterior.keypoints import Keypoints
from poseterior.lifters.conditioning import condition
from poseterior.meshes import BodyParameters
from poseterior.meshes.regressors import mesh_lifter
from poseterior.meshes.regressors.hmr import RegressorSizes
from poseterior.meshes.regressors.image_backbone import (
    ResNetFeatures,
    crop_conditions,
    open_backbone,
)
from poseterior.meshes.regressors.image_crops import ImageCrops, people_crops
from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
from poseterior.training.checkpoint import load_lifter, save_model
from poseterior.training.fit import FitConfig, fit

TINY = RegressorSizes(width=32, blocks=1, hidden=32, head_dropout=0.0)
SIZES: dict[str, dict[str, Any]] = {
    "hmr": {},
    "multi_bodies": {"heads": 4},
    "mesh_mdn": {"components": 4},
    "mesh_cvae": {"latent": 4, "encoder": 16},
    "prohmr": {"hidden": 16, "critic": 8, "steps": 2},
}
BODY = stick_body()
FOCAL = 1000.0


@pytest.fixture(autouse=True)
def a_light_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """`open_body` gives the stick body."""
    monkeypatch.setattr(mesh_lifter, "open_body", lambda name: stick_body())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet of four small stages as the real one is stored: with its classes' layer."""
    folder = tmp_path_factory.mktemp("resnet")
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 24], depths=[1, 1, 1, 1],
        layer_type="bottleneck", num_labels=10,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.ResNetForImageClassification(config)
        for name, buffer in model.named_buffers():  # as if it had seen data
            if name.endswith("running_mean"):
                buffer.normal_(std=0.1)
    model.save_pretrained(folder)
    # As files of published ResNets have it: the class by its old name, one number for the size.
    processor = {
        "crop_pct": 0.875, "do_normalize": True, "do_resize": True, "resample": 3, "size": 224,
        "feature_extractor_type": "ConvNextFeatureExtractor",
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def made(name: str, folder: Path) -> Any:
    """An untrained lifter of the smallest size on the ResNet; its last layer says something."""
    cls: Any = MESH_LIFTERS[name]
    lifter = cls(cls.Config(sizes=TINY, backbone=str(folder), **SIZES[name]))
    if hasattr(lifter, "head"):
        torch.nn.init.normal_(lifter.head.last.weight, std=0.05)
    return lifter


def people(count: int, keypoints: bool = True) -> tuple[ImageCrops, BodyParameters]:
    """Bodies in front of a camera, and noise in the place of their pictures."""
    draw = torch.Generator().manual_seed(0)
    rotations = from_axis_angle(0.3 * torch.randn((count, 24, 3), generator=draw))
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ rotations[:, 0]
    place = torch.randn((count, 3), generator=draw) * 0.3 + torch.tensor([0.0, 0.0, 4.0])
    bodies = BodyParameters.of(rotations, torch.randn((count, 3), generator=draw), place)
    joints = BODY.landmarks_of(bodies, H36M_17)
    pixels = FOCAL * joints[..., :2] / joints[..., 2:] + 500
    low, high = pixels.amin(1), pixels.amax(1)
    half = 0.625 * (high - low).amax(-1, keepdim=True)
    middle = (low + high) / 2
    seen = Keypoints(
        pixels, 4 * torch.eye(2).expand(count, 17, 2, 2), torch.ones(count, 17).bool(), H36M_17
    )
    crops = ImageCrops(
        torch.randn((count, 3, 224, 224), generator=draw),
        torch.cat([middle - half, middle + half], -1),
        torch.full((count, 2), 1000.0), camera(count), seen if keypoints else None,
    )  # fmt: skip
    return crops, bodies


def camera(count: int) -> Tensor:
    k = torch.tensor([[FOCAL, 0.0, 500], [0, FOCAL, 500], [0, 0, 1]])
    return k.expand(count, 3, 3)


def drawn(lifter: Any, crops: ImageCrops) -> BodyParameters:
    """Four bodies of each, the same draws whenever asked."""
    with torch.no_grad():
        return lifter(crops).sample_parameters((4,), torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", SIZES)
def test_every_head_keeps_the_contract_on_images(name: str, folder: Path) -> None:
    lifter = made(name, folder).eval()
    crops, _ = people(3, keypoints=False)
    posterior = lifter(crops)
    poses = posterior.sample((5,), torch.Generator().manual_seed(0))
    assert poses.shape == (5, 3, 17, 3)
    assert poses.isfinite().all()
    assert not poses.requires_grad
    assert (poses[..., 0, :] == 0).all()
    assert posterior.body.vertices(drawn(lifter, crops)).shape == (4, 3, 96, 3)
    assert lifter(crops[:0]).sample((2,)).shape == (2, 0, 17, 3)


@pytest.mark.parametrize("name", SIZES)
def test_losses_are_finite_and_every_weight_learns(name: str, folder: Path) -> None:
    lifter = made(name, folder).train()
    crops, bodies = people(4)
    for step in range(2):  # the first initialises a flow, and starts from zero layers
        terms = lifter.losses(crops, bodies, torch.Generator().manual_seed(step))
        assert all(term.shape == () and term.isfinite() for term in terms.values()), terms
        lifter.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        with torch.no_grad():
            for p in lifter.parameters():
                if p.grad is not None:
                    p -= 1e-3 * p.grad / (p.grad.norm() + 1e-6)
    without = [
        n for n, p in lifter.backbone.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert without == []
    if hasattr(lifter, "critic_losses"):
        terms = lifter.critic_losses(crops, bodies, torch.Generator().manual_seed(0))
        assert all(term.isfinite() for term in terms.values())


def test_an_observation_does_not_depend_on_its_batch_nor_training_on_the_statistics(
    folder: Path,
) -> None:
    lifter = made("hmr", folder).train()
    crops, bodies = people(4)
    before = {k: v.clone() for k, v in lifter.backbone.named_buffers()}
    lifter.losses(crops, bodies, torch.Generator())
    for mode in (True, False):
        lifter.train(mode)
        together, alone = lifter.conditions(crops), lifter.conditions(crops[2:3])
        torch.testing.assert_close(together.features[2:3], alone.features, atol=1e-5, rtol=1e-4)
    assert not lifter.backbone.network.training
    for name, buffer in lifter.backbone.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)


def test_pooled_features_are_the_networks_own(folder: Path) -> None:
    crops, _ = people(2)
    model = transformers.ResNetForImageClassification.from_pretrained(folder).eval()
    backbone = open_backbone(str(folder))
    assert backbone is not None
    assert backbone.features == 24
    with torch.no_grad():
        logits = model.classifier(backbone(crops.crops)[..., None, None])
        torch.testing.assert_close(logits, model(crops.crops).logits)
    assert all(p.requires_grad for p in backbone.parameters())


@pytest.mark.parametrize("name", SIZES)
def test_a_person_elsewhere_in_the_image_is_the_same_one_turned(name: str, folder: Path) -> None:
    """The same crop left and right of the optical axis: bodies turned about the camera's y axis."""
    lifter = made(name, folder).eval()
    crops, _ = people(1, keypoints=False)
    left = torch.tensor([[100.0, 400, 300, 600]])
    right = torch.tensor([[700.0, 400, 900, 600]])
    one = BODY.vertices(drawn(lifter, replace(crops, corners=left)))
    other = BODY.vertices(drawn(lifter, replace(crops, corners=right)))
    angle = 2 * math.atan(300 / FOCAL)
    turn = from_axis_angle(torch.tensor([0.0, angle, 0.0]))
    torch.testing.assert_close(one @ turn.mT, other, atol=1e-4, rtol=1e-4)
    off = drawn(lifter, replace(crops, corners=left)).transl
    assert (off[..., 0] < -0.1).all()


def test_frames_follow_the_camera_not_the_pixels(folder: Path) -> None:
    lifter = made("hmr", folder).eval()
    crops, _ = people(2)
    one = drawn(lifter, crops)
    assert crops.intrinsics is not None
    scale = torch.tensor([2.0, 2, 1])
    doubled = replace(
        crops, corners=2 * crops.corners, image_size=2 * crops.image_size,
        intrinsics=scale[:, None] * crops.intrinsics, keypoints=None,
    )  # fmt: skip
    torch.testing.assert_close(BODY.vertices(drawn(lifter, doubled)), BODY.vertices(one))
    nearer = replace(crops, corners=_widened(crops.corners, 2.0))
    ratio = drawn(lifter, nearer).transl[..., 2] / one.transl[..., 2]
    assert ((ratio > 0.3) & (ratio < 0.7)).all()
    unknown = replace(crops, intrinsics=None)
    assumed = torch.diag(torch.tensor([1150.0, 1150, 1])).expand(2, 3, 3).clone()
    assumed[:, :2, 2] = 500
    expected = drawn(lifter, replace(crops, intrinsics=assumed))
    torch.testing.assert_close(BODY.vertices(drawn(lifter, unknown)), BODY.vertices(expected))


def _widened(corners: Tensor, factor: float) -> Tensor:
    low, high = corners.split(2, -1)
    middle, half = (low + high) / 2, factor * (high - low) / 2
    return torch.cat([middle - half, middle + half], -1)


def test_a_crop_tells_nearly_the_spread_that_keypoints_do(folder: Path) -> None:
    crops, _ = people(20)
    assert crops.keypoints is not None
    known = replace(crops.keypoints, intrinsics=crops.intrinsics)
    own = crop_conditions(crops, torch.zeros(20, 24), H36M_17).spread
    expected = condition(known, H36M_17).spread
    assert ((own / expected).log().abs() < 0.4).all()


def test_keypoints_are_for_losses_alone(folder: Path) -> None:
    lifter = made("multi_bodies", folder).eval()
    crops, bodies = people(3)
    assert crops.keypoints is not None
    without = replace(crops, keypoints=None)
    assert torch.equal(drawn(lifter, crops).transl, drawn(lifter, without).transl)
    hidden = torch.zeros(3, 17, dtype=torch.bool)
    hidden[:, 10:] = True
    partly = replace(crops, keypoints=crops.keypoints.without(hidden))
    seen = [
        lifter.losses(c, bodies, torch.Generator())["reprojection"]
        for c in (crops, partly, without)
    ]
    assert seen[0] > 0
    assert seen[1] != seen[0]
    assert seen[2] == 0
    # What is projected into the crop's camera is what a turned camera sees of the joints.
    conditions = lifter.conditions(crops)
    joints = BODY.landmarks_of(lifter.vector.to_person(bodies, conditions), H36M_17)
    torch.testing.assert_close(
        joints[..., :2] / joints[..., 2:], conditions.points, atol=1e-5, rtol=1e-4
    )


def test_checkpoints_hold_the_trained_backbone(folder: Path, tmp_path: Path) -> None:
    lifter = made("hmr", folder).eval()
    with torch.no_grad():
        for p in lifter.backbone.parameters():
            p += 0.01
    save_model(lifter, tmp_path)
    again = load_lifter(tmp_path, MESH_LIFTERS)
    crops, _ = people(2)
    assert torch.equal(drawn(lifter, crops).betas, drawn(again, crops).betas)


def test_a_checkpoint_needs_the_folder_that_its_config_names(folder: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(folder, tmp_path / "resnet"))
    save_model(made("hmr", own), tmp_path / "hmr")
    shutil.rmtree(own)
    with pytest.raises(InputError, match=r"^backbone: expected one of keypoints, .*/resnet$"):
        load_lifter(tmp_path / "hmr", MESH_LIFTERS)


class Crops:
    """A `Source` of the same people again and again."""

    def batch(self, index: int) -> tuple[Any, BodyParameters]:
        return people(4)


@pytest.mark.parametrize("name", ["hmr", "prohmr"])
def test_the_one_training_loop_takes_crops(name: str, folder: Path, tmp_path: Path) -> None:
    lifter = made(name, folder)
    before = {k: p.detach().clone() for k, p in lifter.backbone.named_parameters()}
    config = FitConfig(steps=3, batch_size=4, ema=0.5, precision="bfloat16", save_seconds=0)
    fit(lifter, Crops(), tmp_path / "run", config)
    after = dict(lifter.backbone.named_parameters())
    assert all(not torch.equal(before[k], after[k]) for k in before if "convolution" in k)
    again = load_lifter(tmp_path / "run", MESH_LIFTERS)
    crops, _ = people(2)
    assert torch.equal(drawn(lifter, crops).betas, drawn(again, crops).betas)


def test_multi_bodies_begin_with_the_backbone_of_their_hmr(folder: Path) -> None:
    base, lifter = made("hmr", folder), made("multi_bodies", folder)
    assert lifter.base_config == base.config
    with torch.no_grad():
        next(base.backbone.parameters()).add_(1.0)
    lifter.use_base(base)
    for one, other in zip(base.backbone.parameters(), lifter.backbone.parameters(), strict=True):
        assert torch.equal(one, other)


def test_crops_show_what_the_corners_say(folder: Path) -> None:
    """A ramp of brightness tells where each pixel of a crop comes from."""
    backbone = open_backbone(str(folder))
    assert backbone is not None
    image = np.zeros((200, 250, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(250)[None], np.arange(200)[:, None]
    boxes = [torch.tensor([[60.0, 40, 140, 150], [100.0, 60, 150, 80]])]
    crops = people_crops([image], boxes, backbone.processor)
    assert crops.batch_shape == (2,)
    assert crops.intrinsics is None
    assert crops.image_size.tolist() == [[250, 200], [250, 200]]
    low, high = crops.corners.split(2, -1)
    torch.testing.assert_close((low + high) / 2, torch.tensor([[100.0, 95], [125.0, 70]]))
    torch.testing.assert_close(high - low, torch.tensor([[137.5] * 2, [62.5] * 2]))
    mean, std = torch.tensor([0.485, 0.456]), torch.tensor([0.229, 0.224])
    value = 255 * (crops.crops[:, :2] * std[:, None, None] + mean[:, None, None])
    share = (torch.arange(224) + 0.5) / 224
    x = low[:, :1] + share * (high - low)[:, :1]
    y = low[:, 1:] + share * (high - low)[:, 1:]
    assert (value[:, 0] - x[:, None]).abs().max() < 1.1
    assert (value[:, 1] - y[..., None]).abs().max() < 1.1
    outside = people_crops([image], [torch.tensor([[-50.0, 0, 60, 100]])], backbone.processor)
    torch.testing.assert_close(
        outside.crops[0, :2, 110, 5], -mean / std, atol=1e-4, rtol=0
    )  # black


def test_crops_of_several_images_and_of_none(folder: Path) -> None:
    backbone = open_backbone(str(folder))
    assert backbone is not None
    images = [noise((120, 90)), noise((80, 100), seed=1), noise((50, 50), seed=2)]
    boxes = [
        torch.tensor([[10.0, 10, 60, 80]]),
        torch.zeros(0, 4),
        torch.tensor([[5.0, 5, 40, 45]]),
    ]
    k = [torch.diag(torch.tensor([f, f, 1.0])) for f in (100, 200, 300)]
    crops = people_crops(images, boxes, backbone.processor, k)
    assert crops.intrinsics is not None
    assert crops.intrinsics[:, 0, 0].tolist() == [100, 300]
    assert crops.image_size.tolist() == [[120, 90], [50, 50]]
    alone = people_crops(images[2:], boxes[2:], backbone.processor, k[2:])
    torch.testing.assert_close(crops[1:].crops, alone.crops)
    nobody = people_crops(images[1:2], boxes[1:2], backbone.processor, k[1:2])
    assert len(nobody) == 0
    assert made("hmr", folder).eval()(nobody).sample((2,)).shape == (2, 0, 17, 3)


def test_crops_move_and_are_indexed_as_one() -> None:
    crops, _ = people(4)
    half = crops.to(torch.float64)[torch.tensor([True, False, True, False])]
    assert half.batch_shape == (2,)
    assert half.keypoints is not None
    assert half.keypoints.pixels.dtype == half.crops.dtype == torch.float64
    assert half.keypoints.valid.dtype == torch.bool
    assert torch.equal(half.corners, crops.corners[::2].double())


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "size of crops": ({"crops": torch.zeros(2, 3, 256, 192)}, r"crops: expected shape \(2, 3, 224"),
    "no batch": ({"crops": torch.zeros(())}, "crops: expected shape"),
    "too many corners": ({"corners": torch.zeros(3, 4)}, r"corners: expected shape \(2, 4\)"),
    "no area": (
        {"corners": torch.tensor([[0.0, 0, 1, 1], [5, 5, 5, 9]])},
        r"corners: expected finite numbers, x1 < x2 and y1 < y2, found \[5.0, 5.0, 5.0, 9.0\]",
    ),
    "not finite": ({"corners": torch.full((2, 4), math.nan)}, "corners: expected finite"),
    "another camera's shape": ({"intrinsics": torch.zeros(2, 3, 4)}, "intrinsics: expected shape"),
    "no focal length": ({"intrinsics": torch.zeros(2, 3, 3)}, "intrinsics: .*focal lengths over 0"),
    "one size": ({"image_size": torch.ones(2)}, r"image_size: expected shape \(2, 2\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_crops_that_cannot_be_are_refused(what: str) -> None:
    crops, _ = people(2)
    fields, words = WRONG[what]
    with pytest.raises(InputError, match=words):
        replace(crops, **fields)


def test_keypoints_must_be_of_the_same_people_and_skeleton(folder: Path) -> None:
    crops, _ = people(2)
    assert crops.keypoints is not None
    with pytest.raises(InputError, match=r"keypoints: expected batch shape \(2,\)"):
        replace(crops, keypoints=crops.keypoints[:1])
    other = replace(crops, keypoints=replace(crops.keypoints, skeleton=COCO_17))
    with pytest.raises(InputError, match="skeleton: expected h36m_17, the lifter's, found coco_17"):
        made("hmr", folder)(other)


def test_each_backbone_takes_its_own_observation(folder: Path) -> None:
    crops, _ = people(2)
    assert crops.keypoints is not None
    with pytest.raises(InputError, match="observation: expected ImageCrops"):
        made("hmr", folder)(crops.keypoints)
    cls: Any = MESH_LIFTERS["hmr"]
    with pytest.raises(InputError, match="expected Keypoints, for the backbone keypoints"):
        cls(cls.Config(sizes=TINY))(crops)


def test_a_backbone_that_is_not_there_is_told_how_to_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(InputError, match="hf download microsoft/resnet-50"):
        open_backbone("resnet50")
    with pytest.raises(InputError, match="did you mean resnet50"):
        open_backbone("resnet5")
    assert open_backbone("keypoints") is None


def test_other_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model_type: expected resnet, found vitpose"):
        open_backbone(str(save_vitpose(tmp_path / "vitpose")))
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (pickled / name).write_bytes((folder / name).read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04 would run code")
    with pytest.raises(InputError, match=r"pytorch_model.bin, which may run code"):
        ResNetFeatures.load(pickled)
    (pickled / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    config = json.loads((pickled / "config.json").read_text())
    config["hidden_sizes"][-1] = 32
    (pickled / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="missing or of another shape"):
        ResNetFeatures.load(pickled)

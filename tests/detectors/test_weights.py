"""What a model's folder must hold, and what is said where it does not; detectors by name."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from detectors.tiny_models import save_rtdetr, save_vitpose
from detectors.tiny_onnx import save_rtmpose
from poseterior.detectors import DETECTORS, FINDERS, open_detector, open_finder
from poseterior.detectors.rtdetr import RTDetr
from poseterior.detectors.rtmpose import RTMPose
from poseterior.detectors.vitpose import VitPose
from poseterior.detectors.weights import as_device, model_folder
from poseterior.errors import InputError

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vitpose(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub's without anything in it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def change(path: Path, **values: object) -> None:
    """Set values of a JSON object; those named backbone_* of its backbone."""
    config = json.loads(path.read_text())
    for name, value in values.items():
        part = config["backbone_config"] if name.startswith("backbone_") else config
        part[name.removeprefix("backbone_")] = value
    path.write_text(json.dumps(config))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def as_pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04 would run code")


def sharded(folder: Path, shard: str) -> None:
    (folder / WEIGHTS).unlink()
    index = {"metadata": {}, "weight_map": {"head.conv.bias": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json: expected a model's folder"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "config.json: expected JSON"),
    "a list": (lambda f: (f / "config.json").write_text("[]"), "a JSON object, found list"),
    "another model": (
        lambda f: change(f / "config.json", model_type="rt_detr"),
        "config.json: model_type: expected vitpose, found rt_detr",
    ),
    "text for a size": (
        lambda f: change(f / "config.json", backbone_hidden_size="wide"),
        "expected a VitPoseForPoseEstimation, found .*hidden_size",
    ),
    "another width": (
        lambda f: change(f / "config.json", backbone_hidden_size=64),
        "weights: expected all of VitPoseForPoseEstimation, found .* of another shape",
    ),
    "unknown backbone": (
        lambda f: change(f / "config.json", backbone_model_type="foo"),
        "expected a VitPoseForPoseEstimation, found 'foo'",
    ),
    "no processor": (
        lambda f: (f / "preprocessor_config.json").unlink(),
        "preprocessor_config.json: expected the file beside the weights",
    ),
    "broken processor": (
        lambda f: (f / "preprocessor_config.json").write_text("{"),
        "expected a VitPoseForPoseEstimation, found .*JSON",
    ),
    "another crop": (
        lambda f: change(f / "preprocessor_config.json", size={"height": 192, "width": 256}),
        r"size: expected \(256, 192\), height and width of the model's own, found \(192, 256\)",
    ),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "weights as safetensors, found nothing"),
    "a pickle": (as_pickle, "pytorch_model.bin, which may run code and is not opened"),
    "a shard's pickle": (lambda f: sharded(f, "a.bin"), r"weight_map: .*found \['a\.bin'\]"),
    "an absent shard": (lambda f: sharded(f, "a.safetensors"), "found No such file"),
    "half the weights": (lambda f: cut_short(f / WEIGHTS), "expected a VitPoseForPoseEstimation"),
    "empty weights": (lambda f: (f / WEIGHTS).write_bytes(b""), "found Error while deserializing"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_folders_that_cannot_be(folder: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    damage(folder)
    with pytest.raises(InputError, match=message) as raised:
        VitPose.load(folder)
    assert str(folder) in str(raised.value)


def test_missing_weights_are_not_drawn_at_random(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / WEIGHTS)
    del weights["head.conv.weight"]
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 missing or of another shape, such as head\.conv"):
        VitPose.load(folder)


def test_other_numbers_of_joints_are_refused(tmp_path: Path) -> None:
    save_vitpose(tmp_path, joints=16)
    with pytest.raises(InputError, match="num_labels: expected 17, COCO's joints, found 16"):
        VitPose.load(tmp_path)


def test_half_precision_weights_run_in_single(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    halved = {name: weight.half() for name, weight in load_file(folder / WEIGHTS).items()}
    save_file(halved, folder / WEIGHTS, metadata={"format": "pt"})
    change(folder / "config.json", dtype="float16")
    model = VitPose.load(folder).model
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())


def test_loading_says_and_changes_nothing(whole: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled(), torch.get_rng_state()
    VitPose.load(whole)
    after = logging.get_verbosity(), logging.is_progress_bar_enabled(), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    ("kind", "repository"),
    [(VitPose, "usyd-community/vitpose-base-simple"), (RTDetr, "PekingU/rtdetr_r50vd_coco_o365")],
)
def test_the_command_that_fetches_absent_weights(
    kind: type[VitPose] | type[RTDetr], repository: str
) -> None:
    with pytest.raises(InputError, match=f"fetch it: hf download {repository} "):
        kind.load()


def test_the_cache_of_the_hub_is_used(empty_cache: Path, whole: Path) -> None:
    there = empty_cache / "models--usyd-community--vitpose-base-simple"
    shutil.copytree(whole, there / "snapshots" / "abc")
    (there / "refs").mkdir()
    (there / "refs" / "main").write_text("abc")
    found = model_folder("usyd-community/vitpose-base-simple", "vitpose")
    assert found == there / "snapshots" / "abc"
    assert isinstance(open_detector("vitpose"), VitPose)
    assert isinstance(open_detector("usyd-community/vitpose-base-simple"), VitPose)


def test_detectors_and_finders_by_what_they_are(whole: Path, tmp_path: Path) -> None:
    assert sorted(DETECTORS) == ["rtmpose", "vitpose"]
    assert sorted(FINDERS) == ["rtdetr"]
    detector = open_detector(whole, flip=False, batch_size=4)
    assert isinstance(detector, VitPose)
    assert (detector.flip, detector.batch_size) == (False, 4)
    path = save_rtmpose(tmp_path / "end2end.onnx")
    assert isinstance(open_detector(path), RTMPose)
    assert isinstance(open_detector(tmp_path), RTMPose)
    finder = open_finder(save_rtdetr(tmp_path / "rtdetr"), threshold=0.5)
    assert isinstance(finder, RTDetr)
    assert finder.threshold == 0.5


@pytest.mark.usefixtures("empty_cache")
def test_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"did you mean vitpose\?"):
        open_detector("vitpos")
    with pytest.raises(InputError, match=r"did you mean rtdetr\?"):
        open_finder("rtdet")
    with pytest.raises(InputError, match=r"config\.json: expected a model's folder"):
        open_detector(tmp_path)
    with pytest.raises(InputError, match="hf download nobody/nothing "):
        open_detector("nobody/nothing")


@pytest.mark.parametrize("name", ["nonsense", "meta", "cuda:99"])
def test_devices_that_are_not_there(name: str) -> None:
    with pytest.raises(InputError, match="device: expected cpu"):
        as_device(name)


@pytest.mark.parametrize(
    ("kind", "module"),
    [(VitPose, "transformers"), (RTDetr, "transformers"), (RTMPose, "onnxruntime"),
     (VitPose, "PIL.Image"), (RTMPose, "PIL.Image")],
)  # fmt: skip
def test_an_absent_extra_names_the_command(
    whole: Path, monkeypatch: pytest.MonkeyPatch, kind: type[VitPose], module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'poseterior\[detect\]', found not inst"):
        kind.load(whole / "config.json" if kind is RTMPose else whole)

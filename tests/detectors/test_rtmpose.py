"""RTMPose from an ONNX file: spots of known place and width, mirrors, and files that cannot be."""

from __future__ import annotations

import shutil
import subprocess
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.tiny_models import noise, spot
from detectors.tiny_onnx import save_identity, save_rtmpose
from poseterior.detectors.rtmpose import RTMPose
from poseterior.errors import InputError
from poseterior.geometry.skeleton import COCO_17
from poseterior.keypoints import Detector

IMAGE = (640, 480)
BOXES = torch.tensor(
    [[200.0, 100, 300, 330], [50.3, 150.7, 420.1, 260.9], [-60.5, -60.2, 120.9, 240.4]]
)
PLACES = [(251.37, 210.81), (240.2, 221.9), (60.3, 70.4)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_rtmpose(tmp_path_factory.mktemp("rtmpose") / "end2end.onnx")


def crop_pixel(row: int) -> float:
    """Px of the image that a px of the crop of a box covers."""
    width, height = (BOXES[row, 2:] - BOXES[row, :2]).tolist()
    return 1.25 * max(height, width * 4 / 3) / 256


def test_it_is_a_detector_of_cocos_joints(path: Path) -> None:
    detector = RTMPose.load(path)
    assert isinstance(detector, Detector)
    assert detector.bins_per_pixel == 2
    found = detector.detect([noise(IMAGE), noise((50, 60))], [BOXES, BOXES[:0]])
    assert [tuple(people.pixels.shape) for people in found] == [(3, 17, 2), (0, 17, 2)]
    assert all(people.skeleton == COCO_17 for people in found)
    assert found[0].pixels.dtype == found[0].covariance.dtype == torch.float32
    assert found[0].image_size.tolist() == [[640, 480]] * 3


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("flip", [False, True])
def test_a_spot_is_found_where_it_is(path: Path, row: int, flip: bool) -> None:
    unit = crop_pixel(row)
    image = spot(IMAGE, PLACES[row], [[6 * unit**2, 0], [0, 8 * unit**2]])
    (found,) = RTMPose.load(path, flip=flip).detect([image], [BOXES[row : row + 1]])
    expected = torch.tensor(PLACES[row]).expand(1, 17, 2)
    torch.testing.assert_close(found.pixels, expected, atol=0.1 * unit, rtol=0)
    assert found.confidence[0].tolist() == pytest.approx([250 / 255] * 17, abs=0.06)
    assert not found.doubtful.any()


def test_what_certain_joints_have_too_is_taken_off(path: Path) -> None:
    """A spot as wide as the training targets is as certain as it gets, a wider one is not."""
    unit = crop_pixel(0)
    narrow = [[6 * unit**2, 0], [0, 8 * unit**2]]
    wide = [[96 * unit**2, 0], [0, 32 * unit**2]]
    detector = RTMPose.load(path)
    certain, unsure = (
        detector.detect([spot(IMAGE, PLACES[0], covariance)], [BOXES[:1]])[0].covariance[0, 0]
        for covariance in (narrow, wide)
    )
    least = (0.3 * 4 * unit) ** 2
    torch.testing.assert_close(certain.diagonal(), torch.tensor([least] * 2), rtol=0.05, atol=0)
    # Ten times the target's exponent and a softmax: a Gaussian of a share of the variance.
    share = 0.85**2 / 2.45**2
    expected = torch.tensor([90 * share * unit**2, 24 * share * unit**2]).clamp_min(least)
    torch.testing.assert_close(unsure.diagonal(), expected, rtol=0.2, atol=0)
    assert float(unsure[0, 1]) == 0


def test_a_mirrored_image_has_mirrored_people(path: Path) -> None:
    across = IMAGE[0] - 1.0
    image = np.maximum(
        spot(IMAGE, PLACES[0], [[400.0, 0], [0, 300.0]]),
        (0.7 * spot(IMAGE, (222.2, 140.4), [[100.0, 0], [0, 100.0]])).astype(np.uint8),
    )
    turned = torch.stack([across - BOXES[:, 2], BOXES[:, 1], across - BOXES[:, 0], BOXES[:, 3]], -1)
    detector = RTMPose.load(path)
    (ours,) = detector.detect([image], [BOXES[:1]])
    (theirs,) = detector.detect([np.ascontiguousarray(image[:, ::-1])], [turned[:1]])
    back = torch.stack([across - theirs.pixels[..., 0], theirs.pixels[..., 1]], -1)
    torch.testing.assert_close(ours.pixels, back, atol=0.1, rtol=0)
    torch.testing.assert_close(ours.covariance, theirs.covariance, atol=1.0, rtol=0.02)


def test_a_batch_equals_its_people_one_by_one(path: Path, tmp_path: Path) -> None:
    images = [spot(IMAGE, place, [[90.0, 0], [0, 50.0]]) for place in PLACES]
    boxes = [BOXES, BOXES[:0], BOXES[1:]]
    together = RTMPose.load(path).detect(images, boxes)
    one = save_rtmpose(tmp_path / "one.onnx", batch=1)
    for detector in (RTMPose.load(path, batch_size=2), RTMPose.load(one)):
        for found, expected in zip(detector.detect(images, boxes), together, strict=True):
            torch.testing.assert_close(found.pixels, expected.pixels)
            torch.testing.assert_close(found.covariance, expected.covariance)


def test_its_fingerprint_is_the_file_s(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    other = save_rtmpose(tmp_path / "one.onnx", batch=1)
    found = [RTMPose.load(each).fingerprint() for each in (path, copy, other)]
    assert found[0] == found[1] != found[2]


def test_a_black_image_is_unsure_of_everything(path: Path) -> None:
    (found,) = RTMPose.load(path).detect([np.zeros((480, 640, 3), np.uint8)], [BOXES[:1]])
    assert found.pixels.isfinite().all()
    assert found.doubtful.all()
    assert (torch.linalg.eigvalsh(found.covariance).sqrt() > 40).all()


def test_the_file_of_a_folder_or_of_the_cache(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RTMPose.load(path.parent).path == path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "poseterior" / "rtmpose"
    folder.mkdir(parents=True)
    first = save_rtmpose(folder / "end2end.onnx")
    assert RTMPose.load().path == first
    save_rtmpose(folder / "other.onnx")
    with pytest.raises(InputError, match=r"one \.onnx file, or its path, found end2end\.onnx, oth"):
        RTMPose.load()


def test_the_command_that_fetches_it_fills_the_cache(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is printed, but for the download."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "my cache"))
    with pytest.raises(
        InputError, match=r"fetch it: curl -LO https://.*/rtmpose-m.*\.zip && "
    ) as e:
        RTMPose.load()
    download, rest = e.value.expected.split("fetch it: ")[1].split(" && ", maxsplit=1)
    with zipfile.ZipFile(tmp_path / download.rsplit("/", maxsplit=1)[1], "w") as archive:
        archive.write(path, "rtmpose-m/end2end.onnx")
        archive.writestr("rtmpose-m/pipeline.json", "{}")
    if shutil.which("unzip") is None:
        pytest.skip("needs unzip")
    subprocess.run(rest, shell=True, check=True, cwd=tmp_path, capture_output=True)
    folder = tmp_path / "my cache" / "poseterior" / "rtmpose"
    assert RTMPose.load().path == folder / "end2end.onnx"


def test_files_that_are_no_onnx_model(path: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("hello")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(path.read_bytes()[:500])
    for broken in (text, cut):
        with pytest.raises(InputError, match=rf"{broken.name}: expected an ONNX model, found"):
            RTMPose.load(broken)
    with pytest.raises(InputError, match="nothing"):
        RTMPose.load(tmp_path / "absent.onnx")


def test_other_networks_are_refused(tmp_path: Path) -> None:
    other = save_identity(tmp_path / "other.onnx", ["batch", 3, 256, 192])
    with pytest.raises(InputError, match=r"other\.onnx: inputs and outputs: expected one float"):
        RTMPose.load(other)
    joints = save_rtmpose(tmp_path / "joints.onnx", joints=26)
    with pytest.raises(InputError, match=r"joints\.onnx: outputs: .*found \(1, 26, 384\)"):
        RTMPose.load(joints)
    uneven = save_rtmpose(tmp_path / "uneven.onnx", stretch=(2, 3))
    with pytest.raises(InputError, match=r"uneven\.onnx: outputs: .*and \(1, 17, 768\)"):
        RTMPose.load(uneven)
    fixed = save_rtmpose(tmp_path / "fixed.onnx", batch=4)
    with pytest.raises(InputError, match=r"fixed\.onnx: inputs and outputs"):
        RTMPose.load(fixed)


@pytest.mark.parametrize("device", ["tpu", "cuda:x", ""])
def test_a_device_that_is_not_there(path: Path, device: str) -> None:
    with pytest.raises(InputError, match="device: expected cpu"):
        RTMPose.load(path, device)


def test_a_gpu_that_cannot_be_used_is_not_replaced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library itself goes on with the CPU and warns."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("there is one")
    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(InputError, match="device: expected cuda to work, found CPU"),
    ):
        RTMPose.load(path, "cuda")


def test_people_at_a_time_are_one_or_more(path: Path) -> None:
    with pytest.raises(InputError, match="batch_size: expected 1 or more, found -1"):
        RTMPose.load(path, batch_size=-1)

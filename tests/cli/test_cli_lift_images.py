"""`poseterior lift` of photos, folders of them and videos."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli_files import assert_refused, observations, save

from fake_detectors import STANDING, BlockFinder, BoxDetector, draw
from poseterior.geometry.skeleton import H36M_17

Image = pytest.importorskip("PIL.Image", reason="reading images needs Pillow")

H = 5
A, B = (30.0, 20.0, 60.0), (200.0, 60.0, 40.0)


@pytest.fixture
def detectors(monkeypatch):
    """The finder and detector of drawn people, under the names that the command asks for."""
    module = pytest.importorskip("poseterior.detectors", reason="detectors need their extra")
    asked = []

    def opened(what):
        def open_one(name, device="cpu"):
            asked.append((name, device))
            return what()

        return open_one

    monkeypatch.setattr(module, "open_detector", opened(BoxDetector))
    monkeypatch.setattr(module, "open_finder", opened(BlockFinder))
    return asked


@pytest.fixture
def lift(run, tiny_lifter, tmp_path, detectors):
    def command(source, *options, out="out.npz", hypotheses=H):
        return run("lift", source, "--out", tmp_path / out, "--hypotheses", hypotheses, "--lifter",
                   tiny_lifter, "--detector", "vitpose", *options)  # fmt: skip

    return command


def arrays_of(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def photo(path, people=(A, B), **options):
    Image.fromarray(draw(people)).save(path, **options)
    return path


def test_a_photo_of_two(lift, tmp_path, detectors):
    path = photo(tmp_path / "photo.png")
    ended = lift(path, "--person", "all", "--device", "cpu")
    assert ended.code == 0, ended.err
    assert "2 people in 1 frame; 2 poses" in ended.out
    assert "4 of 34 joints were seen in no single place" in ended.out
    assert "assumed focal: 1.15 times the image's longer side" in ended.err
    assert detectors == [("vitpose", "cpu"), ("rtdetr", "cpu")]
    arrays = arrays_of(tmp_path / "out.npz")
    assert arrays["person"].tolist() == [0, 1]
    wrist = H36M_17.index("left_wrist")
    expected = [np.array([x - 0.5, y - 0.5]) + s * STANDING[9] for x, y, s in (A, B)]
    assert arrays["observed_keypoints"][:, wrist] == pytest.approx(np.array(expected), abs=1e-3)
    told = json.loads(str(arrays["provenance"]))
    assert told["frames"]["detector"] == "vitpose"
    assert told["assumptions"]["focal"].startswith("1.15")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.npz", "photo.png"]


def test_a_phone_s_photo_is_turned_and_its_lens_known(lift, tmp_path):
    from drawn_media import exif_jpeg

    upright = draw([A], size=(240, 320))
    path = tmp_path / "phone.jpg"
    # Orientation 6: stored rows run down the scene's right side.
    path.write_bytes(exif_jpeg(np.rot90(upright, 1), {0xA405: 26}, orientation=6))
    ended = lift(path)
    assert ended.code == 0, ended.err
    assert ended.err == "focal length by EXIF: 240 px\n"  # 26 / 43.27 of 400 px
    arrays = arrays_of(tmp_path / "out.npz")
    assert arrays["observed_intrinsics"][0] == pytest.approx(
        np.array([[240.37, 0, 120], [0, 240.37, 160], [0, 0, 1]]), abs=0.05
    )
    neck = arrays["observed_keypoints"][0, H36M_17.index("left_shoulder")]
    assert neck == pytest.approx(np.array(A[:2]) + A[2] * STANDING[5] - 0.5, abs=1)
    told = json.loads(str(arrays["provenance"]))
    assert told["frames"]["focal_by_exif_px"] == pytest.approx([240.37] * 2, abs=0.05)
    assert "focal" not in lift(path, "--focal", 300, out="b.npz").err


def test_a_video_with_broken_frames_and_a_report(lift, tmp_path):
    pytest.importorskip("av", reason="reading videos needs PyAV")
    from drawn_media import HEIGHT, WIDTH, break_frames, write_video

    people = [[(5 + n, 8, 36)] if n != 10 else [] for n in range(30)]
    images = [draw(p, size=(WIDTH, HEIGHT)) for p in people]
    path = write_video(tmp_path / "clip.mp4", images, g="15", bf="0")
    break_frames(path, [29])
    page = tmp_path / "page.html"
    ended = lift(path, "--report", page)
    assert ended.code == 0, ended.err
    assert "warning: 1 of 30 frames cannot be read: frame 29 (0.97 s)\n" in ended.err
    assert "1 person in 30 frames, 30 a second; 30 poses" in ended.out
    assert "2 could not be lifted" in ended.out
    arrays = arrays_of(tmp_path / "out.npz")
    assert np.flatnonzero(~arrays["valid"]).tolist() == [10, 29]
    assert arrays["frame"].tolist() == list(range(30))
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 6
    assert "1 person in clip.mp4" in text
    assert "joints were seen in no single place" in text
    assert "://" not in text.split("<script")[0]


def test_a_folder_of_images_is_a_clip(lift, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in (2, 10, 1):
        photo(folder / f"{number}.png", [(10.0 + 2 * number, 20.0, 60.0)])
    ended = lift(folder)
    assert ended.code == 0, ended.err
    arrays = arrays_of(tmp_path / "out.npz")
    assert arrays["frame"].tolist() == [1, 2, 10]
    assert arrays["clip"].tolist() == ["clip"] * 3
    assert arrays["person"].tolist() == [0, 0, 0]


def test_several_people_of_a_clip_are_listed_and_one_can_be_asked_for_later(lift, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(3):
        photo(folder / f"{number}.png", [A, B] if number else [A])
    (folder / "3.png").write_bytes(b"broken")
    ended = lift(folder, "--person", 4)
    assert_refused(ended, "person", "0 to 1", "what was detected is kept in")
    ended = lift(folder, "--person", 1)
    assert ended.code == 0, ended.err
    assert "2 people in 4 frames (number 0 in 3, 1 in 2); 4 poses" in ended.out
    assert "warning: 1 of 4 frames cannot be read: 3.png\n" in ended.err
    assert arrays_of(tmp_path / "out.npz")["valid"].tolist() == [False, True, True, False]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip", "out.npz"]


def test_nobody_ends_well_with_an_empty_result(lift, run, tmp_path):
    path = photo(tmp_path / "photo.png", [])
    page = tmp_path / "page.html"
    ended = lift(path, "--report", page, hypotheses=20)
    assert ended.code == 0
    assert "nobody was found" in ended.err
    assert "no single place" not in ended.out
    arrays = arrays_of(tmp_path / "out.npz")
    assert arrays["valid"].tolist() == [False]
    assert not arrays["hypotheses"].any()
    assert "Nobody was found in photo.png" in page.read_text()
    assert "nobody in 1 frame; 1 pose, 20 hypotheses each; 1 could not be lifted" in ended.out
    target = np.random.default_rng(0).normal(0, 0.2, (1, 17, 3))
    target -= target[:, :1]
    truth = save(tmp_path / "truth.npz", {"target": target, "skeleton": "h36m_17"})
    for name, *options in (
        ("score", "--target", truth),
        ("diagnose", "--target", truth),
        ("smooth", "--out", tmp_path / "s.npz"),
        ("recalibrate", "--target", truth, "--method", "spread", "--out", tmp_path / "r.json"),
    ):
        refused = run(name, tmp_path / "out.npz", *options)
        assert_refused(refused, "out.npz", "found 0" if name == "recalibrate" else "valid row")


def test_a_box_needs_no_finder(lift, tmp_path, detectors):
    path = photo(tmp_path / "photo.png")
    ended = lift(path, "--box", 200, 60, 240, 140)
    assert ended.code == 0, ended.err
    assert detectors == [("vitpose", "cpu")]
    wrist = arrays_of(tmp_path / "out.npz")["observed_keypoints"][0, H36M_17.index("left_wrist")]
    assert wrist == pytest.approx(np.array(B[:2]) + B[2] * STANDING[9], abs=1e-3)


def test_what_cannot_be(lift, run, tmp_path):
    path = photo(tmp_path / "photo.png")
    assert_refused(lift(path, "--box", 900, 60, 940, 140), "box", "320 x 240")
    assert_refused(lift(path, "--box", 30, 60, 20, 140), "box")
    assert_refused(lift(path, "--skeleton", "coco_17"), "--skeleton")
    assert_refused(lift(path, "--image-size", 10, 10), "--image-size")
    assert_refused(lift(path, "--person", 7), "person")
    assert_refused(lift(tmp_path / "none.png"), "none.png", "no such file")
    assert_refused(lift(save(tmp_path / "o.npz", observations())), "o.npz", "an image")
    (tmp_path / "bad.png").write_bytes(path.read_bytes()[:200])
    assert_refused(lift(tmp_path / "bad.png"), "bad.png")
    (tmp_path / "empty.jpg").touch()
    assert_refused(lift(tmp_path / "empty.jpg"), "empty.jpg", "an empty file")
    plain = ("lift", path, "--out", tmp_path / "x.npz")
    assert_refused(run(*plain), "--detector", "vitpose", "an image")
    own = save(tmp_path / "own.npz", observations())
    boxed = run("lift", own, "--out", tmp_path / "x.npz", "--box", 1, 2, 3, 4)
    assert_refused(boxed, "--box", "--detector")
    assert not list(tmp_path.glob("*.parts"))
    assert not (tmp_path / "out.npz").exists()


def test_keypoints_have_a_report_too(run, tiny_lifter, tmp_path):
    own = save(tmp_path / "own.npz", observations())
    page = tmp_path / "page.html"
    ended = run("lift", own, "--out", tmp_path / "x.npz", "--lifter", tiny_lifter,
                "--hypotheses", H, "--report", page)  # fmt: skip
    assert ended.code == 0, ended.err
    text = page.read_text()
    assert "6 poses of own.npz" in text
    assert "data:image/jpeg" not in text


class Retrained(BoxDetector):
    def fingerprint(self):
        return "1"


class Interrupts(BoxDetector):
    def detect(self, images, boxes):
        if self.seen == 2:
            raise KeyboardInterrupt
        return super().detect(images, boxes)


def test_a_stopped_lift_says_how_to_go_on(lift, tmp_path, monkeypatch, detectors):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(4):
        photo(folder / f"{number}.png")
    import poseterior.detectors as module

    works = module.open_detector
    monkeypatch.setattr(module, "open_detector", lambda *_: Interrupts())
    ended = lift(folder)
    assert ended.code == 130
    assert "the same command goes on" in ended.err
    monkeypatch.setattr(module, "open_detector", lambda *_: Retrained())
    assert_refused(lift(folder), "about.json: detector_weights", "found 0")
    monkeypatch.setattr(module, "open_detector", works)
    assert lift(folder).code == 0
    assert lift(folder, out="b.npz").code == 0
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_real_models_saved_on_disk(run, tiny_lifter, tmp_path):
    """Small random ViTPose and RT-DETR in the real format: wherever they see people, it lifts."""
    pytest.importorskip("transformers", reason="needs the extra [detect]")
    from detectors.tiny_models import save_rtdetr, save_vitpose

    vitpose, rtdetr = save_vitpose(tmp_path / "vitpose"), save_rtdetr(tmp_path / "rtdetr")
    path = photo(tmp_path / "photo.png")
    base = ("lift", path, "--detector", vitpose, "--hypotheses", H, "--lifter", tiny_lifter)
    page = tmp_path / "page.html"
    ended = run(*base, "--out", tmp_path / "a.npz", "--box", *(30, 20, 90, 140), "--report", page)
    assert ended.code == 0, ended.err
    arrays = arrays_of(tmp_path / "a.npz")
    assert arrays["valid"].tolist() == [True]
    assert np.linalg.eigvalsh(arrays["observed_covariance"][0]).min() >= 0
    assert page.stat().st_size > 100_000
    ended = run(*base, "--out", tmp_path / "b.npz", "--finder", rtdetr, "--person", "all")
    assert ended.code == 0, ended.err
    assert_refused(run(*base[:3], rtdetr, "--out", tmp_path / "c.npz"), "model_type")

"""Images: orientation, focal length, folders, and files that cannot be read."""

from __future__ import annotations

import math

import numpy as np
import pytest

from drawn_media import exif_jpeg, numbered, shown_number
from poseterior.data.exif_focal import exif_focal
from poseterior.data.frames import Frame, FrameSource, media_kind
from poseterior.data.images import open_images, read_image
from poseterior.errors import InputError

Image = pytest.importorskip("PIL.Image", reason="reading images needs Pillow")

F35, FOCAL, RESOLUTION, UNIT, WIDTH, HEIGHT = 0xA405, 0x920A, 0xA20E, 0xA210, 0xA002, 0xA003

# EXIF 2.32, tag 274: where the stored row 0 and column 0 are in the scene.
SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera stores of an upright scene, by the sides that EXIF's table names."""
    row, column = SIDES[orientation]
    stored = upright
    if row in ("left", "right"):
        stored = stored.transpose(1, 0, 2)
    if "bottom" in (row, column):
        stored = stored[::-1] if row == "bottom" else stored[:, ::-1]
    if "right" in (row, column):
        stored = stored[::-1] if row == "right" else stored[:, ::-1]
    return np.ascontiguousarray(stored)


@pytest.mark.parametrize("orientation", SIDES)
def test_images_come_out_upright(tmp_path, orientation):
    scene = np.zeros((40, 64, 3), np.uint8)
    scene[:16, :24] = (255, 0, 0)  # red, top left
    scene[24:, 40:] = (0, 0, 255)  # blue, bottom right
    path = tmp_path / "photo.jpg"
    path.write_bytes(exif_jpeg(as_stored(scene, orientation), {}, orientation))
    found = read_image(path).pixels
    assert found.dtype == np.uint8
    assert found.shape == (40, 64, 3)
    assert np.abs(found.astype(int) - scene).mean() < 6


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1"])
def test_any_mode_of_eight_bits_is_read_as_rgb(tmp_path, mode):
    path = tmp_path / f"photo.{'tif' if mode == 'CMYK' else 'png'}"
    Image.fromarray(numbered(5)).convert(mode).save(path)
    assert read_image(path).pixels.shape == (96, 160, 3)
    assert shown_number(read_image(path).pixels) == 5


def test_the_focal_length_of_35_mm_film_has_the_films_diagonal_angle():
    focal, words = exif_focal({F35: 50}, 3000, 2000)
    angle = 2 * math.degrees(math.atan(math.hypot(3000, 2000) / 2 / focal))
    assert angle == pytest.approx(46.79, abs=0.01)  # the textbook's normal lens
    assert "FocalLengthIn35mmFilm" in words


@pytest.mark.parametrize(("unit", "resolution"), [(2, 25.4 * 250), (3, 2500), (4, 250)])
def test_the_focal_length_of_the_sensor(unit, resolution):
    tags = {FOCAL: 8.0, RESOLUTION: resolution, UNIT: unit, WIDTH: 4000, HEIGHT: 3000}
    assert exif_focal(tags, 4000, 3000)[0] == pytest.approx(2000)  # 250 px/mm times 8 mm
    assert exif_focal(tags, 1500, 2000)[0] == pytest.approx(1000)  # turned, and half as large
    assert exif_focal({**tags, F35: 0}, 4000, 3000)[0] == pytest.approx(2000)


@pytest.mark.parametrize(
    "tags",
    [{}, {F35: 0}, {F35: float("nan")}, {F35: "x"}, {FOCAL: 5.0}, {F35: 1e6},
     {FOCAL: 5.0, RESOLUTION: 0.0}, {FOCAL: 5.0, RESOLUTION: 100.0, UNIT: 77}],
)  # fmt: skip
def test_entries_that_say_nothing_give_no_focal_length(tags):
    assert exif_focal(tags, 1000, 1000) is None


def test_the_focal_length_is_read_from_a_file(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(exif_jpeg(numbered(1), {F35: 28}, orientation=6))
    photo = read_image(path)
    assert photo.focal == pytest.approx(28 * math.hypot(160, 96) / math.hypot(36, 24))
    assert "28 mm" in photo.focal_from
    path.write_bytes(exif_jpeg(numbered(1), {}))
    assert read_image(path).focal is None


def truncated(path):
    path.write_bytes(path.read_bytes()[:300])


def damaged(path):
    data = bytearray(path.read_bytes())
    data[40:] = bytes(len(data) - 40)
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("no image")


def without_pixels(path):
    """A header of 0 x 16 px."""
    header(path, 0, 16)


def bomb(path):
    """A header of 60,000 x 60,000 px."""
    header(path, 60_000, 60_000)


def header(path, width, height):
    import struct
    import zlib

    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">2I", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)


def deep(path):
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(path)


def removed(path):
    path.unlink()


@pytest.mark.parametrize(
    "spoil", [truncated, damaged, empty, text, bomb, deep, removed, without_pixels]
)
def test_a_bad_file_is_one_error_that_names_it(tmp_path, spoil):
    path = tmp_path / "photo.png"
    Image.fromarray(numbered(3)).save(path)
    spoil(path)
    with pytest.raises(InputError, match=r"photo\.png"):
        read_image(path)


def test_what_is_wrong_is_said_in_words_that_help(tmp_path):
    path = tmp_path / "photo.jpg"
    empty(path)
    with pytest.raises(InputError, match="found an empty file"):
        read_image(path)
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(InputError, match="found HEIC, which Pillow does not read: convert it"):
        read_image(path)


def test_a_folder_is_a_clip_in_natural_order_and_keeps_what_is_broken(tmp_path):
    for number in (10, 9, 2, 1):
        Image.fromarray(numbered(number)).save(tmp_path / f"frame_{number}.png")
    truncated(tmp_path / "frame_9.png")
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._frame_1.png").write_bytes(b"as macOS leaves on other systems' disks")
    images = open_images(tmp_path)
    assert isinstance(images, FrameSource)
    frames = list(images.read())
    assert images.frames == 4
    assert [f.place for f in frames] == [0, 1, 2, 3]
    assert [f.number for f in frames] == [1, 2, 9, 10]
    assert frames[2].image is None
    assert [shown_number(f.image) for f in frames if f.image is not None] == [1, 2, 10]
    assert [f.number for f in images.read(3)] == [10]
    assert images.title(9) == "frame_9.png"
    before = images.fingerprint()
    Image.fromarray(numbered(4)).save(tmp_path / "frame_2.png")
    assert open_images(tmp_path).fingerprint() != before


def test_a_broken_image_alone_is_an_error(tmp_path):
    path = tmp_path / "photo.png"
    text(path)
    with pytest.raises(InputError, match=r"photo\.png"):
        list(open_images(path).read())
    with pytest.raises(InputError, match="nowhere"):
        open_images(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jpg", b"\xff\xd8\xff\xe0", "image"),
        ("no_ending", b"\x89PNG\r\n\x1a\n", "image"),
        ("called.png", b"\0\0\0\x20ftypisom", "video"),
        ("phone.heic", b"\0\0\0\x20ftypheic", "image"),
        ("a.mkv", b"\x1aE\xdf\xa3", "video"),
        ("a.webp", b"RIFF\0\0\0\0WEBP", "image"),
        ("a.avi", b"RIFF\0\0\0\0AVI ", "video"),
        ("a.png", b"", "image"),
        ("a.json", b"{}", None),
        ("a.npz", b"PK\3\4", None),
    ],
)
def test_what_a_file_is(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    assert media_kind(tmp_path / name) == kind


def test_what_a_folder_is(tmp_path):
    assert media_kind(tmp_path) is None
    (tmp_path / "a.JPG").touch()
    assert media_kind(tmp_path) == "images"
    assert media_kind(tmp_path / "nowhere") is None


def test_a_frame_without_an_image_is_broken():
    assert Frame(0, 0, None).image is None

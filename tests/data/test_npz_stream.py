"""Streaming reader and writer against numpy's own `load` and `savez`."""

from __future__ import annotations

import io
import itertools
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from poseterior.data.npz_stream import NpzReader, check_writable, replacing, write_npz
from poseterior.errors import InputError

DTYPES = ["<f4", ">f8", "<i2", "|b1", "<U5", "|u1", "<f2"]


def _saved(folder, save=np.savez, **arrays):
    path = folder / "a.npz"
    save(path, **arrays)
    return path


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(DTYPES),
    shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5),
    rows=st.integers(1, 7),
    compressed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_chunks_joined_are_what_numpy_loads(tmp_path, dtype, shape, rows, compressed, seed):
    random = np.random.default_rng(seed)
    array = random.integers(0, 2, shape).astype(dtype)
    save = np.savez_compressed if compressed else np.savez
    path = _saved(tmp_path, save, array=array, index=np.arange(shape[0]))
    with NpzReader(path) as reader:
        chunks = list(reader.chunks(["array", "index"], rows))
        whole = reader.read("array")
    np.testing.assert_array_equal(np.concatenate([c["array"] for c in chunks]), array)
    np.testing.assert_array_equal(np.concatenate([c["index"] for c in chunks]), range(shape[0]))
    np.testing.assert_array_equal(whole, array)
    assert whole.dtype.isnative
    assert all(len(c["array"]) <= rows for c in chunks)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 9), max_size=4), dtype=st.sampled_from(["f4", "<U5", "?", "i8"])
)
def test_written_in_pieces_is_what_numpy_loads(tmp_path, cuts, dtype):
    array = (np.arange(9 * 6).reshape(9, 2, 3) % 7).astype(dtype)
    edges = sorted({0, 9, *cuts})
    path = tmp_path / "b.npz"
    with write_npz(path, 9) as out:
        out.put(name="text")
        for start, end in itertools.pairwise(edges):
            out.write(start, array=array[start:end], other=np.arange(start, end))
    with np.load(path, allow_pickle=False) as loaded:
        np.testing.assert_array_equal(loaded["array"], array)
        np.testing.assert_array_equal(loaded["other"], np.arange(9))
        assert loaded["name"] == "text"
        assert loaded["name"].shape == ()
    assert list(tmp_path.iterdir()) == [path]


def test_rows_not_written_are_zero_and_equal_content_makes_equal_files(tmp_path):
    contents = []
    for name in ("a.npz", "b.npz"):
        with write_npz(tmp_path / name, 5) as out:
            out.write(3, late=np.ones((1, 2), np.float32))
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    with np.load(tmp_path / "a.npz") as loaded:
        np.testing.assert_array_equal(loaded["late"], [[0, 0]] * 3 + [[1, 1], [0, 0]])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failure_in_the_middle_leaves_nothing(tmp_path, error, before):
    path = tmp_path / "out.npz"
    if before is not None:
        path.write_bytes(before)

    def fail():
        with write_npz(path, 100) as out:
            out.write(0, x=np.ones((10, 3)))
            raise error

    with pytest.raises(error):
        fail()
    assert [p.name for p in tmp_path.iterdir()] == ([] if before is None else ["out.npz"])
    assert before is None or path.read_bytes() == before


def test_a_failure_while_zipping_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("poseterior.data.npz_writer.shutil.copyfileobj", full)
    with pytest.raises(InputError, match="No space left"), write_npz(tmp_path / "o.npz", 2) as out:
        out.write(0, x=np.ones(2))
    assert list(tmp_path.iterdir()) == []


def test_wrong_pieces_are_refused(tmp_path):
    with write_npz(tmp_path / "o.npz", 4) as out:
        out.write(0, x=np.ones((1, 3)))
        for piece in (np.ones((1, 4)), np.ones((1, 3), np.float32), np.ones((5, 3))):
            with pytest.raises(ValueError, match="x:"):
                out.write(1, x=piece)
        with pytest.raises(ValueError, match="object"):
            out.write(0, y=np.array([None]))


def test_replacing_writes_text_whole_or_not(tmp_path):
    path = tmp_path / "r.json"
    with replacing(path) as temporary:
        temporary.write_text("{}")
        assert not path.exists()
    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["missing/o.npz", "file/o.npz", "folder"])
def test_places_that_cannot_be_written(tmp_path, place):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=place.split("/")[-1]):
        check_writable(tmp_path / place)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_refuses_files():
    with pytest.raises(InputError, match="can be written"):
        check_writable("/proc/out.npz")


def _object(folder):
    return _saved(folder, x=np.array([{}, 1], dtype=object))


def _fortran(folder):
    return _saved(folder, x=np.asfortranarray(np.ones((3, 2))))


def _cut(folder):
    path = _saved(folder, x=np.ones((1000, 3)))
    path.write_bytes(path.read_bytes()[:9000])
    return path


def _text(folder):
    path = folder / "t.npz"
    path.write_text("not a zip at all")
    return path


def _npy(folder):
    path = folder / "x.npy"
    np.save(path, np.ones(3))
    return path


def _lying_header(folder):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)}
    np.lib.format.write_array_header_1_0(stream, header)
    return _zip(folder, stream.getvalue() + bytes(24))


def _foreign_member(folder):
    return _zip(folder, b"PNG something else")


def _bzip(folder):
    stream = io.BytesIO()
    np.save(stream, np.ones((5, 2)))
    return _zip(folder, stream.getvalue(), zipfile.ZIP_BZIP2)


def _zip(folder, data, compression=zipfile.ZIP_STORED):
    path = folder / "z.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", data)
    return path


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (_object, "object array"), (_fortran, "Fortran"), (_cut, "truncated"),
        (_text, "foreign"), (_npy, "foreign"), (_lying_header, "24 bytes"),
        (_foreign_member, "foreign"), (_bzip, "compression 12"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read(tmp_path, make, found):
    path = make(tmp_path)
    with pytest.raises(InputError, match=found) as caught:
        NpzReader(path)["x"]
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_inside_the_data_is_found(tmp_path, save):
    path = _saved(tmp_path, save, x=np.random.default_rng(0).normal(size=(500, 3)))
    data = bytearray(path.read_bytes())
    data[6000:6004] = b"oops"
    path.write_bytes(data)
    with NpzReader(path) as reader, pytest.raises(InputError, match="x: expected intact data"):
        list(reader.chunks(["x"], 100))


def test_missing_files_and_arrays(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        NpzReader(tmp_path / "none.npz")
    with pytest.raises(InputError, match="a folder"):
        NpzReader(tmp_path)
    path = _saved(tmp_path, y=np.ones(3))
    with NpzReader(path) as reader, pytest.raises(InputError, match="found only y"):
        reader.read("x")


def test_arrays_never_asked_for_are_never_looked_at(tmp_path):
    path = _saved(tmp_path, x=np.ones(3), extra=np.array([{}], dtype=object))
    with NpzReader(path) as reader:
        assert "extra" in reader
        assert reader.read("x").tolist() == [1, 1, 1]


def test_fingerprint_follows_the_content(tmp_path):
    def of(**arrays):
        with NpzReader(_saved(tmp_path, **arrays)) as reader:
            return reader.fingerprint()

    assert of(x=np.ones(3)) == of(x=np.ones(3))
    assert len({of(x=np.ones(3)), of(x=np.zeros(3)), of(y=np.ones(3)), of(x=np.ones(4))}) == 4


def _peak(function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("compressed", [False, True])
def test_memory_is_that_of_a_chunk_not_of_the_file(tmp_path, compressed):
    rows, width = 20_000, 500
    path = tmp_path / "big.npz"

    def write():
        with write_npz(path, rows) as out:
            for start in range(0, rows, 500):
                out.write(start, x=np.full((500, width), start, np.float32))

    def read():
        with NpzReader(path) as reader:
            assert sum(c["x"][:, 0].sum() for c in reader.chunks(["x"], 500)) == pytest.approx(
                sum(500 * s for s in range(0, rows, 500))
            )

    whole = rows * width * 4
    assert _peak(write) < whole / 4
    if compressed:
        with np.load(path) as loaded:
            np.savez_compressed(path, **loaded)
    assert _peak(read) < whole / 4

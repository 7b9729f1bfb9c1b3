"""Pickles with chumpy and SciPy: what stands for numbers, and that nothing else gets in."""

from __future__ import annotations

import collections
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshes.made_smpl import Instance, chumpy, python2, selected, sparse
from poseterior.data.restricted_chumpy import numbers_of, read_chumpy_pickle
from poseterior.errors import InputError

ARRAY = np.random.default_rng(0).normal(size=(4, 3, 5))
MATRIX = np.where(ARRAY[0] > 0, ARRAY[0], 0.0)
PROTOCOLS = pytest.mark.parametrize("protocol", range(6))


@pytest.fixture
def classes(monkeypatch: pytest.MonkeyPatch) -> dict[str, type]:
    """Modules with the names of chumpy's, as Python 3 would pickle them."""
    made: dict[str, type] = {}
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    for name in ("chumpy.ch.Ch", "chumpy.reordering.Select"):
        module, _, short = name.rpartition(".")
        made[name] = type(short, (), {"__module__": module})
        fake = types.ModuleType(module)
        setattr(fake, short, made[name])
        monkeypatch.setitem(sys.modules, module, fake)
    return made


def instance(cls: type, **state: Any) -> Any:
    made = cls()
    made.__dict__.update(state)
    return made


def read(tmp_path: Path, data: bytes) -> Any:
    (tmp_path / "a.pkl").write_bytes(data)
    return read_chumpy_pickle(tmp_path / "a.pkl")


@PROTOCOLS
def test_instances_that_this_python_pickled(
    tmp_path: Path, classes: dict[str, type], protocol: int
) -> None:
    ch = instance(classes["chumpy.ch.Ch"], x=ARRAY, _dirty_vars={"x"}, _itr=None)
    indices = np.arange(60)[::2]
    part = instance(classes["chumpy.reordering.Select"], a=ch, idxs=indices, preferred_shape=(5, 6))
    flat = instance(classes["chumpy.reordering.Select"], a=ARRAY, idxs=indices)
    value = {
        "ch": ch, "part": part, "flat": flat,
        "csc": scipy.sparse.csc_matrix(MATRIX), "csr": scipy.sparse.csr_matrix(MATRIX),
    }  # fmt: skip
    found = read(tmp_path, pickle.dumps(value, protocol))
    numbers = {key: numbers_of(found[key], "a.pkl", key) for key in value}
    np.testing.assert_array_equal(numbers["ch"], ARRAY)
    np.testing.assert_array_equal(numbers["part"], ARRAY.ravel()[::2].reshape(5, 6))
    np.testing.assert_array_equal(numbers["flat"], ARRAY.ravel()[::2])
    np.testing.assert_array_equal(numbers["csc"], MATRIX)
    np.testing.assert_array_equal(numbers["csr"], MATRIX)


@pytest.mark.parametrize("protocol", [0, 2])
def test_instances_that_python_2_pickled(tmp_path: Path, protocol: int) -> None:
    value = {
        "ch": chumpy(ARRAY), "part": selected(ARRAY, 2), "csc": sparse(MATRIX),
        "shared": [chumpy(ARRAY)] * 2, "name": "lbs",
    }  # fmt: skip
    found = read(tmp_path, python2(value, protocol))
    np.testing.assert_array_equal(numbers_of(found["ch"], "", ""), ARRAY)
    np.testing.assert_array_equal(numbers_of(found["part"], "", ""), ARRAY[..., :2])
    np.testing.assert_array_equal(numbers_of(found["csc"], "", ""), MATRIX)
    assert found["name"] == "lbs"


def test_the_writer_of_the_tests_writes_pickles() -> None:
    value = {"a": [1, (2, None)], "b": ARRAY, "c": np.asfortranarray(MATRIX), "d": b"\xe9'\n\\"}
    for protocol in (0, 2):
        found = pickle.loads(python2(value, protocol), encoding="latin1")
        assert (found["a"], found["d"]) == (value["a"], value["d"].decode("latin-1"))
        np.testing.assert_array_equal(found["b"], ARRAY)
        np.testing.assert_array_equal(found["c"], MATRIX)


def test_nothing_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "chumpy"]:
        monkeypatch.delitem(sys.modules, name)
    value = {"ch": chumpy(ARRAY), "odd": Instance("chumpy.os.system", command="true")}
    found = read(tmp_path, python2(value))
    assert set(map(type, found.values())) == {dict}
    assert not [name for name in sys.modules if name.startswith("chumpy")]
    with pytest.raises(InputError, match=r"odd: expected an array of numbers, found chumpy\.os"):
        numbers_of(found["odd"], "a.pkl", "odd")


def csc(**changes: Any) -> dict[str, Any]:
    return {**sparse(MATRIX).state, "class": "scipy.sparse.csc_matrix", **changes}


@pytest.mark.parametrize(
    "value",
    [
        csc(_shape=(1 << 20, 1 << 20)), csc(_shape=(-3, 5)), csc(_shape=(3,)), csc(_shape=(3, 6)),
        csc(indices=csc()["indices"] + 1), csc(indices=csc()["indices"] - 1),
        csc(indices=csc()["indices"][:-1]), csc(indptr=csc()["indptr"][::-1]),
        csc(indptr=np.zeros(6, int)), csc(indptr=np.zeros(0, int)), csc(data=np.zeros(1)),
        {"class": "scipy.sparse.csc_matrix"}, {"class": "chumpy.ch.Ch"}, {"class": 3}, {},
        {"class": "chumpy.ch.Ch", "x": "text"}, {"class": "chumpy.ch.Ch", "x": [[1], [1, 2]]},
        {"class": "chumpy.reordering.Select", "a": ARRAY, "idxs": np.array([60])},
        {"class": "chumpy.reordering.Select", "a": ARRAY, "idxs": "x"},
        {"class": "chumpy.reordering.Select", "a": ARRAY, "idxs": [1], "preferred_shape": (2,)},
        None, "text", [[1], [1, 2]], 1 << 70,
    ],
)  # fmt: skip
def test_what_stands_for_no_numbers(value: Any) -> None:
    with pytest.raises(InputError, match=r"a\.pkl: key: expected an array of numbers"):
        numbers_of(value, "a.pkl", "key")


def test_instances_without_end() -> None:
    value: Any = ARRAY
    for _ in range(5000):
        value = {"class": "chumpy.ch.Ch", "x": value}
    with pytest.raises(InputError, match="too deep"):
        numbers_of(value, "a.pkl", "key")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\x80\x02cos\nsystem\n)\x81.", "the global os.system"),
        (b"\x80\x02c__builtin__\neval\nU\x011\x85R.", "the global __builtin__.eval"),
        (b"\x80\x02cchumpy_evil\nCh\n)\x81}b.", "the global chumpy_evil.Ch"),
        (b"\x80\x02cscipy.sparse\nload_npz\n)R.", "the global scipy.sparse.load_npz"),
        (b"ccopy_reg\n_reconstructor\n(cos\nsystem\n", "the global os.system"),
        (b"ccopy_reg\n_reconstructor\n(cchumpy\nCh\ncnumpy\nndarray\nNtR.", "something else"),
        (b"ccopy_reg\n_reconstructor\n(cchumpy\nCh\nc__builtin__\nobject\n}tR.", "something else"),
        (b"\x80\x02cchumpy\nCh\n)\x81.", "without its state"),
        (b"\x80\x02}U\x01acchumpy\nCh\ns.", "the global chumpy.Ch as a value"),
        (b"\x80\x02cchumpy\nCh\n)\x81]b.", "a list as the attributes of chumpy.Ch"),
        (b"\x80\x02cchumpy\nCh\n)\x81q\x00}U\x01ah\x00sb.", "without its state"),
        (b"\x80\x02c__builtin__\nobject\n)\x81.", "a call of object"),
        (b"\x80\x02c__builtin__\nset\nU\x01a\x85R.", "a set of a str"),
        (b"\x80\x02]\x85.", "found tuple"),
    ],
)
def test_what_is_no_data_is_refused(tmp_path: Path, data: bytes, found: str) -> None:
    with pytest.raises(InputError, match=rf"a\.pkl: .*{found}"):
        read(tmp_path, data)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    for value in (collections.Counter("a"), Path("/"), scipy.sparse.dok_matrix(MATRIX)):
        with pytest.raises(InputError, match=r"a\.pkl: .*found the (global|opcode)"):
            read(tmp_path, pickle.dumps({"a": value}))


@pytest.mark.parametrize("protocol", [0, 2])
def test_every_truncation_is_an_error(tmp_path: Path, protocol: int) -> None:
    data = python2({"a": chumpy(ARRAY[0, :1]), "b": sparse(MATRIX[:, :2])}, protocol)
    for end in range(len(data)):
        with pytest.raises(InputError):
            read(tmp_path, data[:end])


SEED = python2({"a": selected(ARRAY, 2), "b": sparse(MATRIX), "c": Instance("chumpy.x.Y")}, 2)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6)
)
def test_mutated_pickles_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]
) -> None:
    data = bytearray(SEED)
    for place, byte in edits:
        data[place % len(data)] = byte
    try:
        content = read(tmp_path_factory.getbasetemp(), bytes(data))
        for value in content.values():
            numbers_of(value, "a.pkl", "key")
    except InputError:
        pass

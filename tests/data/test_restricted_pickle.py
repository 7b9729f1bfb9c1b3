"""Restricted pickles: what real pickle writes comes back, nothing is ever run."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poseterior.data.restricted_pickle import read_object_npz, read_pickle_bytes
from poseterior.errors import InputError

PROTOCOLS = pytest.mark.parametrize("protocol", range(6))


def same(a: Any, b: Any) -> bool:
    """Equal in type, dtype, shape and value, NaN equal to NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        if a.dtype == object and a.dtype == b.dtype and a.shape == b.shape:
            return same(a.ravel().tolist(), b.ravel().tolist())
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and same([*a.values()], [*b.values()])
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or a != a


def objects(*items: Any) -> np.ndarray:
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def ragged() -> np.ndarray:
    return objects(np.zeros((2, 3), "f4"), np.ones((4, 3), "f4"))


ARRAYS = [
    np.arange(6, dtype="f4").reshape(2, 3),
    np.arange(6, dtype=">i2").reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    np.arange(10.0)[::3],
    np.array([[True, False]]),
    np.array([1 + 2j], "c8"),
    np.array(["a", "äé€", ""]),
    np.array([b"ab", b""]),
    np.array(3.5),
    np.zeros((0, 17, 2), "f4"),
    np.array({"S1": {"Eating": np.ones((2, 2))}}, dtype=object),
    ragged(),
    objects(None, 1).reshape(1, 2),
]
VALUES: list[Any] = [
    None, True, False, 0, -1, 255, 70000, 2**40, -(2**70), 1.5, float("inf"), float("nan"),
    "", "text", "ä" * 300, b"", b"bytes\x00\xff", b"x" * 300,
    [], [1, [2, [3]]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {"a": {1: [None]}, b"k": 2.0},
    np.float32(1.25), np.int64(-3), np.bool_(True), np.str_("é"),
]  # fmt: skip


@PROTOCOLS
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_come_back(array: np.ndarray, protocol: int) -> None:
    data = pickle.dumps(array, protocol)
    assert same(read_pickle_bytes(data, "f"), pickle.loads(data))


@PROTOCOLS
@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:20])
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    assert same(read_pickle_bytes(pickle.dumps(value, protocol), "f"), value)


@PROTOCOLS
def test_shared_objects_stay_shared(protocol: int) -> None:
    array, text = np.ones(3), "twice"
    found = read_pickle_bytes(pickle.dumps({"a": [array, text], "b": array}, protocol), "f")
    assert found["a"][0] is found["b"]
    assert found["b"].flags.writeable


@PROTOCOLS
def test_nested_containers_of_arrays(protocol: int) -> None:
    value = {"S9": {f"Action {i}": [np.full((i, 2), i, "f4")] * 4 for i in range(30)}}
    assert same(read_pickle_bytes(pickle.dumps(value, protocol), "f"), value)


def test_names_of_numpy_1_and_python_2() -> None:
    array = np.arange(3.0)
    old = pickle.dumps(array, 2).replace(b"numpy._core", b"numpy.core")
    assert same(read_pickle_bytes(old, "f"), array)
    # What Python 2 wrote: raw bytes as a short binary string.
    body = array.tobytes()
    text = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85q\x02"
        b"U\x01bq\x03\x87q\x04Rq\x05(K\x01K\x03\x85q\x06cnumpy\ndtype\nq\x07U\x02f8q\x08K\x00K\x01"
        b"\x87q\tRq\n(K\x03U\x01<q\x0bNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0cb\x89U"
        + bytes([len(body)]) + body + b"q\rtq\x0eb."
    )  # fmt: skip
    assert same(read_pickle_bytes(text, "f"), pickle.loads(text, encoding="latin1"))


class Calls:
    """Reduces to a call of anything with any arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


class Odd:
    """An instance with a state."""

    def __init__(self) -> None:
        self.x = 1


@PROTOCOLS
def test_malicious_calls_are_refused_and_never_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "ran"
    command = f"open({str(target)!r}, 'w').close()"
    attacks = {
        "system": Calls(os.system, f"touch {target}"),
        "eval": Calls(eval, command),
        "exec": Calls(exec, command),
        "getattr": Calls(getattr, "a", "upper"),
        "open": Calls(open, str(target), "w"),
    }
    for name, attack in attacks.items():
        for value in (attack, [1, {"a": (attack,)}], objects(1, attack)):
            data = pickle.dumps(value, protocol)
            with pytest.raises(InputError, match=rf"evil\.pickle: key: .*global .*{name}"):
                read_pickle_bytes(data, "evil.pickle", "key")
    assert not target.exists()
    pickle.loads(pickle.dumps(attacks["system"], protocol))  # the attack would have worked
    assert target.exists()


@PROTOCOLS
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (Odd(), "copy_?reg|Odd"),
        (OrderedDict(a=1), "OrderedDict"),
        ({1, 2}, "set|SET"),
        (frozenset([1]), "frozenset|FROZENSET"),
        (1j, "complex"),
        (np.ndarray, "numpy.ndarray as a value"),
        ([np.dtype], "numpy.dtype as a value"),
        (np.array(["2020-01-01"], "M8[D]"), "M8"),
        (np.zeros(2, [("a", "f4")]), "V4|dtype"),
        (np.ma.masked_array([1.0]), "numpy.ma"),
        (np.random.default_rng(0), "global"),
        (Path("/"), "global"),
        (print, "print"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_everything_else_is_refused_by_name(value: Any, found: str, protocol: int) -> None:
    with pytest.raises(InputError, match=found):
        read_pickle_bytes(pickle.dumps(value, protocol), "f")


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # protocol 0
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",  # NEWOBJ
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02cnumpy\nndarray\n}b.",  # BUILD of a class
        b"\x80\x02}}b.",  # BUILD of a dict
        b"\x80\x02]}X\x01\x00\x00\x00ab.",
        b"Pid\n.", b"\x80\x02NQ.",  # persistent ids
        b"\x80\x02\x82\x01.",  # extension registry
        b"\x80\x05\x97.", b"\x80\x05C\x01a\x98.",  # out-of-band buffers
        b"\x80\x02c__builtin__\nbytes\nK\x09\x85R.",  # bytes(9): as many zeros
        b"\x80\x04)}\x8c\x01ab.",
        b"(((.", b".", b"", b"N", b"\x80\x02NN.", b"0.", b"1.", b"R.", b"h\x07.",
        b"\x80\x02]K\x01s.",
        b"\x80\x02}]K\x01s.",  # a list as a key
    ],
)  # fmt: skip
def test_hand_made_attacks_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"evil\.pickle"):
        read_pickle_bytes(data, "evil.pickle")


def array_pickle(shape: Any, code: str, body: bytes) -> bytes:
    """A protocol 5 array that claims any shape and dtype for its bytes."""

    class Claim:
        def __reduce__(self) -> Any:
            return np._core.numeric._frombuffer, (body, np.dtype(code), shape, "C")  # type: ignore[attr-defined]

    return pickle.dumps(Claim(), 5)


@pytest.mark.parametrize(
    ("shape", "code", "body"),
    [
        ((10**9,), "f8", b"12345678"),
        ((2**40, 2**40), "f8", b""),
        ((10**18, 0, 10**18), "f4", b""),
        ((-1,), "f4", b"1234"),
        ((10**9,), "S0", b""),
        ((1.0,), "f4", b"1234"),
        (4, "u1", b"1234"),
        ((1,) * 70, "u1", b"1"),
        ((1,), "O", b"12345678"),
        ((1,), "U1", b"\xff\xff\xff\xff"),
        ((2**70,), "f8", b""),
    ],
)
def test_an_array_takes_just_the_bytes_at_hand(shape: Any, code: str, body: bytes) -> None:
    with pytest.raises(InputError):
        read_pickle_bytes(array_pickle(shape, code, body), "f")


def test_truth_values_are_made_zero_or_one() -> None:
    found = read_pickle_bytes(array_pickle((3,), "b1", b"\x00\x01\x07"), "f")
    assert found.tobytes() == b"\x00\x01\x01"


def test_nested_keys_and_deep_lists_end_soon() -> None:
    bomb = b"\x80\x02)" + b"2\x86" * 60 + b"q\x00}h\x00Ns."  # hashing takes 2**60 steps
    with pytest.raises(InputError, match="a tuple as a key"):
        read_pickle_bytes(bomb, "f")
    depth = 20_000
    found = read_pickle_bytes(b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b".", "f")
    assert len(found) == 1
    wide = b"\x80\x02)" + b"2\x86" * 60 + b"."
    assert len(read_pickle_bytes(wide, "f")) == 2


SAMPLE = {"S1": {"Eating 1": np.arange(12, dtype="f4").reshape(2, 3, 2)}, "n": [1, 2.5, "x", b"y"]}
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def never_fails(data: bytes) -> None:
    """A value that can be looked at, or `InputError`."""
    try:
        value = read_pickle_bytes(data, "f")
    except InputError:
        return
    if isinstance(value, np.ndarray):
        value.tolist()


@FUZZ
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    never_fails(data)


@FUZZ
@given(
    protocol=st.integers(0, 5),
    edits=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 10**6),
)
def test_mutated_pickles(protocol: int, edits: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(pickle.dumps([SAMPLE, ragged(), np.float32(2), np.array(["é"])], protocol))
    for place, byte in edits:
        data[place % len(data)] = byte
    never_fails(bytes(data))
    never_fails(bytes(data[: cut % len(data)]))


OPCODES = b"(.012FIJKLMNSTUVXabcdeghijlopqrst}]()\x80\x81\x85\x86\x87\x88\x89\x8c\x93\x94\x95C\x96R"


@FUZZ
@given(st.lists(st.sampled_from([bytes([c]) for c in OPCODES] + [
    b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy.core.multiarray\nscalar\n", b"c_codecs\nencode\n", b"cbuiltins\nbytes\n",
    b"X\x02\x00\x00\x00f4", b"X\x01\x00\x00\x00<", b"K\x01", b"K\x00\x85", b"C\x04abcd", b"q\x00",
]), max_size=40))  # fmt: skip
def test_random_programs(words: list[bytes]) -> None:
    never_fails(b"\x80\x02" + b"".join(words) + b".")


@PROTOCOLS
def test_every_truncation_is_an_error(protocol: int) -> None:
    data = pickle.dumps(SAMPLE, protocol)
    for end in range(len(data)):
        with pytest.raises(InputError):
            read_pickle_bytes(data[:end], "f")


def test_object_arrays_of_an_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, single=np.array(SAMPLE), several=ragged(), numbers=np.ones(3))
    assert same(read_object_npz(path, "single"), SAMPLE)
    assert same(read_object_npz(path, "several"), ragged())
    with pytest.raises(InputError, match=r"a\.npz: absent: .*single"):
        read_object_npz(path, "absent")
    with pytest.raises(InputError, match=r"a\.npz: numbers: expected an object array"):
        read_object_npz(path, "numbers")
    with pytest.raises(InputError, match=r"b\.npz: .*no such file"):
        read_object_npz(tmp_path / "b.npz", "single")


def test_a_malicious_npz_runs_nothing(tmp_path: Path) -> None:
    path, target = tmp_path / "evil.npz", tmp_path / "ran"
    np.savez(path, positions_3d=objects(Calls(os.system, f"touch {target}")))
    with pytest.raises(InputError, match=r"evil\.npz: positions_3d: .*global .*system"):
        read_object_npz(path, "positions_3d")
    assert not target.exists()


@pytest.mark.parametrize("keep", [0, 10, 100, 0.5, 0.95])
def test_a_truncated_npz(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, single=np.array(SAMPLE))
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(InputError, match=r"a\.npz: single: .*truncated"):
        read_object_npz(path, "single")


def test_a_damaged_member(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for body in (b"", b"\x93NUMPY\x03\x00", b"\x93NUMPY\x01\x00\xff\xff{}"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("single.npy", body)
        with pytest.raises(InputError, match=r"a\.npz: single"):
            read_object_npz(path, "single")

from __future__ import annotations

import contextlib
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_lifters import Everything, LinearGaussian, LinearSource, make

from poseterior.errors import InputError
from poseterior.training.checkpoint import (
    config_from_json,
    config_to_json,
    load_lifter,
    save_model,
)
from poseterior.training.fit import FitConfig, fit

LIFTERS = {cls.name: cls for cls in (LinearGaussian, Everything)}
CONFIG = FitConfig(steps=6, ema=0.5, save_every=2, log_every=1, schedule="constant")


@pytest.fixture
def saved(tmp_path):
    save_model(make(LinearGaussian), tmp_path / "model", provenance={"data": "made up"})
    return tmp_path / "model"


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_model_comes_back_with_its_config_and_bits(tmp_path):
    lifter = make(Everything, seed=4, width=6)
    save_model(lifter, tmp_path / "deep" / "folder", provenance={"seed": 4})
    back = load_lifter(tmp_path / "deep" / "folder", LIFTERS)
    assert type(back) is Everything
    assert back.config == lifter.config
    assert not back.training
    for name, tensor in lifter.state_dict().items():
        assert torch.equal(tensor, back.state_dict()[name])
        assert tensor.dtype == back.state_dict()[name].dtype
    assert sorted(p.name for p in (tmp_path / "deep" / "folder").iterdir()) == [
        "config.json", "model.safetensors",
    ]  # fmt: skip


def test_weights_may_be_read_by_whoever_may_read_the_config(saved):
    modes = {path.stat().st_mode for path in saved.iterdir()}
    assert len(modes) == 1


def test_half_precision_halves_the_file_and_rounds(tmp_path):
    lifter = make(LinearGaussian)
    with torch.no_grad():
        lifter.log_scale[0] = 1e6  # would overflow: stays float32
    save_model(lifter, tmp_path / "full")
    save_model(lifter, tmp_path / "half", half=True)
    sizes = [(tmp_path / k / "model.safetensors").stat().st_size for k in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    back = load_lifter(tmp_path / "half", LIFTERS)
    assert back.linear.weight.dtype == torch.float32
    torch.testing.assert_close(back.linear.weight, lifter.linear.weight, rtol=5e-4, atol=1e-7)
    assert torch.equal(back.log_scale, lifter.log_scale)


def test_tied_and_non_contiguous_weights_are_saved(tmp_path):
    class Tied(LinearGaussian):
        def __init__(self, config, skeleton):
            super().__init__(config, skeleton)
            self.again = self.linear
            self.turned = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3).T)

    save_model(make(Tied), tmp_path)
    back = load_lifter(tmp_path, {"linear_gaussian": Tied})
    assert back.again.weight is back.linear.weight
    assert torch.equal(back.turned, torch.arange(6.0).reshape(2, 3).T)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lifter": "flow"}, r"config.json: lifter: expected one of .*found 'flow'"),
        ({"lifter": ["everything"]}, "lifter: expected one of"),
        ({"skeleton": "h36m17"}, "skeleton: expected 'h36m_17'"),
        ({"format": 2}, "format: expected 1, found 2"),
        ({"more": 1}, "found .*'more'"),
        ({"config": []}, "config: expected an object"),
        ({"config": {"bias": True}}, "found no "),
        ({"lifter": "everything", "config": {"width": 8}}, r"model.safetensors: tensors: .*no "),
    ],
)
def test_a_wrong_description_is_refused(saved, changes, message):
    edit(saved, **changes)
    with pytest.raises(InputError, match=message):
        load_lifter(saved, LIFTERS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("log_scale"), r"no \['log_scale'\]"),
        (lambda w: w.update(more=torch.ones(1)), r"unknown \['more'\]"),
        (lambda w: w.update(log_scale=torch.ones(7)), r"log_scale: expected \(48,\).*\(7,\)"),
        (lambda w: w.update(log_scale=torch.ones(48).int()), "log_scale: expected .*float.*int32"),
    ],
)
def test_wrong_tensors_are_refused(saved, change, message):
    path = saved / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(InputError, match=message):
        load_lifter(saved, LIFTERS)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "gone", "folder"])
def test_damaged_files_are_refused(saved, name, damage):
    path = saved / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes({"cut": whole[:-5], "empty": b"", "foreign": b"\x80\x04K*."}[damage])
    with pytest.raises(InputError, match=name):
        load_lifter(saved, LIFTERS)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="checkpoint folder, found nothing there"):
        load_lifter(tmp_path / "nothing", LIFTERS)
    with pytest.raises(InputError, match=r"config.json: expected .*found nothing there"):
        load_lifter(tmp_path, LIFTERS)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="a checkpoint folder, found a file"):
        load_lifter(tmp_path / "file", LIFTERS)
    with pytest.raises(InputError, match="a folder to write to"):
        save_model(make(LinearGaussian), tmp_path / "file")


@dataclass(frozen=True)
class Inner:
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    count: int = 1
    name: str = "a"
    on: bool = True
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[float, str] = (1.0, "b")
    limit: float | None = None
    inner: Inner = Inner()

    def __post_init__(self):
        if self.count < 0:
            raise ValueError("count is negative")


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=50, deadline=None)
@given(
    st.builds(
        Outer, st.integers(0), st.text(), st.booleans(), st.lists(st.integers()).map(tuple),
        st.tuples(finite, st.text()), st.none() | finite, st.builds(Inner, finite),
    )
)  # fmt: skip
def test_configs_go_through_json_unchanged(config):
    text = json.dumps(config_to_json(config), allow_nan=False)
    assert config_from_json(Outer, json.loads(text), "file") == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": True}, "count: expected int, found True"),
        ({"count": 1.0}, "count: expected int"),
        ({"name": 3}, "name: expected str"),
        ({"on": 1}, "on: expected bool"),
        ({"sizes": [1, "x"]}, "sizes: expected int, found 'x'"),
        ({"sizes": 4}, "sizes: expected a list"),
        ({"pair": [1.0]}, "pair: expected 2 values"),
        ({"limit": "x"}, "limit: expected float or null, found 'x'"),
        ({"inner": {"share": "x"}}, "inner: share: expected float"),
        ({"inner": {}}, "inner: config: expected all of"),
        ({"count": -1}, "count is negative"),
        ({"other": 1}, r"unknown \['other'\]"),
    ],
)
def test_configs_of_wrong_types_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        config_from_json(Outer, config_to_json(Outer()) | changes, "file")


def test_whole_numbers_serve_as_floats():
    back = config_from_json(Inner, {"share": 1}, "file")
    assert type(back.share) is float


class Killed(BaseException):
    pass


def kill_at(monkeypatch, count):
    """Let the process "die" just before its `count`-th change of the file system."""
    left = [count]

    def counted(real):
        def call(*args, **kwargs):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*args, **kwargs)

        return call

    for owner, name in ((os, "replace"), (os, "fsync"), (Path, "unlink"), (Path, "mkdir")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


def test_a_kill_at_any_instant_leaves_a_run_that_resumes_to_the_same_bits(tmp_path):
    config = replace(CONFIG, steps=2, save_every=1)
    fit(make(Everything), LinearSource(), tmp_path / "whole", config)
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    deaths = 0
    for count in range(200):
        out = tmp_path / str(count)
        with pytest.MonkeyPatch.context() as monkeypatch:
            kill_at(monkeypatch, count)
            try:
                fit(make(Everything), LinearSource(), out, config)
                break
            except Killed:
                deaths += 1
        resume = (out / "training.json").exists()
        fit(make(Everything), LinearSource(), out, config, resume=resume)
        for name, tensor in load_file(out / "model.safetensors").items():
            assert torch.equal(tensor, whole[name]), (count, name)
        load_lifter(out, LIFTERS)
        names = {p.name.split("-")[0] for p in out.iterdir()}
        assert names == {"config.json", "log.jsonl", "model.safetensors", "training.json",
                         "training"}, count  # fmt: skip
        assert len(list(out.glob("training-*"))) == 1
    assert 15 < deaths < 200


def test_another_config_never_meets_old_weights(tmp_path):
    """A kill while a model replaces another of equal shapes leaves one of the two, or none."""
    old, new = make(LinearGaussian, seed=1), make(LinearGaussian, seed=2, kind="other")
    seen = set()
    for count in range(8):
        out = tmp_path / str(count)
        save_model(old, out)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, count)
            with contextlib.suppress(Killed):
                save_model(new, out)
        try:
            back = load_lifter(out, LIFTERS)
        except InputError:
            seen.add("none")
            continue
        source = old if back.config == old.config else new
        assert torch.equal(back.linear.weight, source.linear.weight), count
        seen.add(back.config.kind)
    assert seen == {"none", "plain", "other"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": -1}, "step: expected a whole number"),
        ({"step": "6"}, "step: expected a whole number"),
        ({"tensors": "../x.safetensors"}, "tensors: expected a file name"),
        ({"tensors": "other.safetensors"}, r"other.safetensors: expected .*nothing there"),
        ({"sums": {"loss": "x"}}, "loss: expected a number"),
        ({"sums": 3}, "sums: expected an object"),
        ({"seconds": None}, "seconds: expected a number"),
        ({"fit": None}, "fit: expected an object"),
        ({"other": 1}, "found .*'other'"),
    ],
)
def test_a_damaged_state_is_refused(tmp_path, changes, message):
    fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG)
    path = tmp_path / "training.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("optimiser/0/exp_avg"), "optimiser: expected .*exp_avg"),
        (lambda w: w.update({"optimiser/0/exp_avg": torch.ones(3)}), "0/exp_avg: expected"),
        (lambda w: w.update({"optimiser/9/step": torch.ones(())}), "one of 3 parameters"),
        (lambda w: w.pop("average/log_scale"), "average: expected"),
        (lambda w: w.pop("model/log_scale"), r"no \['log_scale'\]"),
    ],
)
def test_state_tensors_of_another_model_are_refused(tmp_path, change, message):
    fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG)
    (path,) = tmp_path.glob("training-*.safetensors")
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(InputError, match=message):
        fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG, resume=True)


def test_a_log_cut_short_is_mended_and_a_foreign_one_refused(tmp_path):
    fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG)
    log = tmp_path / "log.jsonl"
    whole = log.read_text()
    log.write_text(whole + '{"step": 7, "lo')
    fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG, resume=True)
    assert log.read_text() == whole
    log.write_text("hello\n")
    with pytest.raises(InputError, match=r"log.jsonl: expected a JSON object a line"):
        fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG, resume=True)


def test_numbers_of_a_validation_that_are_not_finite_are_null(tmp_path):
    import numpy as np

    numbers = fit(
        make(LinearGaussian), LinearSource(), tmp_path, CONFIG,
        lambda m: {"nll": math.nan, "ece": np.float32(0.5), "n": np.int64(3)},
    )  # fmt: skip
    assert numbers == {"nll": None, "ece": 0.5, "n": 3}

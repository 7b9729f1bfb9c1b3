from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace

import pytest
import torch
from tiny_lifters import Everything, LinearGaussian, LinearSource, make

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.posterior import drop_root
from poseterior.training.checkpoint import load_lifter, read_tensors
from poseterior.training.fit import Diverged, FitConfig, Interrupted, fit
from poseterior.training.log import read_log

LIFTERS = {cls.name: cls for cls in (LinearGaussian, Everything)}
FULL = FitConfig(
    steps=13, learning_rate=0.01, schedule="cosine", warmup_steps=2, ema=0.9, clip_norm=1.0,
    critic_steps=2, log_every=3, save_every=4, validate_every=5, seed=3,
)  # fmt: skip


def weights(folder):
    return read_tensors(folder / "model.safetensors")


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def without_time(folder):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in read_log(folder)]


class StopAt(LinearSource):
    """Raises or signals when a batch is asked for: a kill in the middle of a step."""

    def __init__(self, index, act):
        super().__init__()
        self.index, self.act = index, act

    def batch(self, index):
        if index == self.index:
            self.act()
        return super().batch(index)


def kill():
    raise KeyboardInterrupt


def test_linear_gaussian_reaches_the_closed_form_posterior(tmp_path):
    source = LinearSource(size=256)
    lifter = make(LinearGaussian)
    fit(lifter, source, tmp_path, FitConfig(
        steps=600, learning_rate=0.03, weight_decay=0.0, ema=0.99, save_every=0,
    ))  # fmt: skip
    keypoints, pose = source.batch(10**6)
    exact = source.posterior(keypoints.pixels.flatten(-2))
    assert not lifter.training
    with torch.no_grad():
        trained = lifter(keypoints)
        gap = (exact.log_prob(drop_root(pose, H36M_17)) - trained.log_prob(pose)).mean()
    assert (trained.normal.mean - exact.mean).abs().max() < 0.08
    assert (trained.normal.stddev / source.scale - 1).abs().max() < 0.06
    assert 0 < gap < 0.5


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
@pytest.mark.parametrize("stop_at", [1, 17, 20, 38])
def test_resume_after_a_kill_gives_the_same_bits(tmp_path, optimiser, stop_at):
    config = replace(FULL, optimiser=optimiser)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    numbers = fit(make(Everything), LinearSource(), whole, config, lambda m: {"w": _norm(m)})
    with pytest.raises(KeyboardInterrupt):
        fit(make(Everything), StopAt(stop_at, kill), parts, config, lambda m: {"w": _norm(m)})
    torch.rand(7, generator=torch.Generator())
    lifter = make(Everything, seed=8)
    again = fit(lifter, LinearSource(), parts, config, lambda m: {"w": _norm(m)}, resume=True)
    assert_same(weights(whole), weights(parts))
    assert_same(_state(whole), _state(parts))
    assert without_time(whole) == without_time(parts)
    assert numbers == again
    assert_same(weights(parts), lifter.state_dict())


def _norm(module):
    assert not module.training
    return float(sum(p.square().sum() for p in module.parameters()))


def _state(folder):
    (path,) = folder.glob("training-*.safetensors")
    return read_tensors(path)


def test_bfloat16_resumes_to_the_same_bits_and_differs_from_float32(tmp_path):
    config = FitConfig(steps=6, precision="bfloat16", schedule="step", clip_value=0.1)
    fit(make(Everything), LinearSource(), tmp_path / "a", config)
    with pytest.raises(KeyboardInterrupt):
        fit(make(Everything), StopAt(7, kill), tmp_path / "b", replace(config, save_every=2))
    fit(make(Everything), LinearSource(), tmp_path / "b", config, resume=True)
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    fit(make(Everything), LinearSource(), tmp_path / "c", replace(config, precision="float32"))
    a, c = (weights(tmp_path / k)["body.0.weight"] for k in "ac")
    assert not torch.equal(a, c)
    assert a.dtype == torch.float32


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_resumes(tmp_path, number):
    before = signal.getsignal(number)
    config = replace(FULL, save_every=0)
    fit(make(Everything), LinearSource(), tmp_path / "whole", config)
    source = StopAt(13, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match="step 5 of 13"):
        fit(make(Everything), source, tmp_path / "parts", config)
    assert signal.getsignal(number) == before
    assert max(source.asked) == 14
    fit(make(Everything), LinearSource(), tmp_path / "parts", config, resume=True)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_random_state_of_the_caller_plays_no_part(tmp_path):
    fit(make(Everything), LinearSource(), tmp_path / "a", FULL)
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        fit(make(Everything), LinearSource(), tmp_path / "b", FULL)
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    fit(make(Everything), LinearSource(), tmp_path / "c", replace(FULL, seed=4))
    a, c = (weights(tmp_path / k)["body.0.weight"] for k in "ac")
    assert not torch.equal(a, c)


def test_a_loss_that_is_not_finite_names_step_and_term_and_keeps_the_checkpoint(tmp_path):
    class Breaks(LinearGaussian):
        def losses(self, keypoints, pose, generator):
            terms = super().losses(keypoints, pose, generator)
            return terms | {"extra": terms["nll"] * (math.nan if source.asked[-1] == 6 else 0)}

    source = LinearSource()
    config = FitConfig(steps=10, save_every=5, log_every=1)
    with pytest.raises(Diverged, match="extra is nan at step 7"):
        fit(make(Breaks), source, tmp_path, config)
    fit(make(LinearGaussian), LinearSource(), tmp_path / "five", replace(config, steps=5,
        schedule="constant", warmup_steps=0))  # fmt: skip
    assert json.loads((tmp_path / "training.json").read_text())["step"] == 5
    assert all(t.isfinite().all() for t in weights(tmp_path).values())


def test_an_infinite_gradient_is_named(tmp_path):
    class Breaks(LinearGaussian):
        def losses(self, keypoints, pose, generator):
            return {"root": (self.log_scale - self.log_scale.detach()).abs().sqrt().sum()}

    with pytest.raises(Diverged, match=r"gradient_norm is (nan|inf) at step 1"):
        fit(make(Breaks), LinearSource(), tmp_path, FitConfig(steps=2))


def test_ema_weights_are_the_average_by_hand_and_are_what_is_validated(tmp_path):
    seen, config = [], FitConfig(steps=5, ema=0.6, validate_every=1, schedule="constant")
    raw = []

    class Watched(LinearGaussian):
        def losses(self, keypoints, pose, generator):
            raw.append(self.linear.weight.detach().clone())
            return super().losses(keypoints, pose, generator)

    lifter = make(Watched)
    fit(lifter, LinearSource(), tmp_path, config,
        lambda m: seen.append(m.linear.weight.detach().clone()) or {"n": len(seen)})  # fmt: skip
    raw.append(_state(tmp_path)["model/linear.weight"])
    average = raw[0]
    for step, new in enumerate(raw[1:]):
        decay = min(0.6, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * new
        torch.testing.assert_close(seen[step], average)
    assert torch.equal(lifter.linear.weight, seen[-1])
    assert torch.equal(load_lifter(tmp_path, {"linear_gaussian": Watched}).linear.weight, seen[-1])


def test_log_has_the_mean_of_the_terms(tmp_path):
    values = []

    class Watched(LinearGaussian):
        def losses(self, keypoints, pose, generator):
            terms = super().losses(keypoints, pose, generator)
            values.append(float(terms["nll"].detach()))
            return terms

    fit(make(Watched), LinearSource(), tmp_path, FitConfig(steps=5, log_every=2))
    records = read_log(tmp_path)
    assert [r["step"] for r in records] == [2, 4, 5]
    expected = [sum(values[:2]) / 2, sum(values[2:4]) / 2, values[4]]
    assert [r["nll"] for r in records] == pytest.approx(expected)


def test_critic_gets_batches_of_its_own(tmp_path):
    source = LinearSource()
    fit(make(Everything), source, tmp_path, FitConfig(steps=3, critic_steps=2))
    assert source.asked == list(range(9))
    source = LinearSource()
    fit(make(LinearGaussian), source, tmp_path / "plain", FitConfig(steps=3, critic_steps=2))
    assert source.asked == list(range(3))


def test_a_frozen_parameter_stays_and_is_saved(tmp_path):
    lifter = make(LinearGaussian)
    lifter.linear.requires_grad_(False)
    before = lifter.linear.weight.clone()
    fit(lifter, LinearSource(), tmp_path, FitConfig(steps=3, ema=0.5))
    assert torch.equal(weights(tmp_path)["linear.weight"], before)
    assert not torch.equal(weights(tmp_path)["log_scale"], make(LinearGaussian).log_scale)


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="a run to resume"):
        fit(make(LinearGaussian), LinearSource(), tmp_path, FULL, resume=True)
    fit(make(LinearGaussian), LinearSource(), tmp_path, replace(FULL, steps=2))
    with pytest.raises(InputError, match="to resume the run there"):
        fit(make(LinearGaussian), LinearSource(), tmp_path, FULL)
    with pytest.raises(InputError, match="expected 'everything', found 'linear_gaussian'"):
        fit(make(Everything), LinearSource(), tmp_path, FULL, resume=True)
    with pytest.raises(InputError, match="learning_rate"):
        fit(make(LinearGaussian), LinearSource(), tmp_path, replace(FULL, learning_rate=0.5),
            resume=True)  # fmt: skip


def test_more_steps_go_on_from_a_finished_run(tmp_path):
    config = FitConfig(steps=4, schedule="constant", ema=0.5)
    fit(make(Everything), LinearSource(), tmp_path / "whole", replace(config, steps=9))
    fit(make(Everything), LinearSource(), tmp_path / "parts", config)
    fit(make(Everything), LinearSource(), tmp_path / "parts", replace(config, steps=9), resume=True)
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_progress_bar_shows_the_steps(tmp_path):
    from rich.progress import Progress

    with Progress(disable=True) as progress:
        fit(make(LinearGaussian), LinearSource(), tmp_path, FitConfig(steps=4, log_every=2),
            progress=progress)  # fmt: skip
    (task,) = progress.tasks
    assert (task.completed, task.total) == (4, 4)
    assert task.description.startswith("loss ")


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("learning_rate", 0.0), ("learning_rate", math.nan), ("ema", 1.0),
     ("schedule", "linear"), ("precision", "float16"), ("clip_norm", -1.0), ("betas", (0.9, 1.0))],
)  # fmt: skip
def test_config_refuses(field, value):
    with pytest.raises(InputError, match=f"FitConfig: {field}"):
        FitConfig(**{field: value})

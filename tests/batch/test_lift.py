"""Lifting: order, gaps, seeds, memory, and what is left behind when it goes wrong."""

from __future__ import annotations

import json
import tracemalloc

import fake_lifters as fake
import numpy as np
import pytest
import torch

from poseterior.batch.blocks import BLOCK_ROWS, Sampling, lifted_blocks
from poseterior.batch.lift import lift
from poseterior.data.observations import (
    MemorySource,
    ObservationRows,
    open_observations,
    write_observations,
)
from poseterior.data.predictions import open_predictions
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17

ROWS, H = 2 * BLOCK_ROWS + 9, 7


def _source(rows=ROWS, empty=(), target=True, **options):
    keypoints, truth = fake.observations(rows, 0.05, **options)
    for row in empty:
        keypoints.valid[row] = False
        keypoints.valid[row, :3] = True
    labels = {"clip": np.arange(rows) // 50, "frame": np.arange(rows)}
    return MemorySource(keypoints, truth if target else None, labels)


def _read(path):
    with open_predictions(path) as predictions:
        (rows,) = predictions.chunks(predictions.poses)
        return predictions, rows


def _made(path):
    with open_predictions(path) as predictions:
        return json.loads(predictions.provenance)


def test_rows_keep_their_order_and_those_that_cannot_be_lifted_their_place(tmp_path):
    empty = (0, 5, 70, ROWS - 1)
    source = _source(empty=empty)
    calls = []
    done = lift(
        source, fake.FlatGaussian(), tmp_path / "p.npz", H, progress=lambda *at: calls.append(at)
    )
    assert (done.poses, done.invalid) == (ROWS, len(empty))
    predictions, rows = _read(done.path)
    assert (predictions.poses, predictions.hypotheses) == (ROWS, H)
    valid = torch.ones(ROWS, dtype=torch.bool)
    valid[list(empty)] = False
    assert torch.equal(rows.valid, valid)
    for name in ("hypotheses", "target", "mode", "log_prob", "observed_keypoints"):
        assert not getattr(rows, name)[~valid].any()
    torch.testing.assert_close(rows.mode[valid], fake.back_projected(source.keypoints)[valid])
    assert torch.equal(rows.target[valid], source.target[valid])
    assert torch.equal(rows.observed_valid[valid], source.keypoints.valid[valid])
    assert not rows.hypotheses[:, :, 0].any()
    assert rows.labels["frame"].tolist() == list(range(ROWS))
    assert calls == [(64, ROWS), (128, ROWS), (ROWS, ROWS)]
    assert list(tmp_path.iterdir()) == [done.path]


def test_hypotheses_and_densities_are_those_of_the_posterior(tmp_path):
    sigma, draws = 0.03, 300
    path = lift(_source(), fake.FlatGaussian(sigma), tmp_path / "p.npz", draws).path
    _, rows = _read(path)
    error = rows.hypotheses[:, :, 1:] - rows.mode[:, None, 1:]
    count = error.numel()
    assert abs(error.mean()) < 5 * sigma / count**0.5
    assert abs(error.std() / sigma - 1) < 5 / count**0.5
    normal = torch.distributions.Normal(rows.mode[:, 1:], sigma)
    torch.testing.assert_close(
        rows.target_log_prob, normal.log_prob(rows.target[:, 1:]).sum((1, 2)), rtol=1e-5, atol=1e-3
    )
    each = normal.log_prob(rows.hypotheses[:, :, 1:].transpose(0, 1)).sum((2, 3)).T
    torch.testing.assert_close(rows.log_prob, each, rtol=1e-4, atol=1e-2)


def test_the_noise_of_no_two_rows_is_the_same(tmp_path):
    path = lift(_source(), fake.FlatGaussian(), tmp_path / "p.npz", H).path
    _, rows = _read(path)
    noise = (rows.hypotheses - rows.mode[:, None])[:, 0, 1]
    assert len(torch.unique((noise * 1e5).round(), dim=0)) == ROWS


@pytest.mark.parametrize("chunk", [1, 64, 65, 10_000])
def test_the_file_depends_on_the_seed_and_not_on_the_chunk(tmp_path, chunk):
    source, lifter = _source(empty=(3, 80), missing=0.3), fake.FlatGaussian()
    first = lift(source, lifter, tmp_path / "a.npz", H, seed=1).path.read_bytes()
    again = lift(source, lifter, tmp_path / "b.npz", H, seed=1, chunk=chunk).path.read_bytes()
    assert first == again
    other = lift(source, lifter, tmp_path / "c.npz", H, seed=2, chunk=chunk).path
    assert not torch.equal(_read(other)[1].hypotheses, _read(tmp_path / "a.npz")[1].hypotheses)


def test_a_file_lifts_as_its_rows_in_memory_do(tmp_path):
    source = _source(missing=0.2)
    write_observations(tmp_path / "o.npz", source.keypoints, source.target, source.labels)
    lifter = fake.FlatGaussian()
    lift(source, lifter, tmp_path / "a.npz", H)
    with open_observations(tmp_path / "o.npz") as file:
        lift(file, lifter, tmp_path / "b.npz", H)
    (_, a), (_, b) = _read(tmp_path / "a.npz"), _read(tmp_path / "b.npz")
    torch.testing.assert_close(a.hypotheses, b.hypotheses)
    torch.testing.assert_close(a.target_log_prob, b.target_log_prob)


def test_what_a_posterior_lacks_is_not_in_the_file(tmp_path):
    path = lift(_source(), fake.LatentOnly(), tmp_path / "p.npz", H).path
    predictions, rows = _read(path)
    assert not {"mode", "log_prob", "target_log_prob", "weights"} & predictions.fields
    torch.testing.assert_close(rows.latent_centre, fake.back_projected(_source().keypoints))
    path = lift(_source(target=False), fake.FlatGaussian(), tmp_path / "q.npz", H, log_prob=False)
    assert not {"target", "target_log_prob", "log_prob"} & _read(path.path)[0].fields


def test_provenance_says_what_made_the_file(tmp_path):
    source, lifter = _source(), fake.FlatGaussian(0.07)
    source.notes["focal"] = "guessed"
    lift(source, lifter, tmp_path / "p.npz", H, seed=4)
    made = _made(tmp_path / "p.npz")
    assert made["lifter"] == "flat_gaussian"
    assert made["config"] == {"sigma": 0.07}
    assert (made["seed"], made["hypotheses"], made["skeleton"]) == (4, H, "h36m_17")
    assert made["assumptions"] == {"focal": "guessed"}
    assert made["data"] == source.fingerprint()
    assert {"poseterior", "torch", "numpy"} <= made["versions"].keys()
    lift(source, fake.FlatGaussian(0.08), tmp_path / "q.npz", H, seed=4)
    assert _made(tmp_path / "q.npz")["weights"] != made["weights"]


def test_the_lifter_is_left_as_it_was(tmp_path):
    lifter = fake.FlatGaussian().train()
    lifter.frozen = torch.nn.Dropout().eval()
    lift(_source(), lifter, tmp_path / "p.npz", H)
    assert lifter.training
    assert not lifter.frozen.training


class _Failing(fake.FlatGaussian):
    """Fails, or gives NaN, at its second block."""

    def __init__(self, error):
        super().__init__()
        self.error, self.blocks = error, 0

    def forward(self, keypoints):
        self.blocks += 1
        posterior = super().forward(keypoints)
        if self.blocks == 2:
            if self.error is not None:
                raise self.error
            posterior._mean = posterior._mean.clone()
            posterior._mean[3, 5, 0] = torch.nan
        return posterior


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_no_file(tmp_path, error):
    lifter = _Failing(error).train()
    with pytest.raises(type(error)):
        lift(_source(), lifter, tmp_path / "p.npz", H)
    assert list(tmp_path.iterdir()) == []


def test_a_posterior_that_is_not_finite_is_not_valid(tmp_path):
    done = lift(_source(), _Failing(None), tmp_path / "p.npz", H)
    _, rows = _read(done.path)
    assert done.invalid == 1
    assert (~rows.valid).nonzero().tolist() == [[BLOCK_ROWS + 3]]
    assert not rows.hypotheses[BLOCK_ROWS + 3].any()


def test_a_file_in_which_no_row_can_be_lifted(tmp_path):
    source = _source(rows=5, empty=range(5))
    with pytest.raises(InputError, match=r"at least 4 valid joints .*none in 5 rows"):
        lift(source, fake.FlatGaussian(), tmp_path / "p.npz", H)
    assert list(tmp_path.iterdir()) == []


def test_bad_places_and_numbers_are_refused_before_any_work(tmp_path):
    source, lifter = _source(), _Failing(AssertionError("worked"))
    write_observations(tmp_path / "o.npz", source.keypoints)
    with pytest.raises(InputError, match="existing folder"):
        lift(source, lifter, tmp_path / "missing" / "p.npz")
    with (
        pytest.raises(InputError, match="another file than the input"),
        open_observations(tmp_path / "o.npz") as file,
    ):
        lift(file, lifter, tmp_path / "o.npz")
    for options in ({"hypotheses": 0}, {"seed": -1}, {"chunk": 0}):
        with pytest.raises(InputError, match=next(iter(options))):
            lift(source, lifter, tmp_path / "p.npz", **options)
    assert [p.name for p in tmp_path.iterdir()] == ["o.npz"]
    assert lifter.blocks == 0


class _Endless:
    """A source that makes its rows as they are asked for."""

    name, skeleton, notes = "made up", H36M_17, {}

    def __init__(self, rows):
        self.rows = rows
        self.keypoints, self.target = fake.observations(64, 0.05)

    def chunks(self, rows):
        for start in range(0, self.rows, rows):
            count = min(rows, self.rows - start)
            repeat = torch.arange(count) % 64
            yield ObservationRows(start, self.keypoints[repeat], self.target[repeat])

    def fingerprint(self):
        return "0"


def _peak(rows, path):
    tracemalloc.start()
    lift(_Endless(rows), fake.FlatGaussian(), path, 50, chunk=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_rows(tmp_path):
    few, many = _peak(256, tmp_path / "a.npz"), _peak(4096, tmp_path / "b.npz")
    assert (tmp_path / "b.npz").stat().st_size > 4096 * 50 * 17 * 3 * 4
    assert many < 1.5 * few


def test_a_source_that_ends_early_is_an_error(tmp_path):
    source = _Endless(100)
    source.chunks = lambda rows: _Endless(64).chunks(rows)
    with pytest.raises(InputError, match="rows: expected 100, found 64"):
        lift(source, fake.FlatGaussian(), tmp_path / "p.npz", H)
    assert list(tmp_path.iterdir()) == []


def test_blocks_can_be_made_again_by_themselves():
    lifter, sampling = fake.FlatGaussian(), Sampling(H, seed=3)
    blocks = list(lifted_blocks(_source(), lifter, sampling))
    assert [len(b) for b in blocks] == [64, 64, 9]
    again = list(lifted_blocks(_source(), lifter, sampling, chunk=64))
    assert all(torch.equal(a.hypotheses, b.hypotheses) for a, b in zip(blocks, again, strict=True))

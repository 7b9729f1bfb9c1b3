"""AUSE, simple mAP and mAR, and sums in order, against loops, permutations and other formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from poseterior.errors import InputError
from poseterior.metrics.ranked_precision import OKS_THRESHOLDS, RankedPrecision
from poseterior.metrics.ranked_sums import RankedSums
from poseterior.metrics.sparsification import Sparsification


def people(count, seed=0, ties=False):
    """OKS of people, and confidences that know a part of it."""
    rng = np.random.default_rng(seed)
    ability = rng.beta(6, 1.4, count)
    oks = rng.beta(12 * ability, 12 * (1 - ability))
    confidence = ability.round(1) if ties else ability
    return torch.from_numpy(confidence), torch.from_numpy(oks)


def ause_by_removal(confidence, error):
    """Ilg et al.: remove the least sure one by one, follow the mean of the rest."""

    def curve(order):
        return np.mean([error[order[removed:]].mean() for removed in range(len(error))])

    return curve(np.argsort(confidence)) - curve(np.argsort(-error))


def ap_by_the_sum(confidence, oks):
    """Eq. 9 as it is printed."""
    order = np.argsort(-confidence)
    total = 0.0
    for threshold in OKS_THRESHOLDS:
        right = oks[order] > threshold
        total += sum(right[i] * right[: i + 1].sum() / (i + 1) for i in range(len(right)))
    return total / len(oks) / len(OKS_THRESHOLDS)


def scored(confidence, oks, limit=10_000, chunk=1000):
    ause, precision = Sparsification(limit), RankedPrecision(limit=limit)
    for start in range(0, len(oks), chunk):
        rows = slice(start, start + chunk)
        ause.update(confidence[rows], 1 - oks[rows])
        precision.update(confidence[rows], oks[rows])
    return ause.compute(), precision.compute()


def test_with_all_kept_both_are_what_the_definitions_say():
    confidence, oks = people(300)
    ause, precision = scored(confidence, oks, chunk=77)
    wanted = ause_by_removal(confidence.numpy(), 1 - oks.numpy())
    assert ause["ause"] == pytest.approx(wanted, abs=1e-9)
    assert ause["ause_normalised"] == pytest.approx(wanted / (1 - oks.mean()).item(), abs=1e-9)
    assert precision["map"] == pytest.approx(ap_by_the_sum(confidence.numpy(), oks.numpy()))
    recalls = [(oks > t).double().mean().item() for t in OKS_THRESHOLDS]
    assert precision["mar"] == pytest.approx(np.mean(recalls))


def test_ties_are_the_mean_over_all_orders():
    confidence = torch.tensor([0.9, 0.5, 0.5, 0.5, 0.2, 0.2])
    oks = torch.tensor([0.7, 0.97, 0.3, 0.8, 0.93, 0.1], dtype=torch.float64)
    ause, precision = scored(confidence, oks)
    orders = [[0, *a, *b] for a in itertools.permutations([1, 2, 3])
              for b in itertools.permutations([4, 5])]  # fmt: skip
    rank = -np.arange(6.0)
    maps = [ap_by_the_sum(rank, oks.numpy()[order]) for order in orders]
    auses = [ause_by_removal(rank, 1 - oks.numpy()[order]) for order in orders]
    assert np.std(maps) > 0
    assert np.std(auses) > 0
    assert precision["map"] == pytest.approx(np.mean(maps))
    assert ause["ause"] == pytest.approx(np.mean(auses))


def test_right_and_useless_orders():
    _, oks = people(2000)
    best, top = scored(oks, oks)
    assert best["ause"] == pytest.approx(0, abs=1e-12)
    # Every person above a threshold comes before those below: Eq. 9 is then Eq. 8.
    assert top["map"] == pytest.approx(top["mar"])
    same, flat = scored(torch.full_like(oks, 0.3), oks)
    assert same["ause_share"] == pytest.approx(1)
    squares = np.mean([(oks > t).double().mean().item() ** 2 for t in OKS_THRESHOLDS])
    assert flat["map"] == pytest.approx(squares, rel=0.01)
    worst, _ = scored(-oks, oks)
    assert worst["ause_share"] > 1


def test_only_the_order_counts_and_mar_not_even_that():
    confidence, oks = people(500)
    one, two = scored(confidence, oks), scored(5 * confidence.logit() - 3, oks)
    assert one[0]["ause"] == pytest.approx(two[0]["ause"], abs=1e-12)
    assert one[1] == two[1]
    assert scored(torch.rand(500), oks)[1]["mar"] == one[1]["mar"]


@pytest.mark.parametrize("order", ["as it comes", "ascending"])
def test_bounded_memory_is_near_what_all_of_it_gives(order):
    confidence, oks = people(20_000)
    if order == "ascending":
        rows = confidence.argsort()
        confidence, oks = confidence[rows], oks[rows]
    full, few = scored(confidence, oks, limit=10**6), scored(confidence, oks, limit=512)
    group = 2 / 512
    bound = group * np.log(1 / group)
    assert 0 < abs(few[0]["ause"] - full[0]["ause"]) < min(bound, 2e-4)
    assert abs(few[1]["map"] - full[1]["map"]) < 2e-3
    assert few[1]["mar"] == pytest.approx(full[1]["mar"])
    assert few[0]["error"] == pytest.approx(full[0]["error"])


def test_memory_does_not_grow():
    ranked = RankedSums(1, limit=100)
    for seed in range(30):
        number = torch.rand(173, generator=torch.Generator().manual_seed(seed))
        ranked.add(number, torch.ones(173, 1))
        assert len(ranked._number) <= 300
    counts, sums = ranked.compute()
    assert len(counts) <= 100
    assert counts.sum() == sums.sum() == 30 * 173
    assert counts.max() < 4 / 100 * counts.sum()


def test_two_halves_merge_into_the_whole():
    confidence, oks = people(400, ties=True)
    whole, precision = Sparsification(), RankedPrecision()
    whole.update(confidence, 1 - oks)
    precision.update(confidence, oks)
    parts = [(Sparsification(), RankedPrecision()) for _ in range(2)]
    for half, (ause, ap) in zip((slice(0, 150), slice(150, 400)), parts, strict=True):
        ause.update(confidence[half], 1 - oks[half])
        ap.update(confidence[half], oks[half])
    for one, two in zip(*parts, strict=True):
        one.merge(two)
    assert parts[0][0].compute()["ause"] == pytest.approx(whole.compute()["ause"], abs=1e-12)
    assert parts[0][1].compute()["map"] == pytest.approx(precision.compute()["map"])


def test_the_size_is_that_of_the_papers_tables():
    # A confidence with the paper's correlation of about 0.7 with a person's OKS (Table 5).
    confidence, oks = people(20_000)
    rng = np.random.default_rng(1)
    noisy = confidence + 0.02 * torch.from_numpy(rng.standard_normal(len(oks)))
    assert 0.6 < np.corrcoef(noisy, oks)[0, 1] < 0.85
    found = scored(noisy, oks)[0]
    assert 1 < 100 * found["ause"] < 6  # 1.72 to 2.77 in the table
    assert 100 * found["ause_normalised"] > 8


def test_nothing_and_nan():
    assert Sparsification().compute()["ause"] is None
    assert RankedPrecision().compute()["map"] is None
    with pytest.raises(InputError, match="confidence"):
        Sparsification().update(torch.tensor([torch.nan]), torch.tensor([0.5]))
    found = Sparsification()
    found.update(torch.tensor([torch.nan, 0.5]), torch.tensor([0.5, 0.5]),
                 torch.tensor([False, True]))  # fmt: skip
    assert found.compute()["error"] == 0.5

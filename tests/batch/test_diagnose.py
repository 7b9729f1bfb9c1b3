"""Diagnosing files and posteriors: groups, gaps, densities, and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from poseterior.batch.diagnose import diagnose, diagnose_posterior
from poseterior.batch.score import score
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.posteriors import GaussianPosterior
from poseterior.studies.known_faults import known_posterior

ROWS, HYPOTHESES = 240, 30


def saved(path: Path, name: str = "spread x 0.5", **changes: Any) -> Path:
    """A predictions file of a known posterior."""
    hypotheses, target = known_posterior(name, ROWS, HYPOTHESES)
    arrays = {
        "hypotheses": hypotheses.numpy(), "target": target.numpy(),
        "skeleton": np.array("h36m_17"), "clip": np.arange(ROWS) // 4,
    }  # fmt: skip
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path


def test_a_file_by_clip(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.npz")
    found = diagnose(path)
    assert found["verdict"] == "overconfident"
    assert found["groups"] == {"by": "clip", "count": 60, "effective": 60}
    assert found["notes"] == {}
    assert found["score"]["ece_median"] == score(path)["ece_median"]
    assert found["provenance"]["predictions"] == str(path)
    json.dumps(found, allow_nan=False)


def test_without_clips_blocks_of_rows_are_taken_and_it_is_said(tmp_path: Path) -> None:
    found = diagnose(saved(tmp_path / "p.npz", clip=None))
    assert found["groups"] == {"by": "block", "count": 30, "effective": 30}
    assert "blocks" in found["notes"]["clip"]
    by_row = diagnose(tmp_path / "p.npz", by="row")
    assert by_row["groups"] == {"by": "row", "count": ROWS, "effective": ROWS}
    factors = [result["factors"]["common"]["factor"] for result in (found, by_row)]
    assert factors[0] == pytest.approx(factors[1], rel=1e-6)


def test_by_another_label(tmp_path: Path) -> None:
    people = np.array(["a", "b", "c"])[np.arange(ROWS) % 3]
    found = diagnose(saved(tmp_path / "p.npz", person=people), by="person")
    assert found["groups"] == {"by": "person", "count": 3, "effective": 3}


def test_rows_that_are_not_valid_are_left_out(tmp_path: Path) -> None:
    valid = np.ones(ROWS, bool)
    valid[100:] = False
    hypotheses = known_posterior("spread x 0.5", ROWS, HYPOTHESES)[0].numpy()
    hypotheses[100:] = np.nan
    found = diagnose(saved(tmp_path / "p.npz", valid=valid, hypotheses=hypotheses))
    assert (found["poses"], found["invalid"]) == (100, ROWS - 100)
    assert found["verdict"] == "overconfident"


def test_a_density_gives_highest_density_regions(tmp_path: Path) -> None:
    scale = torch.full((ROWS,), 0.05)
    mean = torch.zeros(ROWS, 17, 3)
    truth = GaussianPosterior(mean, scale, H36M_17)
    target = truth.sample((), torch.Generator().manual_seed(1))
    found = diagnose_posterior(truth, target, hypotheses=60)
    assert found["verdict"] == "calibrated"
    assert abs(found["whole_pose"]["density"]["score"]) < 0.2
    half = GaussianPosterior(mean, 0.5 * scale, H36M_17)
    narrow = diagnose_posterior(half, target, hypotheses=60)
    assert narrow["verdict"] == "overconfident"
    assert narrow["whole_pose"]["density"]["score"] > 1
    assert narrow["factors"]["common"]["factor"] == pytest.approx(2, rel=0.1)
    drawn = truth.sample((60,), torch.Generator().manual_seed(0))
    path = saved(
        tmp_path / "p.npz", hypotheses=drawn.transpose(0, 1).numpy(), target=target.numpy(),
        log_prob=truth.log_prob(drawn).T.contiguous().numpy(),
        target_log_prob=truth.log_prob(target).numpy(),
    )  # fmt: skip
    in_file = diagnose(path, by="row")
    assert abs(in_file["whole_pose"]["density"]["score"]) < 0.2
    assert in_file["verdict"] == "calibrated"


def test_the_first_hypotheses_only(tmp_path: Path) -> None:
    assert diagnose(saved(tmp_path / "p.npz"), hypotheses=20)["hypotheses"] == 20


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"target": None}, {}, "target"),
        ({"clip": None}, {"by": "clip"}, "an array clip"),
        ({}, {"by": "moon"}, "did you mean|one of"),
        ({}, {"hypotheses": 10}, "19 or more"),
        ({"hypotheses": np.zeros((ROWS, HYPOTHESES, 17, 3))}, {}, "hypotheses that differ"),
        ({"valid": np.zeros(ROWS, bool)}, {}, "at least one valid row"),
    ],
)
def test_bad_input_is_named(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        diagnose(saved(tmp_path / "p.npz", **changes), **options)


def test_a_target_of_another_shape_is_refused() -> None:
    posterior = GaussianPosterior(torch.zeros(3, 17, 3), torch.ones(3), H36M_17)
    with pytest.raises(InputError, match="a batch of poses"):
        diagnose_posterior(posterior, torch.zeros(4, 17, 3))

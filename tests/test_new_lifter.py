"""The worked example of docs/new_lifter.md, as it stands there, held to the contract."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import test_contract as contract
from poseterior.data.demo_clip import demo_motion
from poseterior.data.pose_source import PoseSource
from poseterior.geometry.skeleton import H36M_17
from poseterior.lifters import LIFTERS
from poseterior.training.checkpoint import load_lifter
from poseterior.training.fit import fit
from poseterior.training.fit_config import FitConfig

PAGE = Path(__file__).parents[1] / "docs" / "new_lifter.md"
NAME = "adaptive_gaussian"


@pytest.fixture
def lifter_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page's file as a module, its class under its name in `LIFTERS`."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    path = tmp_path / f"{NAME}.py"
    path.write_text(blocks[0], encoding="utf-8")
    specification = importlib.util.spec_from_file_location(NAME, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, NAME, module)  # dataclasses look their module up
    specification.loader.exec_module(module)
    monkeypatch.setitem(LIFTERS, NAME, module.AdaptiveGaussian)
    return module.AdaptiveGaussian


def test_it_keeps_the_contract(lifter_class: Any) -> None:
    contract.test_is_named_and_configured_by_a_frozen_dataclass(NAME)
    contract.test_samples_are_root_relative_float32_poses(NAME, H36M_17, (2, 3))
    contract.test_losses_are_finite_and_reach_every_parameter(NAME, "small")
    lifter = contract.build(NAME)
    with torch.no_grad():
        posterior = lifter(contract.observe())
        assert contract.density_faults(posterior) == []
        contract.test_flags_say_what_there_is(posterior)
    contract.test_a_row_does_not_depend_on_the_others(lifter)
    contract.test_what_is_stored_where_a_joint_is_missing_does_not_matter(lifter)


def test_it_is_trained_and_saved_like_the_others(lifter_class: Any, tmp_path: Path) -> None:
    source = PoseSource(demo_motion(), H36M_17, 64, seed=0)
    lifter = lifter_class(lifter_class.Config(width=64))
    keypoints, pose = source.batch(10_000)
    with torch.no_grad():
        before = -lifter(keypoints).log_prob(pose).mean()
    fit(lifter, source, tmp_path / "run", FitConfig(steps=60, batch_size=64, validate_every=0))
    opened = load_lifter(tmp_path / "run", LIFTERS)
    with torch.no_grad():
        after = -opened(keypoints).log_prob(pose).mean()
    assert after < before - 5

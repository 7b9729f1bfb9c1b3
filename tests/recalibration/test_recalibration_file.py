"""The JSON file of a recalibration: what is written comes back, anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.recalibration import METHODS
from poseterior.recalibration.file import Fitted, load_recalibration, save_recalibration
from poseterior.recalibration.latent_temperature import LatentTemperature
from poseterior.recalibration.spread import Spread, SpreadJoint
from recalibration.synthetic import held_out, observed, rng

TABLES = {
    "spread": "factor", "spread_joint": "factors", "spread_axis": "factors",
    "quantile": "factors", "adaptive": "slopes",
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(METHODS))
def fitted(request: pytest.FixtureRequest) -> Fitted:
    if request.param == "latent_temperature":
        return Fitted(LatentTemperature(H36M_17, 100, 0.85, "coupling_flow", "0123"))
    sigma = (0.5 * torch.randn(800, 17, generator=rng(8))).exp()
    data = held_out(0.5, poses=800, hypotheses=40, **observed(sigma))
    clips = {"clips": ["a", "b"], "poses": 800}
    return Fitted(METHODS[request.param].fit(data), clips, {"before": {}, "after": {}})


@pytest.fixture
def path(fitted: Fitted, tmp_path: Path) -> Path:
    return save_recalibration(fitted, tmp_path / "R.json")


def test_what_was_written_comes_back(fitted: Fitted, path: Path) -> None:
    again = load_recalibration(path)
    assert type(again.recalibration) is type(fitted.recalibration)
    assert again.recalibration.parameters() == fitted.recalibration.parameters()
    assert again.recalibration.skeleton is H36M_17
    assert again.recalibration.hypotheses == fitted.recalibration.hypotheses
    assert again.fitted_on == fitted.fitted_on
    assert again.effect == fitted.effect
    assert again.fingerprint() == fitted.fingerprint()
    assert save_recalibration(again, path.parent / "S.json").read_bytes() == path.read_bytes()


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "unknown method": (lambda d: d.update(method="spred"), "did you mean spread"),
    "method of no name": (lambda d: d.update(method=3), "method: expected a name, found 3"),
    "another format": (lambda d: d.update(format=9), "format: expected 1, found 9"),
    "unknown skeleton": (lambda d: d.update(skeleton="h36m_71"), "h36m_71"),
    "no hypotheses": (lambda d: d.update(hypotheses=0), "hypotheses: expected a whole number"),
    "hypotheses not whole": (lambda d: d.update(hypotheses=2.5), "hypotheses: expected a whole"),
    "hypotheses true": (lambda d: d.update(hypotheses=True), "hypotheses: expected a whole"),
    "a field too few": (lambda d: d.pop("effect"), "expected an object with"),
    "a field too many": (lambda d: d.update(more=1), "expected an object with"),
    "parameters of no object": (lambda d: d.update(parameters=[1]), "parameters: expected an obj"),
    "a parameter too few": (lambda d: d["parameters"].popitem(), "expected"),
    "a parameter too many": (lambda d: d["parameters"].update(more=1), "expected"),
    "clips of no list": (lambda d: d["fitted_on"].update(clips="a"), "clips: expected a list"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_with_a_fault_is_refused(path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(InputError, match=message) as caught:
        load_recalibration(changed(path, change))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "1", True, [1.0, 2.0]])
@pytest.mark.parametrize("method", TABLES)
def test_numbers_that_are_none_are_refused(tmp_path: Path, method: str, value: object) -> None:
    def spoil(data: dict[str, Any]) -> None:
        table = data["parameters"]
        name = TABLES[method]
        if name == "factor":
            table[name] = value
        elif isinstance(table[name]["nose"], list):
            table[name]["nose"][1] = value
        else:
            table[name]["nose"] = value

    sigma = (0.5 * torch.randn(300, 17, generator=rng(8))).exp()
    data = held_out(0.5, poses=300, hypotheses=20, **observed(sigma))
    path = save_recalibration(Fitted(METHODS[method].fit(data)), tmp_path / "R.json")
    with pytest.raises(InputError, match=r"expected .*finite number"):
        load_recalibration(changed(path, spoil))


@pytest.mark.parametrize("factor", [0, -1.0])
def test_factors_that_are_not_positive_are_refused(tmp_path: Path, factor: float) -> None:
    spread = Fitted(Spread(H36M_17, 20, torch.tensor([[2.0]])))
    path = save_recalibration(spread, tmp_path / "R.json")
    with pytest.raises(InputError, match="factors above 0"):
        load_recalibration(changed(path, lambda d: d["parameters"].update(factor=factor)))
    joints = Fitted(SpreadJoint(H36M_17, 20, torch.full((16, 1), 2.0)))
    path = save_recalibration(joints, tmp_path / "S.json")
    with pytest.raises(InputError, match="factors above 0"):
        load_recalibration(changed(path, lambda d: d["parameters"]["factors"].update(nose=factor)))


def test_joints_must_be_those_of_the_skeleton(tmp_path: Path) -> None:
    joints = Fitted(SpreadJoint(H36M_17, 20, torch.full((16, 1), 2.0)))
    path = save_recalibration(joints, tmp_path / "R.json")
    with pytest.raises(InputError, match="expected the joints right_hip"):
        load_recalibration(changed(path, lambda d: d["parameters"]["factors"].pop("nose")))
    path = save_recalibration(joints, tmp_path / "S.json")
    with pytest.raises(InputError, match="expected the joints left_hip"):
        load_recalibration(changed(path, lambda d: d.update(skeleton="smpl_24")))


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '{"method": "spread"}', "\x00"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "R.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"R\.json: expected"):
        load_recalibration(path)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: expected"):
        load_recalibration(tmp_path / "none.json")


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    spread = Fitted(Spread(H36M_17, 20, torch.tensor([[float("nan")]])))
    with pytest.raises(ValueError, match="Out of range float"):
        save_recalibration(spread, tmp_path / "R.json")
    assert list(tmp_path.iterdir()) == []

"""Studies: rows kept as they end, trainings shared, nothing mixed from two settings."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from poseterior.data.demo_clip import demo_motion
from poseterior.data.motion_clips import MotionClips
from poseterior.data.observed_anew import observed_anew
from poseterior.data.pose_source import PoseSource
from poseterior.errors import InputError
from poseterior.geometry.skeleton import H36M_17
from poseterior.lifters import LIFTERS
from poseterior.studies import STUDIES
from poseterior.studies.alone import Busy, alone
from poseterior.studies.ambiguous import SUBSETS, uncertain_joints
from poseterior.studies.samples import least_errors
from poseterior.studies.scored import parameters, scored, thinned, verdict
from poseterior.studies.study import Row, Scoring, Study, run_study
from poseterior.studies.study_data import StudyData
from poseterior.studies.table1 import METHODS, Method
from poseterior.studies.temperature import kept_temperature
from poseterior.studies.workshop import Workshop
from poseterior.training.signals import Interrupted


@pytest.fixture(scope="module")
def data() -> StudyData:
    motion = demo_motion()
    clips = MotionClips(
        motion, torch.arange(len(motion)) // 30, ("a", "b", "c"), 30.0, H36M_17, "made up"
    )
    return StudyData(
        name="cmu",
        source=lambda size, seed: PoseSource(motion, H36M_17, min(size, 16), seed),
        test=observed_anew(clips, poses=60),
        skeleton=H36M_17,
        about={"train": "made up"},
    )


@pytest.fixture
def workshop(data: StudyData, tmp_path: Path) -> Workshop:
    return Workshop(data, tmp_path / "study", budget=1e-4)


SCORING = Scoring(hypotheses=5, every=3)


def counted(names: str, fails: str = "") -> tuple[Study, list[str]]:
    """A study whose rows say when they are run; one of them is interrupted the first time."""
    ran: list[str] = []

    def run(name: str):
        def row(workshop: Workshop, scoring: Scoring) -> list[dict]:
            ran.append(name)
            if name == fails and ran.count(name) == 1:
                raise Interrupted("stopped")
            return [{"method": name, "min_mpjpe_mm": float(ord(name))}]

        return row

    study = Study("made", "Made up", tuple(Row(name, run(name)) for name in names),
                  lambda rows: [f"{len(rows)} rows"])  # fmt: skip
    return study, ran


def test_an_interrupted_study_goes_on_where_it_was(workshop: Workshop) -> None:
    whole, _ = counted("abc")
    wanted = run_study(whole, Workshop(workshop.data, workshop.out / "whole"), SCORING)
    study, ran = counted("abc", fails="b")
    with pytest.raises(Interrupted):
        run_study(study, workshop, SCORING)
    found = run_study(study, workshop, SCORING)
    assert ran == ["a", "b", "b", "c"]
    assert found["rows"] == wanted["rows"]
    assert found["notes"] == ["3 rows"]
    assert found["missing"] == []
    assert json.loads((workshop.out / "made.json").read_text()) == found


def test_one_row_alone_says_what_is_missing(workshop: Workshop) -> None:
    study, ran = counted("abc")
    found = run_study(study, workshop, SCORING, only="b")
    assert ran == ["b"]
    assert found["missing"] == ["a", "c"]
    assert [row["method"] for row in found["rows"]] == ["b"]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"seed": 1}, "seed"), ({"budget": 2e-4}, "budget"), ({"preset": "paper"}, "preset")],
)
def test_rows_of_other_settings_are_not_mixed(workshop: Workshop, change: dict, field: str) -> None:
    study, _ = counted("a")
    run_study(study, workshop, SCORING)
    other = Workshop(**{"data": workshop.data, "out": workshop.out, "budget": 1e-4} | change)
    with pytest.raises(InputError, match=field):
        run_study(study, other, SCORING)
    with pytest.raises(InputError, match="scoring"):
        run_study(study, workshop, Scoring(hypotheses=6, every=3))


def test_what_another_process_is_at_is_left_or_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "row.json"
    with alone(path, waits=False), pytest.raises(Busy), alone(path, waits=False):
        raise AssertionError
    with pytest.raises(ValueError, match="given back"), alone(path, waits=False):
        raise ValueError("given back")
    with alone(path, waits=True):
        assert not path.exists()


def test_rows_that_another_is_at_are_run_last(workshop: Workshop) -> None:
    study, ran = counted("abc")
    busy = workshop.out / "rows" / "made" / "a.json"
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        stack.enter_context(alone(busy, waits=False))
        result = pool.submit(run_study, study, workshop, SCORING)
        while len(ran) < 2:
            time.sleep(0.01)
        stack.close()
        found = result.result(timeout=60)
    assert ran == ["b", "c", "a"]
    assert [row["method"] for row in found["rows"]] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": 3}', '{"rows": [3]}'])
def test_a_damaged_row_is_named(workshop: Workshop, text: str) -> None:
    study, _ = counted("a")
    run_study(study, workshop, SCORING)
    (workshop.out / "rows" / "made" / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        run_study(study, workshop, SCORING)


def test_a_training_is_done_once_and_its_base_is_shared(workshop: Workshop) -> None:
    first = workshop.trained("gaussian", "_minmpjpe")
    state = workshop.out / "checkpoints" / "simple_baseline" / "training.json"
    before = state.stat().st_mtime_ns
    nll, again = workshop.trained("gaussian"), workshop.trained("gaussian", "_minmpjpe")
    assert (workshop.out / "checkpoints" / "gaussian").is_dir()
    steps = workshop.settings("simple_baseline", "small").steps
    assert json.loads(state.read_text())["step"] == steps
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.lifter.parameters(), again.lifter.parameters(), strict=True)
    )
    base = workshop.trained("simple_baseline").lifter
    for lifter in (first.lifter, nll.lifter):
        assert torch.equal(lifter.mean.last.weight, base.last.weight)
    assert state.stat().st_mtime_ns >= before
    assert again.seconds == first.seconds > 0


def test_a_row_has_what_a_table_needs(workshop: Workshop) -> None:
    row = Method("gaussian_nll", "gaussian").run(workshop, SCORING)[0]
    wanted = {
        "method", "min_mpjpe_mm", "min_pa_mpjpe_mm", "mpjpe_mean_mm", "mpjpe_latent_centre_mm",
        "ece_median", "ece_mean", "ece_latent_centre", "ece_joint_max", "energy_score_mm", "nll",
        "coverage_90", "verdict", "parameters", "train_s", "sample_s", "intervals", "reliability",
    }  # fmt: skip
    assert wanted <= set(row)
    assert row["poses"] == 20
    assert row["hypotheses"] == 5
    assert row["mpjpe_latent_centre_mm"] is None
    assert row["nll"] is not None


def test_every_method_of_the_table_is_a_lifter_and_every_lifter_is_in_the_table() -> None:
    assert {method.lifter for method in METHODS} == set(LIFTERS)
    assert len({method.name for method in METHODS}) == len(METHODS)


def test_studies_are_named_as_the_papers_ask() -> None:
    assert set(STUDIES) == {
        "table1", "ambiguous", "ablation", "samples", "diversity",
        "mesh_table", "mesh_ablation", "mesh_samples", "mesh_gallery", "mesh_fitting",
        "ccnet_table", "ccnet_aggregation", "ccnet_ablation", "ccnet_occlusion", "ccnet_mesh",
    }  # fmt: skip
    assert all(len({r.name for r in s.rows}) == len(s.rows) for s in STUDIES.values())


class Spread(torch.nn.Module):
    """Draws about the truth plus one fixed error, `width` times as far as that error is."""

    skeleton = H36M_17
    name = "spread"
    config = None

    def __init__(self, data: StudyData, width: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        target = data.test.target
        self.centre = target + 0.05 * torch.randn(target.shape, generator=generator)
        self.width, self.data = width, data
        self.temperature = torch.ones(())

    def forward(self, keypoints):
        from poseterior.posteriors import GaussianPosterior

        match = (keypoints.pixels[:, None] == self.data.test.keypoints.pixels).all((-1, -2))
        row = match.int().argmax(1)
        scale = torch.full((len(row),), 0.05 * self.width) * self.temperature
        centre = self.centre[row].clone()
        centre[:, 0] = 0
        return GaussianPosterior(centre, scale, H36M_17)


@pytest.mark.parametrize(
    ("width", "said"),
    [(1.0, "covers as it says"), (0.3, "overconfident"), (4.0, "underconfident")],
)
def test_the_verdict_is_silent_on_a_right_spread_and_fires_on_others(
    data: StudyData, width: float, said: str
) -> None:
    row = scored(Spread(data, width), data.test, Scoring(hypotheses=100))
    assert row["verdict"].startswith(said)


@pytest.mark.parametrize("width", [0.8, 1.0, 1.25])
def test_the_temperature_undoes_a_wrong_spread_and_is_kept(
    data: StudyData, width: float, tmp_path: Path
) -> None:
    lifter = Spread(data, width)
    chosen = kept_temperature(lifter, data.test, tmp_path)
    assert chosen == pytest.approx(1 / width, rel=0.08)
    again = Spread(data, 3.0)
    assert kept_temperature(again, data.test, tmp_path) == chosen
    assert again.temperature.item() == pytest.approx(chosen)


def test_a_flow_of_a_study_has_the_temperature_of_held_out_poses(
    workshop: Workshop, data: StudyData
) -> None:
    plain = workshop.trained("cgnf")
    assert plain.temperature is None
    assert plain.lifter.temperature == 1
    known = Workshop(
        replace(data, held_out=lambda: thinned(data.test, 12)), workshop.out, budget=1e-4
    )
    found = known.trained("cgnf")
    assert found.temperature is not None
    assert found.lifter.temperature.item() == pytest.approx(found.temperature)
    assert known.trained("semgcn").temperature is None


class Atoms(torch.nn.Module):
    """Two points, 1 m to either side of the origin in every free coordinate."""

    skeleton = H36M_17
    name = "atoms"
    config = None

    def forward(self, keypoints):
        from poseterior.posteriors import MixturePosterior, PointPosterior

        pose = torch.ones(len(keypoints.pixels), 17, 3)
        pose[:, 0] = 0
        return MixturePosterior([PointPosterior(sign * pose, H36M_17) for sign in (1, -1)])


def test_points_are_scored_as_a_distribution_of_atoms(data: StudyData) -> None:
    row = scored(Atoms(), data.test, Scoring(hypotheses=200))
    target = data.test.target[:, 1:].flatten(1).double()
    one = torch.ones_like(target)
    errors = ((target - one).norm(dim=-1) + (target + one).norm(dim=-1)) / 2
    apart = 2 * 48**0.5  # of two equal draws in four the points differ
    assert row["hypotheses"] == 2
    wanted = 1000 * (errors.mean().item() - apart / 4)
    assert row["energy_score_mm"] == pytest.approx(wanted, rel=0.01)


def test_a_point_has_no_verdict() -> None:
    assert verdict({"coverage_90": None, "coverage_90_interval": None}) == "one pose, no spread"


def test_uncertain_joints_are_counted(data: StudyData) -> None:
    keypoints = data.test.keypoints
    box = keypoints.pixels.amax(1) - keypoints.pixels.amin(1)
    pixel = 1.25 * box.amax(-1) / 64
    sigma = torch.linalg.eigvalsh(keypoints.covariance)[..., -1].sqrt() / pixel[:, None]
    assert torch.equal(uncertain_joints(keypoints), (sigma > 1.5).sum(-1))


def test_subsets_keep_the_rows_that_belong_to_them(data: StudyData) -> None:
    subset = SUBSETS["cmu"][1]
    found = subset.of(data.test)
    chosen = (uncertain_joints(data.test.keypoints) >= 4).nonzero()[:, 0]
    assert torch.equal(found.target, data.test.target[chosen])
    assert found.labels["frame"].tolist() == data.test.labels["frame"][chosen.numpy()].tolist()


def test_least_errors_are_those_of_a_loop(data: StudyData) -> None:
    poses = thinned(data.test, 6)
    draws = torch.randn(20, 17, 3, generator=torch.Generator().manual_seed(0))

    def draw(keypoints, generator):
        return draws[:, None].expand(-1, keypoints.batch_shape[0], -1, -1)

    found = list(least_errors(poses, draw, (1, 5, 20), 0))
    for row in found:
        errors = np.linalg.norm(draws[: row["hypotheses"], None] - poses.target, axis=-1).mean(-1)
        assert row["min_mpjpe_mm"] == pytest.approx(1000 * errors.min(0).mean(), rel=1e-5)
    aligned = [row["min_pa_mpjpe_mm"] for row in found]
    assert aligned == sorted(aligned, reverse=True)
    assert aligned[0] < found[0]["min_mpjpe_mm"]


def test_a_critic_is_not_counted_among_the_parameters() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own, self.critic = torch.nn.Linear(3, 1), torch.nn.Linear(5, 1)

        def critic_parameters(self):
            return list(self.critic.parameters())

    assert parameters(Two()) == 4


def test_points_are_scored_once_each(workshop: Workshop) -> None:
    point = Method("simple_baseline", "simple_baseline").run(workshop, SCORING)[0]
    assert (point["hypotheses"], point["ece_median"]) == (1, None)
    assert point["verdict"] == "one pose, no spread"
    means = next(method for method in METHODS if method.name == "mdn_means")
    many = Scoring(hypotheses=9, every=3)
    assert means.run(workshop, many)[0]["hypotheses"] == 5
    samples = next(method for method in METHODS if method.name == "mdn_samples")
    assert samples.run(workshop, many)[0]["hypotheses"] == 9


def test_each_seed_has_batches_of_its_own(data: StudyData) -> None:
    first, again, other = (data.source(8, seed).batch(3)[1] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_the_tables_notes_say_what_contradicts_the_paper() -> None:
    def row(method: str, verdict: str, ece: float | None, energy: float | None) -> dict:
        return {
            "method": method, "verdict": verdict, "ece_median": ece, "energy_score_mm": energy,
            "min_mpjpe_mm": 50.0,
        }  # fmt: skip

    rows = [
        row("gaussian_minmpjpe", "overconfident", 0.4, 250.0),
        row("gaussian_nll", "underconfident", 0.2, 240.0),
        row("cinn", "underconfident", 0.1, 300.0),
        row("coupling_flow", "covers as it says at 90 %", 0.03, 180.0),
        row("semgcn", "one pose, no spread", None, None),
    ]
    notes = "\n".join(STUDIES["table1"].notes(rows))
    assert "2.0 times as much" in notes
    assert "gaussian_minmpjpe overconfident, cinn underconfident. Not so here: cinn." in notes
    assert "180.0 mm, is that of coupling_flow; its ECE is 0.030" in notes
    assert STUDIES["table1"].notes([]) == []


def test_the_ablations_notes_say_which_parts_did_not_help() -> None:
    rows = [
        {"method": name, "subset": subset, "min_mpjpe_mm": error + plus, "steps": 2400}
        for name, error in (("full", 50.0), ("no_condition", 60.0), ("best_1", 45.0))
        for subset, plus in (("five", 0.0), ("four", 30.0))
    ]
    notes = STUDIES["ablation"].notes(rows)
    assert (
        "of the full method is 50.0 mm off; worse: no_condition 60.0; not worse: best_1 45.0."
        in (notes[0])
    )
    assert "one step for 31 published" in notes[1]
    assert STUDIES["ablation"].notes(rows[:2]) == []
    assert STUDIES["ablation"].notes([]) == []

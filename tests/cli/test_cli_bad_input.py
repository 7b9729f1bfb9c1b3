"""Bad input: one line that names file, field, expected and found; exit code 2; nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_files import (
    assert_refused,
    deeplabcut_csv,
    observations,
    openpose_folder,
    predictions,
    save,
    scored_points,
    write_json,
)
from safetensors.torch import load_file, save_file


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, hidden ones too, with what is in it."""
    found = sorted(folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in found}


@pytest.fixture
def refuses(run, tmp_path):
    """Runs a command that must be refused, and must leave the folder as it was."""

    def command(*arguments, words=(), code=2):
        before = tree(tmp_path)
        ended = run(*arguments)
        assert_refused(ended, *map(str, words), code=code)
        assert tree(tmp_path) == before
        return ended

    return command


def _with(**changes):
    return lambda arrays: arrays | changes


def _without(name):
    return lambda arrays: {k: v for k, v in arrays.items() if k != name}


def _at(name, where, value):
    def change(arrays):
        arrays[name][where] = value
        return arrays

    return change


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


OBSERVATIONS = {
    "infinite": (_at("keypoints", (2, 3, 0), np.inf), "keypoints"),
    "objects": (_with(keypoints=np.array([[{}, {}]])), "unpickling"),
    "object skeleton": (_with(skeleton=np.array({})), "skeleton"),
    "not semi-definite": (_at("covariance", (1, 4), [[1.0, 3.0], [3.0, 1.0]]), "covariance"),
    "negative": (_at("covariance", (1, 4), [[-1.0, 0.0], [0.0, 1.0]]), "covariance"),
    "NaN covariance": (_at("covariance", (1, 4), np.nan), "covariance"),
    "joints": (_with(keypoints=np.zeros((6, 16, 2))), "(M, 17, 2)"),
    "covariance rows": (_with(covariance=np.zeros((5, 17, 2, 2))), "covariance"),
    "unknown skeleton": (_with(skeleton="h36m_71"), "h36m_17"),
    "no skeleton": (_without("skeleton"), "skeleton"),
    "no keypoints": (_without("keypoints"), "keypoints"),
    "zero poses": (_with(keypoints=np.zeros((0, 17, 2))), "M at least 1"),
    "nothing to lift": (_with(valid=np.zeros((6, 17), bool)), "at least 4 valid joints"),
    "image size": (
        lambda arrays: _without("intrinsics")(arrays) | {"image_size": np.array([0, 800])},
        "image_size",
    ),
    "image size of a row": (_with(image_size=np.array([[9, 9]] * 5 + [[9, -1]])), "image_size"),
    "confidence": (_with(confidence=np.full((6, 17), np.inf)), "confidence"),
    "target": (_at("target", (0, 5, 2), np.nan), "target"),
    "root": (_at("target", (0, 0, 2), 0.5), "target"),
    "labels": (_with(frame=np.arange(5)), "frame"),
    "singular camera": (_with(intrinsics=np.zeros((3, 3))), "intrinsics"),
}  # fmt: skip


@pytest.mark.parametrize("case", OBSERVATIONS)
def test_observations(refuses, tiny_lifter, tmp_path, case):
    change, field = OBSERVATIONS[case]
    source = save(tmp_path / "in.npz", change(observations()))
    options = ("--hypotheses", 3)
    words = ("in.npz", field)
    refuses("lift", source, "--out", tmp_path / "o.npz", "--lifter", tiny_lifter, *options,
            words=words)  # fmt: skip
    refuses("evaluate", tiny_lifter, "--observations", source, "--json", tmp_path / "o.json",
            *options, words=words)  # fmt: skip


PREDICTIONS = {
    "NaN": (_at("hypotheses", (7, 2, 3, 1), np.nan), "hypotheses"),
    "infinite": (_at("hypotheses", (7, 2, 3, 1), -np.inf), "hypotheses"),
    "NaN target": (_at("target", (7, 3, 1), np.nan), "target"),
    "objects": (_with(hypotheses=np.array([None] * 40)), "unpickling"),
    "joints": (_with(hypotheses=np.zeros((40, 30, 16, 3))), "(M, H, 17, 3)"),
    "unknown skeleton": (_with(skeleton="h36m"), "h36m_17"),
    "zero poses": (_with(hypotheses=np.zeros((0, 5, 17, 3))), "at least 1"),
    "zero hypotheses": (_with(hypotheses=np.zeros((40, 0, 17, 3))), "at least 1"),
    "target rows": (_with(target=np.zeros((39, 17, 3))), "target"),
    "target joints": (_with(target=np.zeros((40, 16, 3))), "target"),
    "no target": (_without("target"), "target"),
    "no hypotheses": (_without("hypotheses"), "hypotheses"),
    "nothing valid": (_with(valid=np.zeros(40, bool)), "valid"),
    "weights": (_with(weights=-np.ones((40, 30))), "weights"),
    "no weight": (_with(weights=np.zeros((40, 30))), "weights"),
}


@pytest.mark.parametrize("case", PREDICTIONS)
def test_predictions(refuses, tmp_path, case):
    change, field = PREDICTIONS[case]
    source = save(tmp_path / "in.npz", change(predictions()))
    outputs = ("--json", tmp_path / "o.json", "--report", tmp_path / "o.html")
    refuses("score", source, *outputs, "--plots", tmp_path / "plots", words=("in.npz", field))


TARGETS = {
    "rows": (_with(target=np.zeros((39, 17, 3))), "target"),
    "skeleton": (_with(skeleton="coco_17"), "skeleton"),
    "clips": (_with(clip=np.arange(40)), "clip"),
    "NaN": (_at("target", (3, 4), np.nan), "target"),
    "none": (_without("target"), "target"),
    "objects": (_with(target=np.array([None] * 40)), "unpickling"),
}


@pytest.mark.parametrize("case", TARGETS)
def test_targets(refuses, tmp_path, case):
    change, field = TARGETS[case]
    source = save(tmp_path / "in.npz", _without("target")(predictions()))
    target = save(tmp_path / "t.npz", change(_without("hypotheses")(predictions())))
    refuses("score", source, "--target", target, words=("t.npz", field))


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "folder", "missing", "npy"])
def test_files_that_are_no_npz(refuses, tiny_lifter, cmu, tmp_path, damage):
    seen = save(tmp_path / "seen.npz", observations())
    drawn = save(tmp_path / "drawn.npz", predictions())
    good = save(tmp_path / "good.npz", predictions())
    root = tmp_path / "root"
    shutil.copytree(cmu, root)
    for path in (seen, drawn, root / "cmu_train.npz", root / "test_observations.npz"):
        if damage == "truncated":
            _truncate(path)
        elif damage == "npy":
            np.save(path.with_suffix(".npy"), np.zeros(3))
            path.with_suffix(".npy").rename(path)
        elif damage in ("text", "empty"):
            path.write_text("no archive\n" * (damage == "text"))
        else:
            path.unlink()
            if damage == "folder":
                path.mkdir()
    lifter = ("--lifter", tiny_lifter)
    refuses("lift", seen, "--out", tmp_path / "o.npz", *lifter, words=("seen.npz",))
    refuses("evaluate", tiny_lifter, "--observations", seen, words=("seen.npz",))
    refuses("score", drawn, words=("drawn.npz",))
    refuses("score", good, "--target", drawn, words=("drawn.npz",))
    refuses("train", "simple_baseline", "--root", root, "--out", tmp_path / "r", "--steps", 1,
            words=("cmu_train.npz",))  # fmt: skip
    if damage not in ("folder", "missing"):  # without the file the split is observed anew
        refuses("evaluate", tiny_lifter, "--root", root, words=("test_observations.npz",))


def _json(content):
    return lambda folder: write_json(folder / "in.json", content)


def _coco(change):
    points = scored_points("coco_17")
    rows = [
        {"image_id": i, "category_id": 1, "keypoints": p.ravel().tolist(), "score": 1.0}
        for i, p in enumerate(points)
    ]
    change(rows)
    return _json(rows)


def _table(folder):
    return deeplabcut_csv(
        folder / "in.csv", {"a": "nose", "b": "left_hip"}, scored_points("coco_17")
    )


def _cut(make):
    def cut(folder):
        path = make(folder)
        _truncate(path)
        return path

    return cut


def _text(name, text):
    def write(folder):
        (folder / name).write_text(text)
        return folder / name

    return write


def _folder(folder):
    (folder / "in").mkdir()
    return folder / "in"


def _nobody(folder):
    return openpose_folder(folder / "in", [[], [np.zeros((25, 3))]])


whole = _coco(lambda rows: None)
KEYPOINTS = {
    "truncated JSON": (_cut(whole), (), "in.json"),
    "foreign JSON": (_json({"shapes": []}), (), "format"),
    "empty file": (_text("in.json", ""), (), "empty"),
    "empty list": (_json([]), (), "in.json"),
    "text": (_text("in.txt", "hello"), (), "hello"),
    "infinite": (_coco(lambda rows: rows[1]["keypoints"].__setitem__(3, float("inf"))), (), "inf"),
    "joint count": (_coco(lambda rows: [r["keypoints"].extend([1.0] * 9) for r in rows]), (), "20"),
    "nobody": (_nobody, (), "in"),
    "empty folder": (_folder, (), "JSON"),
    "missing": (lambda folder: folder / "absent.json", (), "absent.json"),
    "unknown format": (whole, ("--format", "cocoo"), "coco"),
    "another format": (whole, ("--format", "openpose"), "in.json"),
    "npz it is not": (whole, ("--format", "npz"), "npz"),
    "unknown skeleton": (whole, ("--skeleton", "coco_71"), "coco_17"),
    "another skeleton": (whole, ("--skeleton", "openpose_25"), "25"),
    "image size": (whole, ("--image-size", 0, 0), "image_size"),
    "negative image size": (whole, ("--image-size", 640, -480), "image_size"),
    "infinite image size": (whole, ("--image-size", "inf", 480), "image_size"),
    "focal": (whole, ("--focal", 0), "focal"),
    "NaN focal": (whole, ("--focal", "nan"), "focal"),
    "person": (whole, ("--person", "7"), "largest"),
    "person's name": (whole, ("--person", "tallest"), "largest"),
    "no map": (_table, (), "--map"),
    "map missing": (_table, ("--map", "absent.json"), "absent.json"),
    "table truncated": (_cut(_table), ("--skeleton", "coco_17"), "in.csv"),
}


@pytest.mark.parametrize("case", KEYPOINTS)
def test_keypoints_of_other_tools(refuses, tiny_lifter, tmp_path, case):
    make, options, word = KEYPOINTS[case]
    refuses("lift", make(tmp_path), "--out", tmp_path / "o.npz", "--lifter", tiny_lifter, *options,
            words=(word,))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "word"),
    [('{"a": "nose"', "JSON"), ("[]", "our joint"), ('{"c": "nose"}', "c"), ("{}", "empty"),
     ('{"a": "nase"}', "nase"), ('{"a": "nose", "b": "nose"}', "twice"), ('{"a": 3}', "3")],
)  # fmt: skip
def test_maps(refuses, tiny_lifter, tmp_path, text, word):
    (tmp_path / "names.json").write_text(text)
    refuses("lift", _table(tmp_path), "--out", tmp_path / "o.npz", "--lifter", tiny_lifter,
            "--map", tmp_path / "names.json", words=("names.json", word))  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [("--hypotheses", 0), ("--hypotheses", -5), ("--seed", -1), ("--image-size", 0, 800),
     ("--focal", -3), ("--skeleton", "coco_17"), ("--map", "names.json"), ("--person", "9"),
     ("--format", "coco")],
)  # fmt: skip
def test_options_of_lift(refuses, tiny_lifter, tmp_path, options):
    source = save(tmp_path / "in.npz", observations())
    refuses("lift", source, "--out", tmp_path / "o.npz", "--lifter", tiny_lifter, *options)


@pytest.mark.parametrize(
    "options",
    [("--hypotheses", 0), ("--hypotheses", -5), ("--seed", -1), ("--split", "tset"),
     ("--limb-scale", 1.5), ("--limb-scale", -0.1), ("--limb-scale", "nan"),
     ("--root", "absent"), ("--observations", "absent.npz")],
)  # fmt: skip
def test_options_of_evaluate(refuses, tiny_lifter, cmu, options):
    refuses("evaluate", tiny_lifter, "--root", cmu, *options)


@pytest.mark.parametrize("options", [("--split", "val"), ("--limb-scale", 0.1)])
def test_evaluate_takes_observations_or_a_data_set(refuses, tiny_lifter, tmp_path, options):
    source = save(tmp_path / "in.npz", observations())
    refuses("evaluate", tiny_lifter, "--observations", source, *options, words=options[:1])


@pytest.mark.parametrize("wanted", [0, -1, 31])
def test_hypotheses_of_score(refuses, tmp_path, wanted):
    source = save(tmp_path / "in.npz", predictions())
    refuses("score", source, "--hypotheses", wanted, words=("in.npz", "hypotheses", "1 to 30"))


@pytest.mark.parametrize("place", ["absent/o", "a folder", "in.npz", "in.npz/o"])
def test_places_that_cannot_be_written(refuses, tiny_lifter, tmp_path, place):
    """No such folder; a folder; the input itself; a file taken for a folder."""
    seen, drawn = (
        save(tmp_path / f"{d}" / "in.npz", arrays)
        for d, arrays in (("seen", observations()), ("drawn", predictions()))
        if not (tmp_path / d).mkdir()
    )
    for source in (seen, drawn):
        (source.parent / "a folder").mkdir()
    out = seen.parent / place
    refuses("lift", seen, "--out", out, "--lifter", tiny_lifter, words=(out,))
    refuses("evaluate", tiny_lifter, "--observations", seen, "--json", out, words=(out,))
    out = drawn.parent / place
    refuses("score", drawn, "--json", out, words=(out,))
    refuses("score", drawn, "--report", out, words=(out,))
    if place.startswith("in"):
        refuses("score", drawn, "--plots", out, words=(out,))
        refuses("demo", "--out", out, words=(out,))
        refuses("train", "simple_baseline", "--root", "absent", "--out", out)


def test_two_outputs_in_one_place(refuses, tmp_path):
    source, out = save(tmp_path / "in.npz", predictions()), tmp_path / "o"
    refuses("score", source, "--json", out, "--report", out, words=("another output",))


def _config(**changes):
    def change(folder):
        path = folder / "config.json"
        described = json.loads(path.read_text())
        described.update(changes)
        write_json(path, described)

    return change


def _tensors(change):
    def rewrite(folder):
        path = folder / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return rewrite


CHECKPOINTS = {
    "another lifter": (_config(lifter="simple_baseline", config={
        "width": 16, "residual_blocks": 1, "dropout": 0.0, "max_norm": 1.0}), "model.safetensors"),
    "unknown lifter": (_config(lifter="diffusion"), "coupling_flow"),
    "extra key": (_tensors(lambda t: t.update(extra=t["temperature"].clone())), "extra"),
    "missing key": (_tensors(lambda t: t.pop("temperature")), "temperature"),
    "another shape": (_tensors(lambda t: t.update(temperature=t["temperature"][None])), "()"),
    "extra setting": (_config(config={"members": 1, "layers": 3}), "config.json"),
    "extra field": (_config(date="today"), "config.json"),
    "unknown skeleton": (_config(skeleton="h36m"), "skeleton"),
    "truncated weights": (lambda folder: _truncate(folder / "model.safetensors"), "safetensors"),
    "truncated config": (lambda folder: _truncate(folder / "config.json"), "config.json"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_checkpoints(refuses, tiny_lifter, tmp_path, case):
    change, word = CHECKPOINTS[case]
    folder = tmp_path / "lifter"
    shutil.copytree(tiny_lifter, folder)
    change(folder)
    source = save(tmp_path / "in.npz", observations())
    refuses("lift", source, "--out", tmp_path / "o.npz", "--lifter", folder, words=(word,))
    refuses("evaluate", folder, "--observations", source, words=(word,))


def test_lifters_that_are_none(refuses, tmp_path):
    source = save(tmp_path / "in.npz", observations())
    lift = ("lift", source, "--out", tmp_path / "o.npz", "--lifter")
    refuses(*lift, "coupling_flwo", words=("did you mean coupling_flow?",))
    refuses(*lift, "simple_baseline", words=("no weights in the package",))
    refuses(*lift, source, words=("checkpoint folder",))
    refuses(*lift, tmp_path, words=("config.json",))
    refuses("evaluate", "coupling_flwo", "--observations", source, words=("coupling_flow",))


def test_data(refuses, run, tmp_path, monkeypatch):
    monkeypatch.delenv("POSETERIOR_CMU", raising=False)
    refuses("data", "cmu", "--root", tmp_path / "absent", words=("absent",))
    refuses("train", "simple_baseline", "--out", tmp_path / "r", words=("--root",))
    refuses("train", "simple_baseline", "--out", tmp_path / "r", "--root", tmp_path,
            words=("cmu_train.npz",))  # fmt: skip
    refuses("evaluate", "coupling_flow", "--root", tmp_path, words=("cmu_test.npz",))
    ended = run("data", "cmu", "--root", tmp_path)  # tells where to get it all the same
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "mocap.cs.cmu.edu" in ended.out

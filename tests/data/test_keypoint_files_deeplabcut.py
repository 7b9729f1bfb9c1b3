"""DeepLabCut's CSV and HDF5, written by pandas as DeepLabCut writes them."""

from __future__ import annotations

import importlib.util
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from poseterior.data.keypoint_files import read_keypoints, select_person
from poseterior.data.keypoint_files.plain_literal import read_literal
from poseterior.errors import InputError
from poseterior.geometry.skeleton import get_skeleton

PARTS = ("Nose", "left hip", "right-hip", "tail")
COCO = get_skeleton("coco_17")
OUR = [COCO.index(joint) for joint in ("nose", "left_hip", "right_hip")]


def _frame(rows=4, individuals=None, coords=("x", "y", "likelihood"), parts=PARTS, index=None):
    levels = [["DLC_resnet50_danceOct1shuffle1_1030000"], parts, coords]
    names = ["scorer", "bodyparts", "coords"]
    if individuals:
        levels.insert(1, individuals)
        names.insert(1, "individuals")
    columns = pd.MultiIndex.from_product(levels, names=names)
    values = np.random.default_rng(1).uniform(100, 400, (rows, len(columns)))
    frame = pd.DataFrame(values, columns=columns, index=index)
    if "likelihood" in coords:
        frame.loc[:, frame.columns.get_level_values("coords") == "likelihood"] = 0.9
    return frame


def _save(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path)
    else:
        if importlib.util.find_spec("tables") is None:
            pytest.skip("pandas writes HDF5 only where PyTables is installed")
        layout = "fixed" if "fixed" in path.name else "table"
        frame.to_hdf(path, key="df_with_missing", format=layout, mode="w")
    return path


FILES = ["v.csv", "v_table.h5", "v_fixed.h5"]


@pytest.mark.parametrize("name", FILES)
def test_predictions_by_the_skeleton_s_names(tmp_path, name):
    frame = _frame()
    frame.iloc[1, :3] = np.nan
    frame.iloc[2, 5] = 0.0
    table = read_keypoints(_save(frame, tmp_path / name), skeleton="coco_17")
    expected = frame.to_numpy().reshape(4, 4, 3)[:, :3]
    keypoints = table.keypoints
    valid = np.ones((4, 3), dtype=bool)
    valid[1, 0] = valid[2, 1] = False
    assert keypoints.valid[:, OUR].tolist() == valid.tolist()
    assert keypoints.valid.sum() == valid.sum()
    np.testing.assert_allclose(
        keypoints.pixels[:, OUR], np.where(valid[..., None], expected[..., :2], 0), rtol=1e-6
    )
    assert table.frame.tolist() == [0, 1, 2, 3]
    assert table.assumptions["points"] == "1 of 4 not used: tail"
    assert "left_wrist" in table.assumptions["joints"]


@pytest.mark.parametrize("name", FILES)
def test_several_animals_are_people_and_empty_frames_stay(tmp_path, name):
    frame = _frame(individuals=["anna", "bert"])
    frame.iloc[1, 12:] = np.nan  # bert leaves
    frame.iloc[2, :] = np.nan  # both gone
    table = read_keypoints(_save(frame, tmp_path / name), skeleton="coco_17")
    assert table.frame.tolist() == [0, 0, 1, 2, 3, 3]
    assert table.person.tolist() == [0, 1, 0, -1, 0, 1]
    assert table.assumptions["person"] == "0 is 'anna', 1 is 'bert'"
    bert = select_person(table, 1)
    assert bert.keypoints.valid.any(1).tolist() == [True, False, False, True]
    np.testing.assert_allclose(
        bert.keypoints.pixels[3, OUR[0]], frame.iloc[3, 12:14].to_numpy(float), rtol=1e-6
    )


@pytest.mark.parametrize("name", FILES)
def test_a_map_gives_joints_to_the_user_s_words(tmp_path, name):
    frame = _frame(parts=("shoulder1", "Kinn", "schwanz"))
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"shoulder1": "right_shoulder", "Kinn": "neck"}))
    table = read_keypoints(_save(frame, tmp_path / name), skeleton="lsp_14", joint_map=names)
    lsp = get_skeleton("lsp_14")
    joints = [lsp.index("right_shoulder"), lsp.index("neck")]
    expected = frame.to_numpy().reshape(4, 3, 3)[:, :2, :2]
    np.testing.assert_allclose(table.keypoints.pixels[:, joints], expected, rtol=1e-6)


def test_labels_have_images_and_no_likelihood(tmp_path):
    index = pd.MultiIndex.from_tuples(
        [("labeled-data", "dance", f"img{n:03d}.png") for n in (4, 9)]
    )
    frame = _frame(2, coords=("x", "y"), index=index)
    frame.iloc[0, 0] = np.nan
    table = read_keypoints(_save(frame, tmp_path / "CollectedData_Eva.csv"), skeleton="coco_17")
    assert table.frame_names == ("labeled-data/dance/img004.png", "labeled-data/dance/img009.png")
    assert table.frame.tolist() == [0, 1]
    assert table.keypoints.confidence is None
    assert table.keypoints.valid[:, OUR].tolist() == [[False, True, True], [True] * 3]
    assert "no confidences" in table.assumptions["covariance"]


def test_columns_in_any_order(tmp_path):
    frame = _frame()
    shuffled = frame.iloc[:, np.random.default_rng(0).permutation(12)]
    tables = [
        read_keypoints(_save(f, tmp_path / f"{n}.csv"), skeleton="coco_17")
        for n, f in (("a", frame), ("b", shuffled))
    ]
    torch.testing.assert_close(tables[0].keypoints.pixels, tables[1].keypoints.pixels)


def test_mixed_number_types_are_several_blocks(tmp_path):
    frame = _frame()
    frame = frame.astype({frame.columns[2]: np.float32, frame.columns[0]: np.int64})
    for name in ("v_table.h5", "v_fixed.h5"):
        table = read_keypoints(_save(frame, tmp_path / name), skeleton="coco_17")
        expected = frame.to_numpy().reshape(4, 4, 3)[:, :3, :2]
        np.testing.assert_allclose(table.keypoints.pixels[:, OUR], expected, rtol=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_without_skeleton_or_map_it_asks_for_one(tmp_path, name):
    path = _save(_frame(), tmp_path / name)
    with pytest.raises(InputError, match=r"--skeleton NAME, or --map NAMES.json.*Nose, left hip"):
        read_keypoints(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.loc[:, ~f.columns.duplicated()].iloc[:, 1:], "Nose: expected columns x and y"),
        (lambda f: f.iloc[:, [0, *range(f.shape[1])]], "Nose: expected one x, found several"),
        (lambda f: f.iloc[:0], "rows: expected at least one frame"),
        (lambda f: f.rename(columns={"likelihood": "z"}), "coords of Nose: expected one of"),
        (lambda f: f.rename(columns=dict.fromkeys(PARTS[:3], "ear")), "ear: expected one x"),
        (lambda f: f * np.inf, "finite pixels"),
        (lambda f: f * np.nan, "a detected joint"),
        (lambda f: f.iloc[:, 9:], "names of coco_17's joints"),
    ],
)
def test_tables_that_make_no_sense_are_refused(tmp_path, change, says):
    path = _save(change(_frame()), tmp_path / "v.csv")
    with pytest.raises(InputError, match=says):
        read_keypoints(path, skeleton="coco_17")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scorer,a,a\nbodyparts,nose,nose\n", "header: expected rows of one length"),
        ("scorer,a,a\nbodyparts,nose\ncoords,x,y\n0,1,2\n", "header: expected rows of one length"),
        ("scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\n0,1\n", "line 4: expected 3 columns"),
        ("scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\n0,1,left\n", "line 4: expected numbers"),
        ("scorer,a,b\nbodyparts,nose,nose\ncoords,x,y\n0,1,2\n", "columns of one scorer"),
        ("scorer\nbodyparts\ncoords\n0\n", "header: expected columns of coordinates"),
    ],
)
def test_damaged_csv_is_refused(tmp_path, text, says):
    path = tmp_path / "v.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_keypoints(path, skeleton="coco_17")


def test_truncated_and_foreign_hdf5_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = _save(_frame(500), tmp_path / "v_table.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:3000])
    with h5py.File(tmp_path / "sleap.h5", "w") as file:
        file["tracks"] = np.zeros((1, 2, 3, 4))
    for damaged in (cut, tmp_path / "sleap.h5"):
        with pytest.raises(InputError, match=r"HDF5: expected"):
            read_keypoints(damaged, skeleton="coco_17")


@pytest.mark.parametrize("name", FILES[1:])
def test_damage_anywhere_in_hdf5_is_one_clear_error(tmp_path, name):
    pytest.importorskip("h5py")
    path = _save(_frame(), tmp_path / name)
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    generator, refused = np.random.default_rng(3), 0
    for _ in range(150):
        damaged = whole.copy()
        damaged[generator.integers(8, min(len(whole), 20_000), 30)] = 0xC1
        path.write_bytes(damaged.tobytes())
        try:
            read_keypoints(path, skeleton="coco_17")
        except InputError:
            refused += 1
    assert refused > 50


class _Harmful:
    ran = False

    def __reduce__(self):
        return (setattr, (_Harmful, "ran", True))


def test_labels_that_would_run_code_are_refused_and_do_not_run(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = _save(_frame(), tmp_path / "v_table.h5")
    with h5py.File(path, "r+") as file:
        attributes = file["df_with_missing/table"].attrs
        attributes["values_block_0_kind"] = np.bytes_(pickle.dumps([_Harmful()], protocol=0))
    with pytest.raises(InputError, match="labels: expected labels of plain lists"):
        read_keypoints(path, skeleton="coco_17")
    assert not _Harmful.ran


PLAIN = [
    [("a", "b"), ("a", "c")],
    {1: {"names": ["x", None], "type": "MultiIndex"}, "index": {}},
    ("Knie \u00fc \u4e2d\n\\", -12, [], ()),
]


@pytest.mark.parametrize("value", PLAIN)
def test_plain_labels_are_read_as_python_would(value):
    assert read_literal(pickle.dumps(value, protocol=0), "f") == value


@pytest.mark.parametrize("end", range(1, 60, 7))
def test_labels_cut_short_are_refused(end):
    text = pickle.dumps(PLAIN[1], protocol=0)
    with pytest.raises(InputError):
        read_literal(text[:end], "f")


@pytest.mark.parametrize("value", [1.5, {1, 2}, b"bytes", np.float64(2), print, object()])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_everything_else_is_refused(value, protocol):
    with pytest.raises(InputError):
        read_literal(pickle.dumps(value, protocol=protocol), "f")

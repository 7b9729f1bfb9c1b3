"""A small ONNX file with the inputs and outputs of RTMPose, whose bins are what it sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the extra [test]")
pytest.importorskip("onnxruntime", reason="needs the extra [detect]")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

WIDTH, HEIGHT = 192, 256


def save_rtmpose(
    path: Path, batch: int | str = "batch", joints: int = 17, stretch: tuple[float, float] = (2, 2)
) -> Path:
    """Every joint's bins are the largest value of the green channel in each column and row.

    Two bins a pixel, interpolated between the pixels: bin k lies at pixel k / 2.
    """
    graph = helper.make_graph(
        [
            *_green(),
            *_axis("simcc_x", 2, joints),
            *_axis("simcc_y", 3, joints),
        ],
        "rtmpose",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, HEIGHT, WIDTH])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, joints, None])
            for name in ("simcc_x", "simcc_y")
        ],
        [
            _constant("first", [1], np.int64),
            _constant("last", [2], np.int64),
            _constant("channels", [1], np.int64),
            _constant("std", [57.12 / 255], np.float32),
            _constant("mean", [116.28 / 255], np.float32),
            *(
                _constant(f"{name}_{key}", value, dtype)
                for name, axis, ratio in (("simcc_x", 2, stretch[0]), ("simcc_y", 3, stretch[1]))
                for key, value, dtype in (
                    ("along", [axis], np.int64),
                    ("stretch", [1, 1, ratio], np.float32),
                    ("joints", [1, joints, 1], np.int64),
                )
            ),
        ],
    )
    return save_graph(path, graph)


def save_graph(path: Path, graph: Any) -> Path:
    """A checked model of a graph, in the versions of MMDeploy's exports or newer."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def save_identity(path: Path, shape: list[int | str | None]) -> Path:
    """A network of another kind: its one output is its one input."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b")]
    node = helper.make_node("Identity", ["a"], ["b"])
    return save_graph(path, helper.make_graph([node], "other", ends[:1], ends[1:]))


def _constant(name: str, value: list[float], dtype: type) -> Any:
    return numpy_helper.from_array(np.array(value, dtype), name)


def _green() -> list[Any]:
    """The green channel from 0 to 1, (B, 1, 256, 192)."""
    return [
        helper.make_node("Slice", ["input", "first", "last", "channels"], ["normalised"]),
        helper.make_node("Mul", ["normalised", "std"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["green"]),
    ]


def _axis(name: str, over: int, joints: int) -> list[Any]:
    profile, bins = f"{name}_profile", f"{name}_bins"
    return [
        helper.make_node("ReduceMax", ["green", f"{name}_along"], [profile], keepdims=0),
        helper.make_node(
            "Resize", [profile, "", f"{name}_stretch"], [bins], mode="linear",
            coordinate_transformation_mode="asymmetric",
        ),
        helper.make_node("Tile", [bins, f"{name}_joints"], [name]),
    ]  # fmt: skip

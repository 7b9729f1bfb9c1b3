"""The columns of the studies of keypoint confidence, as arguments of `study_columns.Column`."""

from __future__ import annotations

from typing import Any

__all__ = ["CCNET_COLUMNS", "CCNET_MAIN"]

_COCO = "COCO's evaluation of keypoints, OKS 0.50 to 0.95, with true boxes; times 100."
_AUSE = "Area between the sparsification curve and the ideal one, of 1 - {}; times 100."
_PCK = "Share of keypoints within {} of the torso's length of the truth."
_CHANGES = {"pa_mpjpe": "PA-MPJPE", "mpjpe": "MPJPE", "vertex": "Surface"}
_PEARSON = "Pearson's correlation of the confidence and the OKS of {}."


def _number(
    key: str,
    heading: str,
    meaning: str,
    better: str = "high",
    digits: int = 1,
    scale: float = 100.0,
) -> tuple[Any, ...]:
    return key, heading, "", digits, better, meaning, "Nobody to measure it on.", scale


CCNET_COLUMNS = (
    _number("map", "mAP", _COCO),
    _number("mar", "mAR", f"{_COCO} No confidence changes it.", ""),
    _number("ap50", "AP50", "The same at OKS 0.50."),
    _number("ap75", "AP75", "The same at OKS 0.75."),
    _number("ap_m", "AP, medium", "The same of people of 32² to 96² px²."),
    _number("ap_l", "AP, large", "The same of people of more than 96² px²."),
    _number("ause_instance", "AUSE, people", _AUSE.format("OKS of a person"), "low", 2),
    _number("ause_keypoint", "AUSE, keypoints", _AUSE.format("OKS of a keypoint"), "low", 2),
    _number("pearson_instance", "Pearson, people", _PEARSON.format("people"), "high", 3, 1.0),
    _number("pearson_keypoint", "Pearson, keypoints", _PEARSON.format("keypoints"), "high", 3, 1.0),
    _number("pck50", "PCK 0.5", _PCK.format("half"), ""),
    _number("pck10", "PCK 0.1", _PCK.format("a tenth"), ""),
    _number("ause_pck50", "AUSE, PCK 0.5", _AUSE.format("hit at PCK 0.5"), "low", 2),
    _number("ause_pck10", "AUSE, PCK 0.1", _AUSE.format("hit at PCK 0.1"), "low", 2),
    _number("size", "Size", "Radius of the disc over the height of the crop.", "", 3, 1.0),
    _number("wrist_oks", "OKS, wrist", "Mean OKS of the right wrist.", "", 3, 1.0),
    _number("wrist_confidence", "Confidence, wrist", "Its mean confidence.", "", 3, 1.0),
    _number("mean_oks", "OKS", "Mean OKS of all labelled keypoints.", "", 3, 1.0),
    _number("mean_confidence", "Confidence", "Their mean confidence.", "", 3, 1.0),
    _number("wrist_visibility", "Visibility, wrist", "Predicted, its mean.", "", 3, 1.0),
    *(
        (f"{key}_change_mm", f"{name}, change", "mm", 2, "low",
         "From the same people's fits by raw confidence.")
        for key, name in _CHANGES.items()
    ),
    _number("tau", "Threshold", "Confidence above which a keypoint counts (Eq. 5).", "", 1, 1.0),
)  # fmt: skip

# What the page's first table shows.
CCNET_MAIN: dict[str, tuple[str, ...]] = {
    "ccnet_table": (
        "map", "mar", "ause_instance", "ause_keypoint", "pearson_instance", "pearson_keypoint",
    ),
    "ccnet_aggregation": ("map", "mar", "ause_instance", "pearson_instance"),
    "ccnet_ablation": (
        "map", "mar", "ause_instance", "ause_keypoint", "pearson_instance", "pearson_keypoint",
    ),
    "ccnet_occlusion": (
        "size", "wrist_oks", "wrist_confidence", "wrist_visibility", "mean_oks", "mean_confidence",
    ),
    "ccnet_mesh": ("pa_mpjpe_mm", "mpjpe_mm", "vertex_mm", "pa_mpjpe_change_mm"),
}  # fmt: skip

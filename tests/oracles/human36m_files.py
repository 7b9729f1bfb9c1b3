"""Small files of the structure in which Human3.6M is handed around, written as their makers do.

Cameras and projections are VideoPose3D's formulas, in quaternions and NumPy.
"""

from __future__ import annotations

import json
import pickle
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

ACTIONS = (
    "Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases",
    "Sitting", "SittingDown", "Smoking", "Waiting", "WalkDog", "WalkTogether", "Walking",
)  # fmt: skip
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
JOINTS_17 = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
TO_MPII = [3, 2, 1, 4, 5, 6, 0, 7, 8, 10, 16, 15, 14, 11, 12, 13]
NUMBERS: Any = json.loads(
    files("poseterior.data").joinpath("human36m_cameras.json").read_text(encoding="utf-8")
)
World = dict[str, dict[str, np.ndarray]]


def rotate(quaternion: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) turned by a unit quaternion (w, x, y, z)."""
    w, axis = quaternion[0], np.broadcast_to(quaternion[1:], vectors.shape)
    across = np.cross(axis, vectors)
    return vectors + 2 * (w * across + np.cross(axis, across))


def to_camera(world: np.ndarray, subject: str, camera: str) -> np.ndarray:
    """Positions in metres, world -> camera, by the inverse of the camera's quaternion."""
    own = NUMBERS["subjects"][subject][camera]
    inverse = np.array(own["orientation"]) * [1, -1, -1, -1]
    return rotate(inverse, world - np.array(own["centre_mm"]) / 1000)


def to_pixels(points: np.ndarray, camera: str, videopose3d: bool) -> np.ndarray:
    """Distorted pixels of points in camera axes, by VideoPose3D's or the data set's formula."""
    own = NUMBERS["cameras"][camera]
    k1, k2, k3 = own["radial"]
    p = np.array(own["tangential"]) if videopose3d else np.array(own["tangential"])[::-1]
    flat = points[..., :2] / points[..., 2:]
    r2 = (flat**2).sum(-1, keepdims=True)
    factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + (p * flat).sum(-1, keepdims=True)
    return np.array(own["focal"]) * (flat * factor + p * r2) + np.array(own["centre"])


def straight_pixels(points: np.ndarray, camera: str) -> np.ndarray:
    """Pixels of points in camera axes by a pinhole."""
    own = NUMBERS["cameras"][camera]
    return points[..., :2] / points[..., 2:] * np.array(own["focal"]) + np.array(own["centre"])


def recordings(subject: str) -> list[str]:
    """Names of a subject's recordings: as on the site, some numbered from 1 and some from 2."""
    names = []
    for action in ACTIONS:
        odd = (subject, action) == ("S9", "Discussion")
        names += [f"{action} 1", f"{action} 2"] if odd else [action, f"{action} 1"]
    return names


def world_poses(subjects: tuple[str, ...], frames: int = 9, seed: int = 0) -> World:
    """{subject: {recording: (T, 32, 3) metres}}: random points around a person on the floor."""
    rng = np.random.default_rng(seed)
    return {
        subject: {
            name: rng.normal([0, 0, 1], [0.3, 0.3, 0.5], (frames, 32, 3)).astype("f4")
            for name in recordings(subject)
        }
        for subject in subjects
    }


def write_npz(root: Path, world: World, names: tuple[str, ...] = ("gt",), extra: int = 0) -> None:
    """VideoPose3D's archives; `extra` frames at the end of each 2D clip."""
    world = {s: {n: p for n, p in r.items() if (s, n) != ("S11", "Directions")}
             for s, r in world.items()}  # fmt: skip
    np.savez_compressed(root / "data_3d_h36m.npz", positions_3d=world)  # type: ignore[arg-type]
    for name in names:
        pixels = {s: {n: [_view(p[:, JOINTS_17], s, c, name == "gt", extra) for c in CAMERAS]
                      for n, p in r.items()} for s, r in world.items()}  # fmt: skip
        sides = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
        metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": sides}
        path = root / f"data_2d_h36m_{name}.npz"
        np.savez_compressed(path, positions_2d=pixels, metadata=metadata)  # type: ignore[arg-type]


def _view(world: np.ndarray, subject: str, camera: str, true: bool, extra: int) -> np.ndarray:
    points = to_camera(world.astype("f8"), subject, camera)
    pixels = to_pixels(points, camera, videopose3d=true)
    return np.concatenate([pixels, np.zeros((extra, 17, 2))]).astype("f4")


def write_cdf(root: Path, world: World, mono: bool = True) -> None:
    """The site's CDF files: D2_Positions, and D3_Positions_mono or D3_Positions."""
    for subject, named in world.items():
        for name, positions in named.items():
            official = name.replace("Photo", "TakingPhoto").replace("WalkDog", "WalkingDog")
            own = root / subject / "MyPoseFeatures"
            if not mono:
                one_cdf(own / "D3_Positions" / f"{official}.cdf", 1000 * positions)
            for camera in CAMERAS:
                points = to_camera(positions.astype("f8"), subject, camera)
                if mono:
                    path = own / "D3_Positions_mono" / f"{official}.{camera}.cdf"
                    one_cdf(path, 1000 * points)
                pixels = to_pixels(points, camera, videopose3d=False)
                one_cdf(own / "D2_Positions" / f"{official}.{camera}.cdf", pixels)


def one_cdf(path: Path, values: np.ndarray, variable: str = "Pose") -> None:
    """A CDF file whose one variable holds (T, J, D) as (1, T, J D)."""
    from cdflib.cdfwrite import CDF

    path.parent.mkdir(parents=True, exist_ok=True)
    flat = values.reshape(1, len(values), -1).astype("f4")
    spec = {"Variable": variable, "Data_Type": 21, "Num_Elements": 1, "Rec_Vary": True,
            "Dim_Sizes": list(flat.shape[1:])}  # fmt: skip
    file = CDF(path, cdf_spec={"Compressed": 6})
    file.write_var(spec, var_data=flat)
    file.close()


def paper_table(subjects: tuple[str, ...], frames: int = 5, seed: int = 0) -> dict[str, Any]:
    """What paper 001's create_data.py pickles, of random numbers."""
    rng = np.random.default_rng(seed)
    return {s: {a: {str(take): {c: _paper_clip(rng, s, a, take, c, frames) for c in CAMERAS}
                    for take in (0, 1)} for a in ACTIONS} for s in subjects}  # fmt: skip


def _paper_clip(
    rng: np.random.Generator, subject: str, action: str, take: int, camera: str, frames: int
) -> dict[str, Any]:
    folder = f"/{subject}/{action}{' 1' * take}.{camera}"
    fits = np.zeros((frames, 16, 7))
    fits[..., 0] = 1
    fits[..., 1:3] = rng.uniform(5, 60, (frames, 16, 2))
    fits[..., [3, 5]] = rng.uniform(2, 3, (frames, 16, 2))
    fits[..., 4] = rng.uniform(-3, 3, (frames, 16))
    return {
        "imgpath": [f"{folder}/{4 * (i + 1)}.jpg" for i in range(frames)],
        "3d_gt": rng.normal(0, 300, (frames, 51)),
        "2d_hrnet": rng.uniform(0, 255, (frames, 32)).astype("f4"),
        "gaussfit": fits.reshape(frames, 112),
    }


def write_pickle(path: Path, table: Any) -> None:
    """As the authors write it: the highest protocol."""
    path.write_bytes(pickle.dumps(table, pickle.HIGHEST_PROTOCOL))

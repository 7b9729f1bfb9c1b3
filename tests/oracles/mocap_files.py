"""Random motion-capture files, and where their joints are by 4x4 matrix products with SciPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

CMU_TREE = {
    "lhipjoint": "root", "lfemur": "lhipjoint", "ltibia": "lfemur", "lfoot": "ltibia",
    "rhipjoint": "root", "rfemur": "rhipjoint", "rtibia": "rfemur", "rfoot": "rtibia",
    "lowerback": "root", "upperback": "lowerback", "thorax": "upperback",
    "lowerneck": "thorax", "upperneck": "lowerneck", "head": "upperneck",
    "lclavicle": "thorax", "lhumerus": "lclavicle", "lradius": "lhumerus", "lwrist": "lradius",
    "rclavicle": "thorax", "rhumerus": "rclavicle", "rradius": "rhumerus", "rwrist": "rradius",
}  # fmt: skip


def transform(rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The 4x4 matrix of x -> rotation x + shift."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return matrix


def euler(order: str, angles_deg: np.ndarray) -> np.ndarray:
    """The rotation matrix of SciPy: lower case about fixed axes, upper case about moving ones."""
    return Rotation.from_euler(order, angles_deg, degrees=True).as_matrix() if order else np.eye(3)


def z_up(point: np.ndarray) -> np.ndarray:
    """A quarter turn about x that lays the y axis on the z axis."""
    return euler("x", np.array([90.0])).reshape(3, 3) @ point


@dataclass
class AsfBone:
    name: str
    parent: str
    vector: np.ndarray
    axis: np.ndarray
    axis_order: str
    dof: tuple[str, ...]


@dataclass
class AsfBody:
    """A body and a motion, written as ASF and AMC text."""

    bones: list[AsfBone]
    root: np.ndarray  # (T, 6)
    angles: dict[str, np.ndarray] = field(default_factory=dict)  # (T, number of dof), degrees
    unit: float = 0.45

    def asf(self) -> str:
        blocks = [
            f"  begin\n     id {i}\n     name {b.name}\n"
            f"     direction {words(b.vector / np.linalg.norm(b.vector))}\n"
            f"     length {words(np.linalg.norm(b.vector))}\n"
            f"     axis {words(b.axis)} {b.axis_order.upper()}\n"
            + (f"    dof {' '.join(b.dof)}\n    limits (-1 1)\n" if b.dof else "")
            + "  end\n"
            for i, b in enumerate(self.bones, 1)
        ]
        names = ["root", *(b.name for b in self.bones)]
        families = [(n, [b.name for b in self.bones if b.parent == n]) for n in names]
        tree = [f"    {parent} {' '.join(kids)}\n" for parent, kids in families if kids]
        return (
            "# a skeleton\n:version 1.10\n:name VICON\n:units\n  mass 1.0\n"
            f"  length {self.unit}\n  angle deg\n:root\n   order TX TY TZ RX RY RZ\n"
            "   axis XYZ\n   position 0 0 0\n   orientation 0 0 0\n:bonedata\n"
            + "".join(blocks) + ":hierarchy\n  begin\n" + "".join(tree) + "  end\n"
        )  # fmt: skip

    def amc(self, first: int = 1) -> str:
        lines = ["#!OML:ASF", ":FULLY-SPECIFIED", ":DEGREES"]
        for t in range(len(self.root)):
            lines += [str(first + t), f"root {words(self.root[t])}"]
            lines += [f"{name} {words(a[t])}" for name, a in reversed(self.angles.items())]
        return "\n".join(lines) + "\n"

    def ends(self, t: int) -> dict[str, np.ndarray]:
        """Where each bone ends at frame t, metres, z up."""
        scale = 0.0254 / self.unit
        frames = {"root": transform(euler("xyz", self.root[t, 3:]), self.root[t, :3] * scale)}
        for b in self.bones:
            axes = euler(b.axis_order, b.axis)
            order = "".join(name[1] for name in b.dof)
            turn = axes @ euler(order, self.angles[b.name][t] if b.dof else 0) @ axes.T
            bone = transform(turn, turn @ b.vector * scale)
            frames[b.name] = frames[b.parent] @ bone
        return {name: z_up(frame[:3, 3]) for name, frame in frames.items()}

    def write(self, folder: Path, clip: str = "02_01") -> tuple[Path, Path]:
        """Write `NN.asf` and `NN_MM.amc`; their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        asf, amc = folder / f"{clip[:-3]}.asf", folder / f"{clip}.amc"
        asf.write_text(self.asf(), newline="\r\n")
        amc.write_text(self.amc(), newline="\r\n")
        return asf, amc


def words(values: np.ndarray) -> str:
    return " ".join(repr(float(v)) for v in np.atleast_1d(values))


def random_body(seed: int, frames: int = 3, tree: dict[str, str] | None = None) -> AsfBody:
    """A random body: a random tree of up to 7 bones, or the one given, in any order of axes."""
    random = np.random.default_rng(seed)
    names = [f"bone{i}" for i in range(random.integers(1, 8))]
    parents = tree or {n: str(random.choice(["root", *names[:i]])) for i, n in enumerate(names)}
    bones, angles = [], {}
    for name, parent in parents.items():
        dof = tuple(random.permutation(["rx", "ry", "rz"])[: random.integers(0, 4)].tolist())
        order = "".join(random.permutation(list("xyz")))
        vector, axis = random.normal(size=3), random.uniform(-180, 180, 3)
        bones.append(AsfBone(name, parent, vector, axis, order, dof))
        if dof:
            angles[name] = random.uniform(-180, 180, (frames, len(dof)))
    unit = float(random.choice([0.45, 1.0]))
    return AsfBody(bones, random.uniform(-30, 30, (frames, 6)), angles, unit)


def cmu_body(seed: int, frames: int = 8) -> AsfBody:
    """A random motion of a body with the bones of the CMU archive, 7 units a thigh."""
    body = random_body(seed, frames, CMU_TREE)
    for bone in body.bones:
        bone.vector *= 7 / np.linalg.norm(bone.vector)
    body.unit = 0.45
    return body

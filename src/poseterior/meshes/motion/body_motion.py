"""Motion capture as rotations of a body's joints: what bodies are posed by.

Joint positions go through inverse kinematics, on the body's own lengths. Where the motion's own
files (ASF/AMC) are at hand, their rotations are what the fit starts from and stays near: twists
of arms and legs are then those recorded, not guesses.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from poseterior.data.asf import read_asf
from poseterior.data.asfamc import asf_to_h36m, read_orientations
from poseterior.data.cmu import cmu_root, load_cmu
from poseterior.data.cmu_archive import find_subjects
from poseterior.data.fields import Field, check_layout
from poseterior.data.motion_clips import MotionClips
from poseterior.data.npz_stream import NpzReader
from poseterior.data.npz_writer import make_folder, write_npz
from poseterior.errors import require
from poseterior.geometry.rotations import from_6d, to_6d
from poseterior.meshes.motion.body_proportions import with_lengths_of
from poseterior.meshes.motion.inverse_kinematics import fit_to_joints, landmarks_at_rest
from poseterior.meshes.motion.motion_parameters import retarget
from poseterior.meshes.skinned_body import SkinnedBody

__all__ = [
    "BodyMotion", "Recording", "body_fingerprint", "body_motion", "find_recordings",
    "fitted_motion",
]  # fmt: skip

# Changes when the same files and body would give other rotations than before.
_METHOD = 1
# Where prepared arrays keep the files that they were made from, beside those of the archive.
_RAW = "raw_asfamc"
_NAME = re.compile(r"(?:cmu_)?(\d{2,3}_\d{2,3})")
# Metres by which the joints of a file may differ from the arrays' to be the same clip.
_SAME = 0.01
_FIELDS = {
    "columns": Field((("F", "K", 6),)), "residual": Field((("F", "J"),)),
    "recorded": Field((("F",),), "mask"), "clip": Field((("F",),)),
    "clip_names": Field((("C",),), "label"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """Rotations of a body over clips of motion.

    Attributes:
        rotations: (F, K, 3, 3) float32, relative to the parents; the root's takes the body from
            its rest axes to the world, z up.
        residual: (F, 17) metres from the body's landmarks to the joints they were fitted to.
        recorded: (F,) bool, where rotations are those of the motion's own files.
        clip, clip_names: as `MotionClips`.
    """

    rotations: Tensor
    residual: Tensor
    recorded: Tensor
    clip: Tensor
    clip_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rotations)


@dataclass(frozen=True)
class Recording:
    """The files of a clip's own rotations."""

    asf: Path
    amc: Path


def body_motion(
    body: SkinnedBody,
    root: str | os.PathLike[str] | None,
    split: str,
    cache: str | os.PathLike[str] | None = None,
) -> BodyMotion:
    """The clips of a split as rotations of the mean body's joints.

    Args:
        body: with landmarks of `h36m_17`.
        root: the folder of the CMU data, as `load_cmu` takes it; recordings are looked for there
            and in `raw_asfamc` below it.
        split: "train", "val", "test" or "test_dance"; no clip is in two of them.
        cache: a folder to keep the result in, one file for each body, split and data; it is made
            if missing. None to keep nothing: 32,000 poses take a minute or two.

    Raises:
        InputError: what `load_cmu` raises, a damaged recording, a damaged file in the cache, or
            one that cannot be written.
    """
    clips = load_cmu(root, split)
    recordings = find_recordings(cmu_root(root), clips.clip_names)
    return fitted_motion(body, clips, split, cache, recordings)


def fitted_motion(
    body: SkinnedBody,
    clips: MotionClips,
    name: str,
    cache: str | os.PathLike[str] | None = None,
    recordings: Mapping[str, Recording] | None = None,
) -> BodyMotion:
    """Any clips of joints as rotations of the mean body's joints.

    Args:
        body: with landmarks of the clips' skeleton, `h36m_17`.
        clips: world axes, z up.
        name: what the file in the cache is called by.
        cache: as of `body_motion`.
        recordings: by clip, the files of its own rotations, where there are some.

    Raises:
        InputError: a damaged recording, or a cache that cannot be read or written.
    """
    recordings = recordings or {}
    if cache is None:
        return _computed(body, clips, recordings)
    key = _key(body, clips, recordings)
    path = make_folder(cache) / f"body_motion_{body.name}_{name}_{key}.npz"
    if not path.exists():
        _write(path, _computed(body, clips, recordings))
    return _read(path, body)


def find_recordings(root: Path, clip_names: tuple[str, ...]) -> dict[str, Recording]:
    """By a clip's name, the files that it was read from, of those that lie in the folder."""
    there: dict[str, Recording] = {}
    for folder in (root, root / _RAW):
        for subject in find_subjects(folder):
            if subject.asf is not None:
                there |= {amc.stem: Recording(subject.asf, amc) for amc in subject.amcs}
    numbers = {name: match[1] for name in clip_names if (match := _NAME.fullmatch(name))}
    return {name: there[number] for name, number in numbers.items() if number in there}


def body_fingerprint(body: SkinnedBody) -> str:
    """16 hexadecimal digits that change when the body does."""
    digest = hashlib.sha256(repr((body.name, body.tree.joints, body.tree.parents)).encode())
    for name, buffer in body.named_buffers():
        digest.update(name.encode())
        digest.update(buffer.detach().cpu().contiguous().numpy().tobytes())
    for skeleton in body.landmarks.values():
        digest.update(landmarks_at_rest(body, skeleton).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _key(body: SkinnedBody, clips: MotionClips, recordings: Mapping[str, Recording]) -> str:
    parts = [str(_METHOD), body_fingerprint(body), clips.fingerprint]
    for name, recording in sorted(recordings.items()):
        for path in (recording.asf, recording.amc):
            parts += [name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _computed(
    body: SkinnedBody, clips: MotionClips, recordings: Mapping[str, Recording]
) -> BodyMotion:
    rest = landmarks_at_rest(body, clips.skeleton)
    pose = with_lengths_of(rest, clips.positions.to(rest), clips.skeleton)
    found = {
        name: turned
        for name, recording in recordings.items()
        if (turned := _rotations(body, clips.of_clip(name), recording)) is not None
    }
    numbers = torch.tensor([clips.clip_names.index(name) for name in found], dtype=torch.long)
    recorded = torch.isin(clips.clip, numbers)
    rotations = rest.new_zeros(len(clips), len(body.tree), 3, 3)
    residual = rest.new_zeros(len(clips), len(clips.skeleton))
    for name, turned in found.items():
        rotations[clips.clip == clips.clip_names.index(name)] = turned
    mean = rest.new_zeros(body.betas)
    for rows, near in ((recorded, rotations[recorded]), (~recorded, None)):
        if bool(rows.any()):
            fit = fit_to_joints(body, pose[rows], clips.skeleton, betas=mean, toward=near)
            rotations[rows], residual[rows] = fit.parameters.rotations, fit.residual
    return BodyMotion(rotations.float(), residual.float(), recorded, clips.clip, clips.clip_names)


def _rotations(body: SkinnedBody, pose: Tensor, recording: Recording) -> Tensor | None:
    """(T, K, 3, 3) of a recording if its last T frames are those of the poses (T, 17, 3)."""
    skeleton = read_asf(recording.asf)
    tracks, turned = read_orientations(skeleton, recording.amc, every=4)
    if len(tracks) < len(pose):
        return None
    own = asf_to_h36m(tracks)[-len(pose) :]
    off = (own - own[:, :1]) - (pose - pose[:, :1])
    if float(off.norm(dim=-1).mean()) > _SAME:
        return None
    return retarget(body, skeleton, turned[-len(pose) :])


def _write(path: Path, motion: BodyMotion) -> None:
    with write_npz(path, len(motion)) as out:
        out.put(clip_names=np.array(motion.clip_names))
        out.write(
            0,
            columns=to_6d(motion.rotations).numpy(),
            residual=motion.residual.numpy(),
            recorded=motion.recorded.numpy(),
            clip=motion.clip.numpy(),
        )


def _read(path: Path, body: SkinnedBody) -> BodyMotion:
    with NpzReader(path) as reader:
        frames, clips = reader["columns"].shape[0], reader["clip_names"].shape[0]
        sizes = {"F": frames, "K": len(body.tree), "J": 17, "C": clips}
        present = check_layout(reader, _FIELDS, sizes)
        lacking = sorted(_FIELDS.keys() - present)
        require(not lacking, path, ", ".join(lacking), expected="these arrays", found="none")
        arrays = {name: reader.read(name) for name in _FIELDS}
    columns = torch.from_numpy(arrays["columns"])
    finite = bool(columns.isfinite().all())
    require(finite, path, "columns", expected="finite numbers", found="NaN or infinity")
    return BodyMotion(
        from_6d(columns),
        torch.from_numpy(arrays["residual"]),
        torch.from_numpy(arrays["recorded"]).bool(),
        torch.from_numpy(arrays["clip"]),
        tuple(arrays["clip_names"].tolist()),
    )

"""Human3.6M (Ionescu et al., TPAMI 2014) as its users hold it, as observations with a target.

The data set is for academic use and from its own site only; `docs/datasets.md` says which files
to have where. Three forms of it are read: VideoPose3D's archives (`human36m_npz`), the official
CDF files (`human36m_cdf`) and paper 001's pickles (`human36m_pickles`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from poseterior.data.confidence_covariance import CovarianceRule
from poseterior.data.human36m_cdf import FOLDER, read_cdf
from poseterior.data.human36m_clips import Clip, Request
from poseterior.data.human36m_npz import POSES, read_npz
from poseterior.data.human36m_pickles import PICKLES, read_pickles
from poseterior.data.human36m_protocols import (
    ACTIONS,
    SUBJECTS,
    Split,
    clip_name,
    get_protocol,
    read_frame_list,
    thinned,
)
from poseterior.data.keypoint_source import MemorySource
from poseterior.errors import InputError, require
from poseterior.geometry.skeleton import H36M_16, H36M_17
from poseterior.keypoints import Keypoints

__all__ = ["AMBIGUOUS", "FORMS", "open_human36m"]

Form = Literal["npz", "cdf", "pickles"]
FORMS: dict[str, Callable[[Request], Iterator[Clip]]] = {
    "npz": read_npz,
    "cdf": read_cdf,
    "pickles": read_pickles,
}
AMBIGUOUS = "ambiguous"
_SKELETONS = {s.name: s for s in (H36M_17, H36M_16)}
# Takes that some forms leave out: the video is corrupt.
_MAY_LACK = {("S11", "Directions", 0)}
_STRAIGHT = "moved to where a lens without distortion would have put them"
_NOTES = {
    "npz": {"keypoints": _STRAIGHT},
    "cdf": {"keypoints": _STRAIGHT},
    "pickles": {
        "camera": "looks at the middle of the crop of 256 px, focal length 576 px",
        "covariance": "of the fitted heatmap, less the 2 px that the detector draws",
    },
}


def open_human36m(
    root: str | Path,
    protocol: str = "wehrbein",
    split: Split = "test",
    keypoints: str | None = None,
    *,
    form: Form | None = None,
    skeleton: str = "h36m_17",
    subset: str | Path | None = None,
    subjects: tuple[str, ...] | None = None,
    actions: tuple[str, ...] = ACTIONS,
    covariance: CovarianceRule | None = None,
) -> MemorySource:
    """One split of Human3.6M in memory.

    Args:
        root: the folder with the files.
        protocol: frames and clips: `wehrbein` (papers 000 and 001), `videopose3d` or `every_64`.
        split: "train" (subjects 1, 5, 6, 7, 8) or "test" (9, 11).
        keypoints: "gt", "cpn" or the NAME of another `data_2d_h36m_NAME.npz`, "hrnet" for the
            pickles' own; None: "hrnet" if the folder holds but pickles, else "gt".
        form: "npz", "cdf" or "pickles"; None: the first that the folder has.
        skeleton: "h36m_17", or "h36m_16", paper 001's joints without `nose`.
        subset: "ambiguous", the frames with a fitted sigma above 5 heatmap px (H36MA; pickles
            only), or a file that lists frames, as paper 001's `framelist_h36m_hard_subset.txt`.
            A subset is taken of all of the protocol's frames, before tests are thinned.
        subjects: others than the split's.
        actions: fewer than the fifteen.
        covariance: of detections without a covariance of their own; `CovarianceRule()` if None.

    Returns:
        Keypoints and target (M, J, 3) in metres, camera axes, root at the origin, sorted by
        action, subject, take and camera. Labels `action`, `subject`, `camera`, `clip`
        ("S9/Eating 1/54138969") and `frame` (from 0 in the video). `nose` is not valid where
        the keypoints are the pickles'.

    Raises:
        InputError: naming file and key, for anything that is missing, damaged or of the wrong
            shape; for a subset without frames, or a listed frame of these subjects and actions that
            is not there.
    """
    chosen, folder = get_protocol(protocol), Path(root)
    _check_names(folder, split, skeleton, subjects, actions)
    found = form or _form_of(folder, split, keypoints)
    require(found in FORMS, folder, "form", expected=f"one of {', '.join(FORMS)}", found=form)
    request = Request(
        folder, split, subjects or SUBJECTS[split], tuple(actions),
        keypoints or ("hrnet" if found == "pickles" else "gt"), chosen,
        covariance or CovarianceRule(),
    )  # fmt: skip
    clips = sorted(FORMS[found](request), key=lambda clip: clip.order)
    _check_complete(clips, request)
    rows = _labels(clips)
    thin = chosen.thin if split == "test" else 1
    keep = _subset(subset, clips, rows, request) if subset else thinned(rows["action"], thin)
    return _source(clips, keep, rows, skeleton, request, _notes(found, request))


def _check_names(
    folder: Path, split: str, skeleton: str, subjects: tuple[str, ...] | None, actions: object
) -> None:
    require(folder.is_dir(), folder, "", expected="a folder", found="none")
    everyone = (*SUBJECTS["train"], *SUBJECTS["test"])
    for name, value, known in (
        ("split", [split], SUBJECTS),
        ("skeleton", [skeleton], _SKELETONS),
        ("subjects", subjects or everyone, everyone),
        ("actions", actions, ACTIONS),
    ):
        strange = [item for item in value if item not in known]  # type: ignore[attr-defined]
        expected = f"one of {', '.join(known)}"
        require(not strange, "Human3.6M", name, expected=expected, found=", ".join(strange))


def _form_of(folder: Path, split: str, keypoints: str | None) -> str:
    """The first form that the folder has, of those that have these keypoints."""
    there = {
        "npz": (folder / POSES).is_file(),
        "cdf": any((folder / s / FOLDER).is_dir() for s in SUBJECTS[split]),
        "pickles": (folder / PICKLES[split]).is_file(),
    }
    has = {"npz": "hrnet", "cdf": "gt", "pickles": "hrnet"}
    for form, present in there.items():
        fits = keypoints is None or (keypoints == has[form]) == (form != "npz")
        if present and fits:
            return form
    expected = f"{POSES}, S*/{FOLDER} or {PICKLES[split]} (docs/datasets.md)"
    for_these = f" that goes with keypoints {keypoints!r}" if any(there.values()) else ""
    raise InputError(folder, "", expected=expected, found=f"none{for_these}")


def _check_complete(clips: list[Clip], request: Request) -> None:
    """Both takes of every action of every subject must be there."""
    there = {(clip.subject, clip.action, clip.take) for clip in clips}
    for subject in request.subjects:
        for action in request.actions:
            for take in (0, 1):
                wanted = (subject, action, take)
                name = clip_name(*wanted, "").rstrip("/")
                fits = wanted in there or wanted in _MAY_LACK
                require(fits, request.root, name, expected="two takes of it", found="not this one")
    require(bool(clips), request.root, "", expected="at least one clip", found="none")


def _labels(clips: list[Clip]) -> dict[str, np.ndarray]:
    """What is known of each row of the clips, one after the other."""
    counts = [len(clip.frame) for clip in clips]
    names = ("action", "subject", "camera", "name")
    rows = {name: np.repeat([getattr(clip, name) for clip in clips], counts) for name in names}
    rows["clip"] = rows.pop("name")
    return rows | {"frame": np.concatenate([clip.frame for clip in clips])}


def _subset(
    subset: str | Path, clips: list[Clip], rows: dict[str, np.ndarray], request: Request
) -> np.ndarray:
    """(M,) bool: the rows of a subset."""
    if subset == AMBIGUOUS:
        wide = [clip.ambiguous for clip in clips if clip.ambiguous is not None]
        require(
            len(wide) == len(clips), request.root, "subset",
            expected=f"{PICKLES[request.split]}, which has heatmaps' fits, or a list of frames",
            found="keypoints without fits",
        )  # fmt: skip
        keep = torch.cat(wide).numpy()
        require(bool(keep.any()), request.root, "subset", expected="ambiguous frames", found="none")
        return keep
    asked = {(s, a) for s in request.subjects for a in request.actions}
    wanted = {(name, frame) for name, frame in read_frame_list(subset) if _recording(name) in asked}
    require(bool(wanted), subset, "", expected=f"frames of {request.split}", found="none")
    here = list(zip(rows["clip"].tolist(), rows["frame"].tolist(), strict=True))
    missing = sorted(wanted - set(here))
    require(
        not missing, subset, "", expected=f"frames that {request.root} has",
        found=f"{len(missing)} it has not, such as frame {missing[0][1]} of {missing[0][0]}"
        if missing else "",
    )  # fmt: skip
    return np.array([frame in wanted for frame in here])


def _recording(name: str) -> tuple[str, str]:
    """Subject and action of a clip's name."""
    subject, recording, _ = name.split("/")
    return subject, recording.partition(" ")[0]


def _notes(form: str, request: Request) -> dict[str, str]:
    notes = dict(_NOTES[form])
    if "covariance" not in notes:
        true = request.keypoints == "gt"
        notes["covariance"] = "of exact keypoints" if true else request.covariance.describe()
    return {"keypoints of": request.keypoints, **notes}


def _source(
    clips: list[Clip], keep: np.ndarray, rows: dict[str, np.ndarray], skeleton: str,
    request: Request, notes: dict[str, str],
) -> MemorySource:  # fmt: skip
    """The rows that are kept, as keypoints and target of that skeleton."""
    starts = np.cumsum([0, *(len(clip.frame) for clip in clips)])
    masks = [torch.from_numpy(keep[a:b]) for a, b in pairwise(starts)]
    counts = torch.tensor([int(mask.sum()) for mask in masks])
    target = _SKELETONS[skeleton]
    joints = [H36M_17.index(joint) for joint in target.joints]

    def gather(name: str) -> Tensor:
        parts = zip(clips, masks, strict=True)
        return torch.cat([getattr(clip, name)[mask][:, joints] for clip, mask in parts])

    def repeat(values: list[Tensor]) -> Tensor:
        return torch.stack(values).repeat_interleave(counts, dim=0)

    seen = Keypoints(
        gather("pixels"),
        gather("covariance"),
        repeat([clip.valid[joints] for clip in clips]),
        target,
        image_size=repeat([torch.tensor(clip.image_size).float() for clip in clips]),
        intrinsics=repeat([clip.intrinsics for clip in clips]),
    )
    pose = gather("pose")
    labels = {name: values[keep] for name, values in rows.items()}
    name = f"{request.root} ({request.split})"
    return MemorySource(seen, pose - pose[:, [target.root]], labels, name, notes)

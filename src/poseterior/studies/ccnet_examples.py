"""Keypoints to look at: what OKS asks for, and confidences that were mended (paper 003, h, i, j).

Nobody is chosen by hand. For i and j they are the keypoints that CCNet mends most, so the best
cases; `mended` says of how many of the badly judged ones it is nearer the truth.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseterior.geometry.skeleton import COCO_17
from poseterior.metrics.oks_constants import COCO_SIGMAS
from poseterior.studies.ccnet_bench import Said, people_data, seen_of
from poseterior.studies.ccnet_seen import SeenPeople
from poseterior.studies.workshop import Workshop

__all__ = ["examples"]

_SHOWN, _BAD, _QUALITY = 5, 0.3, 90
_SIGMAS = np.array([COCO_SIGMAS[joint] for joint in COCO_17.joints])


def examples(workshop: Workshop, name: str, said: Mapping[str, Said]) -> dict[str, Any]:
    """Figures h, i and j of one detector.

    Returns:
        `area`, `falloff`, `visibility`, `underconfident`, `overconfident`: lists of people, each
        with the JPEG of the `crop` and `points`; `mended`, the share of keypoints misjudged by
        0.3 and more of which CCNet is nearer the truth.
    """
    seen = seen_of(workshop, name)
    crops = people_data(workshop).people["test"].crops
    picked = _Picked(seen, crops, said["original"], said["ccnet"])
    under, over = picked.gap < -_BAD, picked.gap > _BAD
    return {
        "area": picked.by_area(),
        "falloff": picked.by_falloff(),
        "visibility": picked.by_visibility(),
        "underconfident": picked.mended(-1),
        "overconfident": picked.mended(1),
        "mended": {
            "underconfident": picked.share(under), "overconfident": picked.share(over),
            "underconfident_keypoints": int(under.sum()),
            "overconfident_keypoints": int(over.sum()),
        },
    }  # fmt: skip


class _Picked:
    """People of test and the rules by which some are shown."""

    def __init__(self, seen: SeenPeople, crops: NDArray[np.uint8], old: Said, new: Said) -> None:
        self.seen, self.crops, self.old, self.new = seen, crops, old, new
        self.known = seen.labelled
        self.oks = np.nan_to_num(seen["oks"])
        self.error = np.linalg.norm(seen["pixels"] - seen["true"][..., :2], axis=-1)
        self.gap = np.where(self.known, old.keypoints - self.oks, 0.0)
        left = (old.keypoints - self.oks) ** 2 - (new.keypoints - self.oks) ** 2
        self.gain = np.where(self.known, left, -np.inf)

    def share(self, some: NDArray[np.bool_]) -> float | None:
        """Of those keypoints, how many the network is nearer the truth of."""
        return float((self.gain[some] > 0).mean()) if some.any() else None

    def mended(self, side: int) -> list[dict[str, Any]]:
        """The most mended keypoint of each joint where the old confidence was too high (1) or low.

        Of other people each, the joints that are mended most.
        """
        gain = np.where(side * self.gap > 0, self.gain, -np.inf)
        shown: list[tuple[int, int]] = []
        for place in np.argsort(-gain, axis=None, kind="stable"):
            row, joint = divmod(int(place), gain.shape[1])
            if gain[row, joint] <= 0 or len(shown) == _SHOWN:
                break
            if all(row != r and joint != j for r, j in shown):
                shown.append((row, joint))
        return [self.person(row, [joint]) for row, joint in shown]

    def by_area(self) -> list[dict[str, Any]]:
        """A wrist as far off in px of the image, of a small and of a large person."""
        joint = COCO_17.index("left_wrist")
        error = self.error[:, joint] * self.seen["scale"]
        usual = np.median(error[self.known[:, joint]]) if self.known[:, joint].any() else np.nan
        alike = np.flatnonzero(self.known[:, joint] & (np.abs(error / usual - 1) < 0.2))
        if len(alike) < 2:
            return []
        order = alike[np.argsort(self.seen["area"][alike], kind="stable")]
        rows = [order[int(len(order) * share)] for share in (0.1, 0.9)]
        return [self.person(int(row), [joint]) for row in rows]

    def by_falloff(self) -> list[dict[str, Any]]:
        """A wrist and a hip of one person, both as far off."""
        joints = [COCO_17.index(name) for name in ("left_wrist", "left_hip")]
        error = self.error[:, joints]
        known = self.known[:, joints].all(1)
        if not known.any():
            return []
        far = np.median(error[known])
        cost = np.where(known, np.abs(error - far).sum(1), np.inf)
        return [self.person(int(cost.argmin()), joints)]

    def by_visibility(self) -> list[dict[str, Any]]:
        """The person whose confidence comes nearest to the OKS by what is said of visibility.

        Of those with some keypoints that are labelled and at least a quarter that are not.
        """
        oks = (self.oks * self.known).sum(1) / self.known.sum(1).clip(min=1)
        plain = self.new.keypoints.mean(1)
        nearer = np.abs(plain - oks) - np.abs(self.new.person - oks)
        share = self.known.mean(1)
        part = (share > 0) & (share <= 0.75)
        if not part.any():
            return []
        row = int(np.where(part, nearer, -np.inf).argmax())
        found = self.person(row, range(len(COCO_17)))
        return [found | {"plain": float(plain[row])}]

    def person(self, row: int, joints: Any) -> dict[str, Any]:
        """What is drawn of a person: px of the crop as the detector saw it."""
        width, height = self.crops.shape[2], self.crops.shape[1]
        seen, known = self.seen, self.known[row]
        total = float(self.oks[row][known].mean()) if known.any() else None
        return {
            "row": row, "crop": _jpeg(self.crops[row]), "size": [width, height],
            "person": {"oks": total, "original": float(self.old.person[row]),
                       "ccnet": float(self.new.person[row]), "area": float(seen["area"][row])},
            "points": [self._point(row, joint) for joint in joints],
        }  # fmt: skip

    def _point(self, row: int, joint: int) -> dict[str, Any]:
        seen = self.seen
        determinant = max(float(np.linalg.det(seen["covariance"][row, joint])), 0.0)
        reach = 2 * _SIGMAS[joint] * seen["area"][row] ** 0.5 / seen["scale"][row]
        known = bool(self.known[row, joint])
        return {
            "joint": COCO_17.joints[joint],
            "predicted": seen["pixels"][row, joint].tolist(),
            "true": seen["true"][row, joint, :2].tolist() if known else None,
            "error_px": float(self.error[row, joint] * seen["scale"][row]) if known else None,
            "sigma": determinant**0.25,
            "reach": float(reach),
            "oks": float(self.oks[row, joint]) if known else None,
            "original": float(self.old.keypoints[row, joint]),
            "ccnet": float(self.new.keypoints[row, joint]),
            "visibility": float(self.new.visibility[row, joint]),
        }


def _jpeg(crop: NDArray[np.uint8]) -> str:
    """A picture as text."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.array(crop)).save(out, "jpeg", quality=_QUALITY)
    return base64.b64encode(out.getvalue()).decode("ascii")

"""`diversity`: in what hypotheses differ, and whether each could be a person.

Paper 001: Section 4.5 (spread by axis and joint, agreement with the heatmaps), Section 4.6 (the
worst hypothesis with and without the critic), Figures 3, 4, 7 and 9 (gallery).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseterior.data.keypoint_source import MemorySource, selected
from poseterior.geometry.units import mm
from poseterior.lifters.conditioning import condition
from poseterior.lifters.heatmap_covariance import fitted_covariance
from poseterior.metrics.diversity import (
    asymmetry,
    bone_length_spread,
    image_covariance,
    sigma_agreement,
    spread,
)
from poseterior.metrics.pose_error import pa_mpjpe
from poseterior.posterior import Lifter
from poseterior.seeding import generator_from
from poseterior.studies.ablation import VARIANTS
from poseterior.studies.ambiguous import uncertain_joints
from poseterior.studies.scored import thinned
from poseterior.studies.study import Row, Rows, Scoring, Study
from poseterior.studies.table1 import METHODS
from poseterior.studies.workshop import Workshop

__all__ = ["DIVERSITY", "diversity", "gallery"]

_BLOCK = 32
_METHODS = ("mdn_samples", "cvae", "heatmap_noise", "glow", "cgnf", "coupling_flow")
_VARIANTS = ("full", "no_heatmap_loss", "no_generator_loss", "no_condition")
_IN_GALLERY = ("full", "no_heatmap_loss", "no_condition")
_SHOWN_POSES, _SHOWN_HYPOTHESES = 3, 10


@torch.no_grad()
def diversity(lifter: Lifter, source: MemorySource, scoring: Scoring) -> dict[str, Any]:
    """Numbers of a lifter's hypotheses for all poses of a source with targets, root left out."""
    skeleton = lifter.skeleton
    sums: dict[str, Tensor] = {}
    blocks = []
    assert source.target is not None
    free = list(skeleton.free)
    for start in range(0, source.rows, _BLOCK):
        part = slice(start, start + _BLOCK)
        keypoints, target = source.keypoints[part], source.target[part]
        generator = generator_from(scoring.seed, start)
        hypotheses = lifter(keypoints).sample((scoring.hypotheses,), generator)
        values = {
            "spread": spread(hypotheses).sum(0),
            "worst": pa_mpjpe(hypotheses, target.expand_as(hypotheses)).amax(0).sum(),
            "bones": bone_length_spread(hypotheses, skeleton).mean(-1).sum(),
            "asymmetry": asymmetry(hypotheses, skeleton).mean(0).sum(),
        }
        for key, value in values.items():
            sums[key] = value.double() + sums.get(key, 0.0)
        fitted = fitted_covariance(condition(keypoints, skeleton))
        blocks.append((image_covariance(hypotheses)[:, free], fitted[:, free]))
    found, wanted = (torch.cat(each) for each in zip(*blocks, strict=True))
    means = {key: value / source.rows for key, value in sums.items()}
    return _named(means, skeleton.joints, free) | _agreement(found, wanted)


def _named(means: dict[str, Tensor], joints: tuple[str, ...], free: list[int]) -> dict[str, Any]:
    axes = means["spread"][free].mean(0)
    return {
        **{f"spread_{axis}_mm": mm(float(value)) for axis, value in zip("xyz", axes, strict=True)},
        "spread_by_joint_mm": {
            joints[joint]: mm(float(means["spread"][joint].mean())) for joint in free
        },
        "worst_pa_mpjpe_mm": mm(float(means["worst"])),
        "bone_length_deviation": means["bones"].item(),
        "bone_asymmetry": means["asymmetry"].item(),
    }


def _agreement(found: Tensor, wanted: Tensor) -> dict[str, float]:
    """With heatmaps: sigmas of hypotheses and of fitted Gaussians, at 1 px = 10 mm (paper 001)."""
    correlation, ratio = sigma_agreement(found, 0.01**2 * wanted)
    return {"heatmap_sigma_correlation": correlation, "heatmap_sigma_ratio": ratio}


@torch.no_grad()
def gallery(lifter: Lifter, source: MemorySource, scoring: Scoring) -> list[dict[str, Any]]:
    """The most certain and the most uncertain poses, with a few hypotheses each, metres."""
    count = uncertain_joints(source.keypoints)
    order = count.argsort(stable=True)
    rows = torch.cat([order[:_SHOWN_POSES], order[-_SHOWN_POSES:]])
    chosen = selected(source, rows)
    generator = torch.Generator().manual_seed(scoring.seed)
    hypotheses = lifter(chosen.keypoints).sample((_SHOWN_HYPOTHESES,), generator)
    assert chosen.target is not None
    return [
        {
            "row": int(row),
            "skeleton": chosen.skeleton.name,
            "uncertain_joints": int(count[row]),
            "target": chosen.target[n].tolist(),
            "hypotheses": hypotheses[:, n].tolist(),
        }
        for n, row in enumerate(rows)
    ]


def _method(name: str, maker: Any, shown: bool) -> Row:
    def run(workshop: Workshop, scoring: Scoring) -> Rows:
        lifter, about = maker.lifter_of(workshop)
        poses = thinned(workshop.data.test, scoring.every)
        row = {"method": name, "poses": poses.rows, **diversity(lifter, poses, scoring), **about}
        return [row | ({"gallery": gallery(lifter, poses, scoring)} if shown else {})]

    return Row(name, run)


DIVERSITY = Study(
    name="diversity",
    title="In what hypotheses differ, and whether each could be a person",
    rows=tuple(
        _method("cinn" if v.name == "full" else f"cinn_{v.name}", v, v.name in _IN_GALLERY)
        for v in VARIANTS
        if v.name in _VARIANTS
    )
    + tuple(_method(m.name, m, False) for m in METHODS if m.name in _METHODS),
)

"""`mesh`: observations in, a file of bodies out, however many there are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from poseterior.batch.blocks import (
    BLOCK_ROWS,
    DEFAULT_CHUNK,
    MIN_JOINTS,
    Sampling,
    observed_blocks,
    placement,
)
from poseterior.batch.lift import Lifted, Progress, require_some
from poseterior.batch.observed import in_skeleton
from poseterior.batch.provenance import lift_provenance
from poseterior.data.keypoint_source import KeypointSource, ObservationRows
from poseterior.data.npz_stream import check_writable
from poseterior.errors import InputError, require
from poseterior.meshes.mesh_files import bodies_writer
from poseterior.meshes.mesh_posterior import BodySet, MeshPosterior
from poseterior.meshes.parameters import BodyParameters
from poseterior.meshes.regressors.mesh_lifter import MeshLifter
from poseterior.meshes.regressors.quantized import PriorWeighted
from poseterior.meshes.skinned_body import SkinnedBody
from poseterior.posterior import Lifter

__all__ = ["check_body", "lift_bodies", "lifter_body"]


def lifter_body(lifter: Lifter) -> SkinnedBody:
    """The body that a lifter's posteriors are over.

    `InputError` for a lifter over poses only, and for one that sees images in place of keypoints.
    """
    if isinstance(lifter, PriorWeighted):
        return lifter_body(lifter.lifter)
    name = getattr(lifter, "name", type(lifter).__name__)
    if not isinstance(lifter, MeshLifter):
        raise InputError(
            "lifter", name, expected="one over bodies, such as a run of `train prohmr`",
            found="one over poses only (`poseterior lift` takes it)",
        )  # fmt: skip
    backbone = lifter.config.backbone
    require(
        lifter.backbone is None, "lifter", f"{name}.backbone",
        expected="keypoints", found=f"{backbone}, which sees images",
    )  # fmt: skip
    return lifter.body


def check_body(body: SkinnedBody, own: SkinnedBody) -> None:
    """`InputError` unless a body takes the parameters of another, `own`, the lifter's."""
    for name, expected, found in (
        ("joints", own.tree.joints, body.tree.joints),
        ("parents", own.tree.parents, body.tree.parents),
        ("betas", own.betas, body.betas),
    ):
        if expected != found:
            told = name if name != "joints" else f"{len(body.tree)} joints"
            raise InputError(
                body.name, told, expected=f"those of {own.name}, the lifter's body",
                found="others" if name != "betas" else found,
            )  # fmt: skip


def lift_bodies(
    source: KeypointSource,
    lifter: Lifter,
    out: str | os.PathLike[str],
    hypotheses: int = 200,
    seed: int = 0,
    chunk: int = DEFAULT_CHUNK,
    progress: Progress | None = None,
    body: SkinnedBody | None = None,
) -> Lifted:
    """Lift every observation and write its bodies to a file that `read_bodies` reads.

    Rows keep their order. One with fewer than 4 valid joints of the lifter's skeleton has `valid`
    False and zeros, and its labels. Noise is drawn block by block as `batch.blocks` tells: the
    same source, lifter, versions and seed give the same file, byte for byte, whatever `chunk` is.

    A posterior that is a set of at most `hypotheses` bodies is stored as it is, with its weights;
    of any other so many are drawn, of equal weights.

    Args:
        source: such as `open_observations(path)`, `table_source(table)` or `MemorySource`.
        lifter: over bodies; used in evaluation mode.
        out: where the file appears when all is done.
        hypotheses: how many to draw of each posterior.
        seed: of all draws.
        chunk: observations to read at a time.
        progress: called with the rows done and the rows in all.
        body: what the file says its parameters are of, with joints and betas as the lifter's
            body has them; that body if None.

    Raises:
        InputError: a lifter over poses only, another body's joints or betas, bad observations,
            no row that can be lifted, a place that cannot be written.
    """
    sampling = Sampling(hypotheses, seed)
    own = lifter_body(lifter)
    shown = own if body is None else body
    check_body(shown, own)
    path = check_writable(out)
    same = path.exists() and Path(source.name).exists() and path.samefile(source.name)
    require(not same, path, "out", expected="another file than the input", found="the same")
    device, _ = placement(lifter)
    made = {
        **lift_provenance(source, lifter, hypotheses, seed, device),
        "made_by": "poseterior mesh", "body": shown.name,
    }  # fmt: skip
    lifted = 0
    with bodies_writer(path, source.rows, shown, json.dumps(made, sort_keys=True)) as out_file:
        for rows in observed_blocks(source, lifter, chunk):
            out_file.label(rows.start, len(rows), rows.labels)
            for start, bodies, weights in _lifted(rows, lifter, sampling):
                out_file.write(start, bodies, weights)
                lifted += weights.shape[1]
            if progress is not None:
                progress(rows.start + len(rows), source.rows)
        require_some(lifted, source)
    return Lifted(path, source.rows, source.rows - lifted)


@torch.no_grad()
def _lifted(
    rows: ObservationRows, lifter: Lifter, sampling: Sampling
) -> Iterator[tuple[int, BodyParameters, Tensor]]:
    """Bodies (H, m) and weights (H, m) of each stretch of rows that can be lifted."""
    keypoints, _, _ = in_skeleton(rows.keypoints, None, lifter.skeleton)
    index = (keypoints.valid.sum(-1) >= MIN_JOINTS).nonzero()[:, 0]
    if not len(index):
        return
    device, dtype = placement(lifter)
    posterior = lifter(keypoints[index].to(device=device, dtype=dtype))
    assert isinstance(posterior, MeshPosterior)  # `lifter_body` has seen to it
    generator = sampling.generator(rows.start // BLOCK_ROWS, device)
    bodies, weights = _weighed(posterior, sampling.hypotheses, generator)
    bodies, weights = bodies.to("cpu"), weights.to("cpu")
    finite = _finite(bodies, weights)
    bodies, weights, index = bodies[:, finite], weights[:, finite], index[finite]
    gaps = (index.diff() > 1).nonzero()[:, 0] + 1
    for part in torch.arange(len(index)).tensor_split(gaps):
        if len(part):
            yield rows.start + int(index[part[0]]), bodies[:, part], weights[:, part]


def _weighed(
    posterior: MeshPosterior, count: int, generator: torch.Generator
) -> tuple[BodyParameters, Tensor]:
    """Bodies (H, b) that stand for posteriors (b,), and weights (H, b)."""
    if isinstance(posterior, BodySet) and len(posterior.parameters) <= count:
        return posterior.parameters.detach(), posterior.weights.detach()
    bodies = posterior.sample_parameters((count,), generator)
    return bodies, torch.full_like(bodies.betas[..., 0], 1 / count)


def _finite(bodies: BodyParameters, weights: Tensor) -> Tensor:
    """(b,) bool: rows all of whose numbers are finite."""
    values = [getattr(bodies, f.name) for f in fields(bodies)]
    return torch.stack(
        [v.isfinite().transpose(0, 1).flatten(1).all(1) for v in (*values, weights)]
    ).all(0)

"""Training a confidence network on a frozen detector (paper 003, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from poseterior.confidence.aggregation import mean_above
from poseterior.confidence.ccnet import CCNet, CCNetConfig
from poseterior.data.crop_augmentation import CropAugmentation
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.feature_detector import FeatureDetector
from poseterior.errors import require
from poseterior.metrics.keypoint_confidence import KeypointConfidence
from poseterior.metrics.oks import counted_mean
from poseterior.training.begin import begun, new_lifter
from poseterior.training.checkpoint import CONFIG_FILE, load_lifter, read_config
from poseterior.training.config_json import config_to_json
from poseterior.training.fit import fit
from poseterior.training.frozen_features import (
    FeatureSource,
    FrozenFeatures,
    detector_told,
    frozen_features,
)
from poseterior.training.recipes import recipe

__all__ = ["features_for", "fit_ccnet", "judged", "new_ccnet", "open_ccnet", "require_same_run"]

_BATCH = 1024


def features_for(
    detector: FeatureDetector,
    people: PeopleCrops,
    folder: Path,
    augmentation: CropAugmentation | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> FrozenFeatures:
    """What a network of `CCNetConfig(channels, **options)` is trained on, kept in a folder.

    `augmentation`, `seed`, `progress` and what raises as of `frozen_features`.
    """
    asked = CCNetConfig(1, **options)
    pooled = asked.head != "conv_sigmoid_pool"
    return frozen_features(
        detector, people, folder, asked.inputs, pooled, augmentation=augmentation, seed=seed,
        progress=progress,
    )  # fmt: skip


def new_ccnet(frozen: FrozenFeatures, seed: int = 0, **options: Any) -> CCNet:
    """An untrained network for features of `features_for` with the same options."""
    config = CCNetConfig(int(frozen.features.shape[1]), **options)
    network: CCNet = new_lifter(CCNet, config, seed, frozen.skeleton)
    return network


def fit_ccnet(
    frozen: FrozenFeatures, out: Path, seed: int = 0, steps: int | None = None, **options: Any
) -> CCNet:
    """A network in eval mode, trained by the published recipe; goes on where `out` holds a run.

    Args:
        frozen: features and targets, of `features_for` with the same options.
        out: folder of the run: `model.safetensors`, `config.json`, the log.
        seed: of the first weights and the batches.
        steps: 12,000 if None; the rate is a tenth from three quarters of them.
        options: of `CCNetConfig`, but for `channels`.

    Raises:
        InputError: `out` holds another run; an option that cannot be.
    """
    network: Any = new_ccnet(frozen, seed, **options)
    plan = replace(recipe("ccnet", "paper"), seed=seed)
    plan = plan if steps is None else replace(plan, steps=steps)
    source: Any = FeatureSource(frozen, plan.batch_size, seed)
    if begun(out):
        require_same_run(out, network.config, frozen.about.get("detector"))
    fit(network, source, out, plan, resume=begun(out), provenance=frozen.about)
    found: CCNet = network
    return found


def require_same_run(out: Path, config: CCNetConfig, told: Mapping[str, Any] | None) -> None:
    """`InputError` where a folder's run is of other options, or on another detector.

    Args:
        out: a folder with a run.
        config: the network's; its channels are not looked at.
        told: `detector_told`; None if nobody knows.
    """
    path = out / CONFIG_FILE
    there = read_config(out)
    saved = there["config"] if isinstance(there["config"], Mapping) else {}
    for name, value in config_to_json(config).items():
        found = saved.get(name)
        same = found == value or name == "channels"
        require(same, path, name, expected=f"{found} as before", found=value)
    if told is not None:
        _require_detector(path, there["provenance"], told)


def open_ccnet(folder: str | Path, detector: FeatureDetector | None = None) -> CCNet:
    """A trained network in eval mode on the CPU.

    Args:
        folder: of a run of `poseterior train ccnet` or `fit_ccnet`.
        detector: whose features it is to take; None if nobody knows.

    Raises:
        InputError: no whole checkpoint of one; trained on another detector than the one given.
    """
    names: Any = {CCNet.name: CCNet}
    found: Any = load_lifter(folder, names)
    if detector is not None:
        made = read_config(folder)["provenance"]
        _require_detector(Path(folder) / CONFIG_FILE, made, detector_told(detector))
    network: CCNet = found
    return network


def _require_detector(path: Path, made: Any, wanted: Mapping[str, Any]) -> None:
    """`InputError` where a network was trained on another detector than is told."""
    told = made.get("detector") if isinstance(made, Mapping) else None
    told = told if isinstance(told, Mapping) else {}
    for name, value in wanted.items():
        there = told.get(name, "not told")
        expected = f"{there}, the detector's that it was trained on"
        require(there == value, path, f"detector: {name}", expected=expected, found=value)


@torch.no_grad()
def judged(network: CCNet, frozen: FrozenFeatures) -> dict[str, Any]:
    """How well a network's confidences tell the OKS of keypoints, and the detector's own.

    Args:
        network: in eval mode, on any device.
        frozen: of people whom it was not trained on, with the detector's own confidences.

    Returns:
        `people`; `oks`, the mean of people; of keypoints `pearson_before`, `ause_before` (the
        detector's) and `pearson_after`, `ause_after` (the network's), see `KeypointConfidence`.
    """
    assert frozen.confidence is not None
    device = next(network.parameters()).device
    before, after, total, people = KeypointConfidence(), KeypointConfidence(), 0.0, 0
    for start in range(0, len(frozen), _BATCH):
        rows = slice(start, start + _BATCH)
        oks, v = frozen.target[rows].double().unbind(-1)
        counted, own = v > 0, frozen.confidence[rows].double()
        said = network(torch.from_numpy(frozen.features[rows]).to(device).float())
        oks = torch.where(counted, oks, 0.0)
        person = torch.from_numpy(mean_above(own.numpy()))
        before.update(person, own, oks, counted)
        keypoints = said.keypoints.double().cpu()
        after.update(said.instance.double().cpu(), keypoints, oks, counted)
        total += float(counted_mean(oks, counted).sum())
        people += int(counted.any(-1).sum())
    told: dict[str, Any] = {"people": len(frozen), "oks": total / max(people, 1)}
    for name in ("pearson", "ause"):
        for when, each in (("before", before), ("after", after)):
            told[f"{name}_{when}"] = each.compute()[f"{name}_keypoint"]
    return told

"""Training a confidence network on a frozen detector (paper 003, Algorithm 1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from poseterior.confidence.ccnet import CCNet, CCNetConfig
from poseterior.data.people_crops import PeopleCrops
from poseterior.detectors.crop_detector import CropDetector
from poseterior.geometry.skeleton import COCO_17
from poseterior.training.begin import begun, new_lifter
from poseterior.training.checkpoint import load_lifter
from poseterior.training.fit import fit
from poseterior.training.frozen_features import FeatureSource, FrozenFeatures, frozen_features
from poseterior.training.recipes import recipe

__all__ = ["features_for", "fit_ccnet", "open_ccnet"]


def features_for(
    detector: CropDetector, people: PeopleCrops, folder: Path, **options: Any
) -> FrozenFeatures:
    """What a network of `CCNetConfig(channels, **options)` is trained on, kept in a folder."""
    asked = CCNetConfig(1, **options)
    pooled = asked.head != "conv_sigmoid_pool"
    return frozen_features(detector, people, folder, asked.inputs, pooled)


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
    config = CCNetConfig(int(frozen.features.shape[1]), **options)
    network: Any = new_lifter(CCNet, config, seed, COCO_17)
    plan = replace(recipe("ccnet", "paper"), seed=seed)
    plan = plan if steps is None else replace(plan, steps=steps)
    source: Any = FeatureSource(frozen, plan.batch_size, seed)
    fit(network, source, out, plan, resume=begun(out))
    found: CCNet = network
    return found


def open_ccnet(folder: str | Path) -> CCNet:
    """A trained network in eval mode on the CPU; `InputError` for no whole checkpoint of one."""
    names: Any = {CCNet.name: CCNet}
    found: Any = load_lifter(folder, names)
    network: CCNet = found
    return network

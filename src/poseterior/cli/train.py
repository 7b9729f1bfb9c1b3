"""`poseterior train`: any lifter, on motion capture or observed pairs; detectors, on crops.

Confidence networks on detectors are in `train_confidence`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from poseterior.cli.options import (
    MOST,
    BodyModel,
    Count,
    Data,
    Detections,
    FeatureDetectorName,
    Folder,
    Name,
    Protocol,
    Root,
    Share,
    Weight,
    Whole,
    check_range,
)
from poseterior.cli.train_confidence import NETWORK, OPTIONS, train_confidence
from poseterior.errors import known, require

if TYPE_CHECKING:
    from poseterior.cli.training_job import TrainingJob
    from poseterior.posterior import Lifter

__all__ = ["Train"]

_MOST_SEED = (1 << 24) - 1


@dataclass(frozen=True)
class Train:
    """Train a lifter, a detector or a confidence network; stop it any time and go on with --resume."""  # noqa: E501

    lifter: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="LIFTER")]
    """Name of the lifter, or of the detector: sbl, rle (`poseterior info` lists them); or ccnet."""
    out: Path
    """Folder of the run."""
    data: Data = "cmu"
    """The data set: cmu (motion capture seen by a simulated detector), human36m (its pairs) or, of meshes, 3dpw; of detectors people (crops, as `render` writes them)."""  # noqa: E501
    root: Root = None
    protocol: Protocol = None
    keypoints: Detections = None
    body: BodyModel = None
    drawn_poses: Share = None
    """Share of a mesh regressor's training bodies whose pose is drawn, and not the motion's."""
    preset: Annotated[str, tyro.conf.arg(metavar="small|paper")] = "small"
    """Sizes and recipe: small for a computer without a GPU, paper for the published ones."""
    steps: Whole = None
    """Updates; the recipe's number if not given."""
    seed: Count = 0
    """Seed of weights, batches and draws."""
    resume: bool = False
    """Go on from the run in the folder."""
    base: Folder = None
    """For a lifter that builds on another (gaussian on simple_baseline): a run of that; if not given, it is trained first, in OUT/base."""  # noqa: E501
    detector: FeatureDetectorName = None
    """Of ccnet: the frozen detector, a run of sbl or rle or a ViTPose's folder."""
    loss: Name = None
    """Of ccnet: mse (default), cross_entropy, aleatoric, ensemble, soap."""
    inputs: Name = None
    """Of ccnet: penultimate (default), with_prediction_and_confidence, lower_layer."""
    head: Name = None
    """Of ccnet: conv_pool (default), pool_linear, conv_sigmoid_pool, which keeps whole maps of everybody."""  # noqa: E501
    visibility_weight: Weight = None
    """Of ccnet: of the visibility's loss; 0.2."""
    validate_every: Count = 2000
    """Steps between validations; 0 for one at the end."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where to train."""
    devices: Count = 1
    """Processes that share each batch (extra `scale`)."""

    def run(self) -> None:
        """Train, with a bar, and print the last validation."""
        self._check()
        if self.lifter == NETWORK:
            train_confidence(self)
            return
        for option in ("detector", *OPTIONS):
            name, given = f"--{option.replace('_', '-')}", getattr(self, option)
            require(given is None, name, "", expected=f"none but for {NETWORK}", found=given)
        from poseterior.studies.people_data import people_skeleton
        from poseterior.training.begin import new_lifter

        cls, config = self._class_and_config()
        # A detector's skeleton is that of the people that it is trained on.
        own = {"skeleton": people_skeleton(self.root)} if hasattr(cls, "skeleton") else {}
        lifter = new_lifter(cls, config, self.seed, **own)
        builds = hasattr(lifter, "use_base")
        base = self._given_base(lifter, builds)
        self._check_folders(builds and base is None)
        job = self._job(lifter)
        if builds:
            preset = self.preset.split("_")[0]
            lifter.use_base(base or job.fit_base(lifter, preset, self.out / "base"))
        job.show(job.fit(lifter, self.preset, self.out), self.out)

    def _check(self) -> None:
        check_range(1, MOST, steps=self.steps, devices=self.devices)
        check_range(0, MOST, validate_every=self.validate_every)
        check_range(0, _MOST_SEED, seed=self.seed)
        import torch

        there = self.device == "cpu" or torch.cuda.is_available()
        require(there, "--device", "", expected="cpu, for no GPU is found", found=self.device)

    def _class_and_config(self) -> tuple[Any, Any]:
        from poseterior.meshes.bodies import body_name
        from poseterior.training.known_lifters import TRAINABLE

        cls: Any = TRAINABLE[known("lifter", self.lifter, [*TRAINABLE, NETWORK])]
        config = cls.PRESETS[known("--preset", self.preset, cls.PRESETS)]
        if self.body is not None and hasattr(config, "body"):
            config = replace(config, body=body_name(self.body))
        return cls, config

    def _given_base(self, lifter: Any, builds: bool) -> Lifter | None:
        """The lifter in --base, if it is what `lifter` builds on."""
        from poseterior.training.checkpoint import load_lifter

        if self.base is None:
            return None
        expected = f"none, for {self.lifter} builds on no other lifter"
        require(builds, "--base", "", expected=expected, found=self.base)
        base: Any = load_lifter(self.base, {lifter.base.name: lifter.base})
        wanted, found = lifter.base_config, base.config
        require(found == wanted, self.base, "config", expected=wanted, found=found)
        return base

    def _check_folders(self, with_base: bool) -> None:
        """Now, and not after the base's training: is there a run, and should there be one?"""
        from poseterior.training.begin import begun, occupied

        folders = (self.out, self.out / "base") if with_base else (self.out,)
        if self.resume:
            there = any(map(begun, folders))
            require(there, self.out, "", expected="a run to resume", found="none")
            return
        for folder in folders:
            new = not occupied(folder)
            require(new, folder, "", expected="a new folder, or --resume", found="a run there")

    def _job(self, lifter: Any) -> TrainingJob:
        from poseterior.cli.training_job import TrainingJob
        from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
        from poseterior.studies.mesh_data import body_training_data
        from poseterior.studies.people_data import crop_training_data
        from poseterior.studies.training_data import training_data
        from poseterior.training.known_lifters import CROP_DETECTORS
        from poseterior.training.ranks import launch

        settings = {
            "seed": self.seed, "devices": self.devices, "validate_every": self.validate_every,
        }  # fmt: skip
        options = {"protocol": self.protocol, "keypoints": self.keypoints, "body": self.body,
                   "drawn_poses": self.drawn_poses}  # fmt: skip
        if self.lifter in CROP_DETECTORS:
            data = crop_training_data(lifter, self.data, self.root, options)
        elif self.lifter in MESH_LIFTERS:
            data = body_training_data(lifter, self.data, self.root, options, self.out)
        else:
            data = training_data(self.data, self.root, lifter.skeleton, options)
        return TrainingJob(
            data=data,
            settings=settings if self.steps is None else settings | {"steps": self.steps},
            device=self.device,
            resume=self.resume,
            fabric=launch(self.devices),
            about={"data": self.data},
        )

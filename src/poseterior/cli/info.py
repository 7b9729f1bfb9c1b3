"""`poseterior info`: what is installed and what it can do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Info"]


@dataclass(frozen=True)
class Info:
    """Versions, devices, lifters, detectors, repairs of confidences, skeletons and formats."""

    def run(self) -> None:
        """Print them."""
        import torch

        from poseterior.batch.provenance import versions
        from poseterior.confidence.ccnet import CCNet
        from poseterior.confidence.repair import METHODS
        from poseterior.data.keypoint_files import FORMATS
        from poseterior.detectors import DETECTORS
        from poseterior.geometry.skeleton import SKELETONS
        from poseterior.lifters import LIFTERS
        from poseterior.meshes.regressors.mesh_lifters import MESH_LIFTERS
        from poseterior.training.known_lifters import CROP_DETECTORS
        from poseterior.training.shipped import shipped_lifters

        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
        lines = {
            "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
            "device": f"{device}, {torch.get_num_threads()} threads",
            "lifters": ", ".join(LIFTERS),
            "lifters over bodies": ", ".join(MESH_LIFTERS),
            "detectors": ", ".join([*DETECTORS, *CROP_DETECTORS]),
            "confidences": ", ".join([*METHODS, CCNet.name]),
            "with weights": ", ".join(shipped_lifters()) or "none",
            "skeletons": ", ".join(SKELETONS),
            "keypoint formats": ", ".join(FORMATS),
        }
        for name, text in lines.items():
            print(f"{name:21}{text}")

"""Small models for the tests: random ones in the real format, and one that sees brightness."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

transformers = pytest.importorskip("transformers", reason="needs the extra [detect]")
pytest.importorskip("PIL.Image", reason="needs the extra [detect]")

from transformers.models.rt_detr.image_processing_pil_rt_detr import (  # noqa: E402
    RTDetrImageProcessorPil,
)
from transformers.models.vitpose.image_processing_pil_vitpose import (  # noqa: E402
    VitPoseImageProcessorPil,
)


def save_vitpose(folder: Path, joints: int = 17, classic: bool = False, **backbone: object) -> Path:
    """A ViTPose of two small layers with random weights and its image processor."""
    given = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2} | backbone
    config = transformers.VitPoseConfig(
        backbone_config=transformers.VitPoseBackboneConfig(mlp_ratio=2, out_indices=[2], **given),
        num_labels=joints,
        use_simple_decoder=not classic,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.VitPoseForPoseEstimation(config)
        for parameter in model.parameters():  # the default is so small that all looks alike
            nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    VitPoseImageProcessorPil().save_pretrained(folder)
    return folder


def save_rtdetr(folder: Path, classes: tuple[str, ...] = ("person", "cat", "bus")) -> Path:
    """An RT-DETR of 60,000 random weights and its image processor, for images of 64 x 64."""
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.RTDetrConfig(
        backbone_config=backbone, encoder_in_channels=[16, 24, 32], encoder_hidden_dim=16,
        d_model=16, encoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
        decoder_ffn_dim=16, decoder_layers=2, num_queries=12, decoder_in_channels=[16, 16, 16],
        num_denoising=0, decoder_n_points=2, hidden_expansion=0.5,
        id2label=dict(enumerate(classes)),
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.RTDetrForObjectDetection(config)
    model.save_pretrained(folder)
    RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


class SeesBrightness(nn.Module):
    """In place of a ViTPose: every joint's heatmap is the crop's green channel.

    The 48 x 64 pixels of the heatmap lie over the crop from corner to corner, as unbiased data
    processing has it (Huang et al. 2020).
    """

    def __init__(self, processor: VitPoseImageProcessorPil) -> None:
        super().__init__()
        self.mean, self.std = processor.image_mean[1], processor.image_std[1]
        self.config = SimpleNamespace(backbone_config=SimpleNamespace(num_experts=1))
        self.head = SimpleNamespace(conv=nn.Identity())

    def forward(self, pixels: Tensor) -> SimpleNamespace:
        """Heatmaps (N, 17, 64, 48)."""
        green = pixels[:, 1:2] * self.std + self.mean
        small = nn.functional.interpolate(green, (64, 48), mode="bilinear", align_corners=True)
        return SimpleNamespace(heatmaps=small.expand(-1, 17, -1, -1))


def spot(
    size: tuple[int, int], centre: tuple[float, float], covariance: list[list[float]]
) -> np.ndarray:
    """An image (h, w, 3) of (width, height) px, black but for a Gaussian in px."""
    y, x = np.mgrid[: size[1], : size[0]]
    offset = np.stack([x - centre[0], y - centre[1]], -1)
    square = np.einsum("...i,ij,...j", offset, np.linalg.inv(covariance), offset)
    grey = np.round(250 * np.exp(-square / 2)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A smooth random image (h, w, 3) of (width, height) px."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 9, 12), generator=generator)
    fine = nn.functional.interpolate(coarse, size[::-1], mode="bicubic", align_corners=False)
    return (255 * fine[0].permute(1, 2, 0).clamp(0, 1)).round().byte().numpy()

"""How each lifter is trained by default: a `FitConfig` for every preset."""

from __future__ import annotations

from dataclasses import replace

from poseterior.training.fit_config import FitConfig

__all__ = ["RECIPES", "recipe"]

_FLOW = FitConfig(
    steps=42_000,
    batch_size=384,
    learning_rate=1e-3,
    weight_decay=1e-2,
    warmup_steps=300,
    final_fraction=0.001,
    clip_norm=50.0,
    ema=0.999,
    precision="fast",
    validate_every=0,
    save_every=2000,
    log_every=100,
)
# Martinez et al. 2017: Adam 1e-3, batch 64, 200 epochs of 1.56 million frames, decayed.
_BASELINE = FitConfig(steps=7000, optimiser="adam", weight_decay=0.0, warmup_steps=100)
# One parameter. Its gradients fall a hundredfold on the way from too wide: Adam must forget them.
_SIGMA = FitConfig(
    steps=1000, batch_size=64, optimiser="adam", learning_rate=1e-2, betas=(0.9, 0.95),
    weight_decay=0.0,
)  # fmt: skip
# Convex in each kind of parameter: within 0.02 nats of the sample moments' own likelihood.
_MOMENTS = FitConfig(
    steps=3000, optimiser="adam", learning_rate=1e-2, weight_decay=0.0, final_fraction=0.001,
    ema=0.999, validate_every=0, save_every=2000, log_every=100,
)  # fmt: skip
# Likelihood of mixtures over the networks of `simple_baseline` and `semgcn`, on two CPU cores.
_MIXTURE = FitConfig(
    steps=5000, optimiser="adam", learning_rate=3e-3, weight_decay=0.0, warmup_steps=100,
    final_fraction=0.001, clip_norm=50.0, validate_every=0, save_every=2000, log_every=100,
)  # fmt: skip
# Li and Lee 2019: as Martinez et al.
_MDN = FitConfig(
    steps=4_875_000, batch_size=64, optimiser="adam", weight_decay=0.0,
    schedule="exponential", decay_by=0.96, decay_every=100_000,
)  # fmt: skip

# Wehrbein et al. 2021: 155 epochs, 150 at 1e-4. The paper does not say how many updates an
# epoch has nor how often the critic is trained: their code has 482, and five of the critic.
_CINN = FitConfig(
    steps=155 * 482, batch_size=64, optimiser="adam", learning_rate=1e-4, betas=(0.5, 0.9),
    weight_decay=0.0, schedule="step", decay_at=(150 / 155,), decay_by=0.5, clip_value=15.0,
    critic_steps=5,
)  # fmt: skip
_SMALL_CINN = FitConfig(
    steps=2400, batch_size=128, optimiser="adam", learning_rate=1e-3, betas=(0.5, 0.99),
    weight_decay=0.0, warmup_steps=100, clip_value=15.0, clip_norm=10.0, ema=0.999,
    validate_every=0, save_every=2000, log_every=100,
)  # fmt: skip
# Likelihood of a graph flow on two CPU cores: float32, for its products are small.
_CGNF = FitConfig(
    steps=3500, batch_size=128, warmup_steps=200, final_fraction=0.001, clip_norm=1.0,
    ema=0.999, validate_every=0, save_every=2000, log_every=100,
)  # fmt: skip
# The authors' code: Adam 1e-3, batch 200, 200 epochs, gradients clipped to norm 1, the rate a
# tenth on a plateau (here: at three quarters of 200 epochs of 1.56 million frames; the number of
# frames is not told).
_CGNF_PAPER = FitConfig(
    steps=1_560_000, batch_size=200, optimiser="adam", weight_decay=0.0, schedule="step",
    decay_at=(0.75,), clip_norm=1.0,
)  # fmt: skip
# Zhao et al. 2019 and Oikarinen et al. 2020, their released code: 30 epochs of 1.56 million.
_GRAPH = FitConfig(
    steps=731_250, batch_size=64, optimiser="adam", weight_decay=0.0, clip_norm=1.0,
    schedule="exponential", decay_by=0.96, decay_every=100_000,
)  # fmt: skip
_SMALL_GRAPH = replace(_MIXTURE, steps=2500, batch_size=128, learning_rate=4e-3, clip_norm=1.0)
# Kolotouros et al. 2021: 300 thousand steps at 1e-4, no decay of the rate told of.
_GLOW_PAPER = FitConfig(
    steps=300_000, batch_size=64, optimiser="adam", learning_rate=1e-4, weight_decay=0.0,
    schedule="constant",
)  # fmt: skip
# The same losses on two CPU cores.
_GLOW = FitConfig(
    steps=3500, batch_size=128, optimiser="adam", weight_decay=0.0, warmup_steps=200,
    final_fraction=0.001, clip_norm=50.0, ema=0.999, validate_every=0, save_every=2000,
    log_every=100,
)  # fmt: skip
# Sharma et al. 2019, their code: 200 epochs of 1.56 million frames.
_CVAE = FitConfig(
    steps=1_219_000, optimiser="adam", learning_rate=2.5e-4, weight_decay=0.0, clip_norm=1.0,
    schedule="exponential", decay_by=0.96, decay_every=100_000,
)  # fmt: skip
_SMALL_CVAE = FitConfig(
    steps=6000, batch_size=192, weight_decay=1e-2, warmup_steps=100, final_fraction=0.001,
    clip_norm=50.0, ema=0.999, validate_every=0, save_every=2000, log_every=100,
)  # fmt: skip
# Mesh regressors. Biggs et al. 2020: a trained HMR (batch 64 and 5e-5 by the code of SPIN), then
# Adam 1e-5; steps are not told. Kolotouros et al. 2021: 500 thousand steps at 1e-4.
_HMR_PAPER = FitConfig(
    steps=500_000, batch_size=64, optimiser="adam", learning_rate=5e-5, weight_decay=0.0,
    schedule="constant",
)  # fmt: skip
_HEADS_PAPER = replace(_HMR_PAPER, steps=100_000, learning_rate=1e-5)
_PROHMR_PAPER = replace(_HMR_PAPER, learning_rate=1e-4, weight_decay=1e-4)
# The same losses on two CPU cores.
_MESH = FitConfig(
    steps=4000, batch_size=64, optimiser="adam", learning_rate=5e-4, weight_decay=0.0,
    warmup_steps=100, final_fraction=0.01, clip_norm=50.0, ema=0.999, validate_every=0,
    save_every=1000, log_every=100,
)  # fmt: skip
_HEADS = replace(_MESH, steps=2000, learning_rate=2e-4)
_PRIOR = FitConfig(
    steps=4000, batch_size=256, learning_rate=2e-3, warmup_steps=100, final_fraction=0.001,
    clip_norm=50.0, ema=0.999, validate_every=0, save_every=1000, log_every=100,
)  # fmt: skip

# Xiao et al. 2018: 140 epochs of COCO's 150 thousand people at batch 128, Adam 1e-3, a tenth after
# 90 and 120. Li et al. 2021: 270 epochs, a tenth after 170 and 200; here at the same batch.
_SBL_PAPER = FitConfig(
    steps=140 * 1171, batch_size=128, optimiser="adam", weight_decay=0.0, schedule="step",
    decay_at=(90 / 140, 120 / 140),
)  # fmt: skip
_RLE_PAPER = replace(_SBL_PAPER, steps=270 * 1171, decay_at=(170 / 270, 200 / 270))
# The same losses on two CPU cores, where many steps of few people are better than few of many. No
# average: batch normalisation has none of its statistics.
_CROPS = FitConfig(
    steps=20_000, batch_size=16, learning_rate=2e-3, weight_decay=1e-2, warmup_steps=200,
    final_fraction=0.001, clip_norm=10.0, validate_every=0, save_every=2000, log_every=500,
)  # fmt: skip

# Paper 003, appendix B; the batch is not told.
_CCNET = FitConfig(
    steps=12_000, batch_size=128, optimiser="adam", weight_decay=0.0, schedule="step",
    decay_at=(0.75,), validate_every=0, save_every=0, log_every=500,
)  # fmt: skip

RECIPES: dict[str, dict[str, FitConfig]] = {
    "cinn": {"small": _SMALL_CINN, "paper": _CINN},
    "coupling_flow": dict.fromkeys(("small", "paper", "small_points", "paper_points"), _FLOW),
    "simple_baseline": {
        "small": _BASELINE,
        "paper": FitConfig(
            steps=4_875_000, batch_size=64, optimiser="adam", weight_decay=0.0,
            schedule="exponential", decay_by=0.96, decay_every=100_000,
        ),
    },
    "glow": {"small": _GLOW, "paper": _GLOW_PAPER},
    "gaussian": dict.fromkeys(("small", "paper", "small_minmpjpe", "paper_minmpjpe"), _SIGMA),
    "cgnf": {"small": _CGNF, "paper": _CGNF_PAPER},
    "cvae": {
        "small": _SMALL_CVAE, "small_ordinal": _SMALL_CVAE, "paper": _CVAE, "paper_ordinal": _CVAE,
    },
    "heatmap_noise": dict.fromkeys(("small", "paper"), _SIGMA),
    "mean_pose": {"small": _MOMENTS, "paper": _MOMENTS},
    "mdn": {"small": _MIXTURE, "small_means": _MIXTURE, "paper": _MDN, "paper_means": _MDN},
    "semgcn": {"small": _SMALL_GRAPH, "paper": _GRAPH},
    "graph_mdn": {"small": _SMALL_GRAPH, "paper": _GRAPH},
    "hmr": {"small": _MESH, "paper": _HMR_PAPER},
    "multi_bodies": {"small": _HEADS, "paper": _HEADS_PAPER},
    "mesh_mdn": {"small": _HEADS, "paper": _HEADS_PAPER},
    "mesh_cvae": {"small": _MESH, "paper": _HMR_PAPER},
    "prohmr": {"small": _MESH, "paper": _PROHMR_PAPER},
    "sbl": {"small": _CROPS, "paper": _SBL_PAPER},
    "rle": {"small": replace(_CROPS, steps=40_000), "paper": _RLE_PAPER},
    "ccnet": dict.fromkeys(("small", "paper"), _CCNET),
    "pose_prior": {"small": _PRIOR, "paper": replace(_PRIOR, steps=50_000, learning_rate=1e-3)},
}  # fmt: skip


def recipe(lifter: str, preset: str) -> FitConfig:
    """The recipe of a lifter's or detector's preset; plain defaults where none is written down."""
    return RECIPES.get(lifter, {}).get(preset, FitConfig())

"""Turn a trained run of `coupling_flow` into the weights and the model card of the package.

    python tools/ship_coupling_flow.py RUN --root DIR

The temperature of the latent is chosen on the val split observed anew with limb lengths
changed by up to 8 %, about as those of adults differ: the bodies of val are those of train,
those of users are not. Then the weights are stored in half precision and scored as stored.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from model_card import fill

import poseterior
from poseterior.batch.score import evaluate
from poseterior.batch.temperature import choose_temperature
from poseterior.data.cmu import load_cmu, load_observations
from poseterior.data.keypoint_source import KeypointSource
from poseterior.data.observations import open_observations
from poseterior.data.observed_anew import observed_anew
from poseterior.lifters import LIFTERS
from poseterior.training.checkpoint import load_lifter, read_tensors, save_model

SHIPPED = Path(poseterior.__file__).parent / "weights" / "coupling_flow"
# A standard deviation of 4.6 %, and the largest change that is reported on.
ADULTS, LIMB_SCALE = 0.08, 0.15
COLUMNS = {
    "mpjpe_mean_mm": "MPJPE of the mean, mm",
    "min_mpjpe_mm": "min MPJPE, mm",
    "min_pa_mpjpe_mm": "min PA-MPJPE, mm",
    "ece_median": "ECE",
    "ece_joint_max": "ECE, worst joint",
    "energy_score_mm": "energy score, mm",
    "sharpness_mm": "sharpness, mm",
    "nll": "NLL, nats",
}


def show(temperature: float, ece: float) -> None:
    """Print what was tried."""
    print(f"temperature {temperature:.3f}: mean ECE over the joints {ece:.4f}", flush=True)


def sources(root: Path) -> dict[str, KeypointSource]:
    """What the model card reports on."""
    fixed = {
        split: open_observations(load_observations(root, split))
        for split in ("val", "test", "test_dance")
    }
    val = load_cmu(root, "val")
    anew = {
        f"val observed anew, limb scale {s:g}": observed_anew(val, s) for s in (0.0, LIMB_SCALE)
    }
    return {**fixed, **anew}


def table(results: dict[str, dict[str, Any]]) -> str:
    """One row a split, with 95 % intervals by clip."""
    lines = ["| poses | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, result in results.items():
        cells = [cell(result, key) for key in COLUMNS]
        lines.append(f"| {name} ({result['poses']}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(result: dict[str, Any], key: str) -> str:
    """A value and its interval."""
    digits = 3 if key.startswith("ece") else 1
    interval = (result.get("intervals") or {}).get(key)
    if interval is None or None in interval:
        return f"{result[key]:.{digits}f}"
    return f"{result[key]:.{digits}f} ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--temperature", type=float, help="chosen before; else chosen now")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    lifter: Any = load_lifter(arguments.run, LIFTERS)
    held_out = observed_anew(load_cmu(arguments.root, "val"), ADULTS, seed=1, poses=1000)
    temperature = arguments.temperature or choose_temperature(lifter, held_out, show)
    lifter.temperature.fill_(temperature)
    trained = json.loads((arguments.run / "config.json").read_text())["provenance"]
    train = load_cmu(arguments.root, "train")
    made = {
        **trained,
        "data": "cmu train",
        "fingerprint": train.fingerprint,
        "temperature": round(float(lifter.temperature), 4),
    }
    save_model(lifter, arguments.out, half=True, provenance=made)
    read_tensors(arguments.out / "model.safetensors")
    stored = load_lifter(arguments.out, LIFTERS)
    results = {}
    for name, source in sources(arguments.root).items():
        results[name] = evaluate(stored, source)
        print(name, {k: results[name][k] for k in COLUMNS}, flush=True)
    print(table(results))
    fill(arguments.out / "MODEL_CARD.md", table(results))


if __name__ == "__main__":
    main()

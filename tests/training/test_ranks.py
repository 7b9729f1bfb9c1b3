"""Two processes that share every batch end with one process's weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_lifters import Everything, LinearGaussian, LinearSource, make

from poseterior.errors import InputError
from poseterior.training.fit import FitConfig, fit
from poseterior.training.ranks import Ranks

CONFIG = FitConfig(steps=6, ema=0.9, clip_norm=1.0, save_every=2, log_every=2, devices=2)

PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, {tests!r})
from tiny_lifters import Everything, LinearGaussian, LinearSource, make
from poseterior.training.fit import Interrupted, fit
from poseterior.training.ranks import launch
from test_ranks import CONFIG, StopsOnRankOne
out = Path(sys.argv[1])
fabric = launch(2)
assert (fabric.world_size, fabric.device.type) == (2, "cpu")
seed = fabric.global_rank  # other weights on the second: the first's must win
fit(make(LinearGaussian, seed=seed), LinearSource(), out / "plain", CONFIG, fabric=fabric)
try:
    fit(make(LinearGaussian), StopsOnRankOne(fabric), out / "parts", CONFIG, fabric=fabric)
except Interrupted:
    fit(make(LinearGaussian), LinearSource(), out / "parts", CONFIG, resume=True, fabric=fabric)
fit(make(Everything), LinearSource(), out / "everything", CONFIG, fabric=fabric)
"""


class StopsOnRankOne(LinearSource):
    """A signal that only the second process gets, in its third step."""

    def __init__(self, fabric):
        super().__init__()
        self.fabric = fabric

    def batch(self, index):
        if index == 2 and self.fabric.global_rank == 1:
            import signal

            os.kill(os.getpid(), signal.SIGTERM)
        return super().batch(index)


def test_two_processes_give_one_process_s_weights(tmp_path):
    pytest.importorskip("lightning_fabric", reason="needs the extra `scale`")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    one = FitConfig(**{**vars(CONFIG), "devices": 1})
    fit(make(LinearGaussian), LinearSource(), tmp_path / "one", one)
    expected = load_file(tmp_path / "one" / "model.safetensors")
    for out in ("plain", "parts"):
        for name, tensor in load_file(tmp_path / out / "model.safetensors").items():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5)
    assert json.loads((tmp_path / "parts" / "training.json").read_text())["step"] == 6
    assert len((tmp_path / "plain" / "log.jsonl").read_text().splitlines()) == 3
    everything = load_file(tmp_path / "everything" / "model.safetensors")
    assert not torch.equal(everything["critic.weight"], make(Everything).critic.weight)


def test_shares_make_up_the_batch_and_an_odd_one_is_refused():
    keypoints, pose = LinearSource(size=6).batch(0)
    shares = []
    for index in range(2):
        ranks = Ranks()
        ranks.index, ranks.count = index, 2
        shares.append(ranks.part(keypoints, pose))
    assert torch.equal(torch.cat([p for _, p in shares]), pose)
    assert torch.equal(torch.cat([k.pixels for k, _ in shares]), keypoints.pixels)
    ranks.count = 4
    with pytest.raises(InputError, match="a multiple of 4 devices, found 6"):
        ranks.part(keypoints, pose)


def test_an_absent_extra_names_the_install_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(InputError, match=r"pip install 'poseterior\[scale\]'"):
        fit(make(LinearGaussian), LinearSource(), tmp_path, CONFIG)

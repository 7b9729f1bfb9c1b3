from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _global_state_unchanged():
    """Nothing here may leave a trace in torch's global state."""
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    yield
    assert torch.equal(torch.get_rng_state(), random)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)
    assert torch.is_grad_enabled() == grad

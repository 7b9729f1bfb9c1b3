"""The fixture that watches torch's global state must itself be able to fail."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CULPRITS = {
    "dtype": ("torch.set_default_dtype(torch.float64)", "default dtype"),
    "threads": ("torch.set_num_threads(torch.get_num_threads() + 1)", "number of threads"),
    "grad": ("torch.set_grad_enabled(False)", "grad mode"),
    "deterministic": ("torch.use_deterministic_algorithms(True)", "deterministic algorithms"),
    "seed": ("torch.manual_seed(7)", "seed of the global generator"),
    "numpy": ("import numpy; numpy.random.rand()", "NumPy's global generator"),
}
INNOCENTS = {
    "draw": "torch.nn.Linear(3, 3)",
    "fork": "with torch.random.fork_rng(): torch.manual_seed(7)",
    "generator": "torch.rand(3, generator=torch.Generator().manual_seed(7))",
    "no_grad": "with torch.no_grad(): pass",
}


def test_every_culprit_fails_and_no_innocent_does(
    pytester: pytest.Pytester, request: pytest.FixtureRequest
) -> None:
    conftest = request.config.rootpath / "tests" / "conftest.py"
    pytester.makeconftest(conftest.read_text(encoding="utf-8"))
    lines = {name: line for name, (line, _) in CULPRITS.items()} | INNOCENTS
    tests = "".join(f"def test_{name}():\n    {line}\n" for name, line in lines.items())
    pytester.makepyfile("import torch\n" + tests)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-q")
    # The body of a culprit passes; the fixture's teardown is what fails.
    result.assert_outcomes(passed=len(lines), errors=len(CULPRITS))
    for _, message in CULPRITS.values():
        result.stdout.fnmatch_lines(f"*changed global state: *{message}*")

"""How the house is built: floors, no circles, nothing unsafe, nothing done on import."""

from __future__ import annotations

import ast
import graphlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import poseterior

PACKAGE = Path(poseterior.__file__).parent

# A file imports only from lower floors or from its own folder.
FLOORS = {
    "geometry": 0,
    "seeding": 1, "keypoints": 1, "quantization": 1, "posterior": 1, "posteriors": 1,
    "kernel_posterior": 1, "credible": 1, "derived": 1, "quantities": 1, "events": 1,
    "event_text": 1,
    "heatmaps": 2, "flows": 2, "losses": 2, "metrics": 2, "data": 2,
    "lifters": 3, "confidence": 3, "recalibration": 3, "detectors": 3, "smoothing": 3,
    "meshes": 4,  # mesh regressors see an observation as the lifters do
    "training": 5, "batch": 5,
    "studies": 6,
    "report": 7, "viewer": 7,
    "cli": 8, "__main__": 9,
}  # fmt: skip
# The error type and the package itself (its version) may be used on every floor.
EVERYWHERE = {"errors", "__init__"}

UNSAFE_MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal",
}  # fmt: skip
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {"read_pickle", "to_pickle", "read_hdf"}  # an HDF5 table may hold pickles
GLOBAL_SWITCHES = {
    "set_default_dtype", "set_default_device", "set_num_interop_threads",
    "use_deterministic_algorithms", "set_float32_matmul_precision", "set_detect_anomaly",
}  # fmt: skip

HEAVY = (
    "matplotlib", "rich", "tyro", "h5py", "pandas", "plotly", "lightning_fabric", "lightning",
    "transformers", "onnxruntime", "PIL",
)  # fmt: skip
IMPORT_SECONDS = 2.0


def module_name(path: Path) -> str:
    """`poseterior.folder.file` of a source file."""
    parts = ("poseterior", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(module: str) -> ast.Module:
    """The syntax tree of a module of the package."""
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"), str(SOURCES[module]))


def part(module: str) -> str:
    """The folder or file directly under the package: `lifters`, `cli`; `__init__` itself."""
    return module.split(".")[1] if "." in module else "__init__"


@cache
def imports(module: str) -> set[str]:
    """Modules of the package that a module imports anywhere, in functions too."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in SOURCES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("poseterior"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in SOURCES else str(node.module) for name in inner}
    return found - {module}


def dotted(node: ast.expr) -> str:
    """`np.random.seed` of an attribute chain; the empty string for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def keyword(call: ast.Call, name: str) -> Any:
    """The constant value of a keyword; None if absent, the node if not a constant."""
    for item in call.keywords:
        if item.arg == name:
            return item.value.value if isinstance(item.value, ast.Constant) else item.value
    return None


def _unsafe_call(call: ast.Call) -> str:
    """What is wrong with a call, in words; the empty string if nothing is."""
    name = dotted(call.func)
    if isinstance(call.func, ast.Name) and name in UNSAFE_CALLS:
        return f"{name}()"
    if name.split(".")[-1] in UNSAFE_METHODS:
        return f"{name}() can unpickle"
    if name == "torch.load" and keyword(call, "weights_only") is not True:
        return "torch.load without weights_only=True"
    if keyword(call, "allow_pickle") not in (None, False):
        return f"{name}(allow_pickle=...)"
    if any(name.endswith(switch) for switch in GLOBAL_SWITCHES):
        return f"{name}() changes torch for everybody"
    if name.startswith(("np.random.", "numpy.random.")) and name.split(".")[-1][0].islower():
        return "" if name.endswith("default_rng") else f"{name}() draws from a global generator"
    return ""


def unsafe(syntax: ast.Module) -> Iterator[str]:
    """Lines of a module that load code, hide errors or change global state."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.split(".")[0] in UNSAFE_MODULES:
                    yield f"{node.lineno}: import {name}"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"{node.lineno}: bare except"
        elif isinstance(node, ast.Global):
            yield f"{node.lineno}: global {', '.join(node.names)}"
        elif isinstance(node, ast.Call) and (fault := _unsafe_call(node)):
            yield f"{node.lineno}: {fault}"


def relative_imports(syntax: ast.Module) -> list[int]:
    return [n.lineno for n in ast.walk(syntax) if isinstance(n, ast.ImportFrom) and n.level]


def may_import(own: str, there: str) -> bool:
    """Whether a file of one part of the package may import a file of another."""
    return (
        there in EVERYWHERE
        or there == own
        or FLOORS[there] < FLOORS[own]
        or (FLOORS[there] == FLOORS[own] == 1)  # the single files of floor 1
    )


def test_every_part_has_a_floor() -> None:
    assert {part(module) for module in SOURCES} - EVERYWHERE - set(FLOORS) == set()


def test_imports_only_from_lower_floors_or_its_own_folder() -> None:
    upwards = [
        f"{module} imports {other}"
        for module in SOURCES
        for other in sorted(imports(module))
        if part(module) not in EVERYWHERE and not may_import(part(module), part(other))
    ]
    assert upwards == []


def test_the_floors_forbid_the_way_up_and_sideways() -> None:
    assert may_import("cli", "report")
    assert may_import("posterior", "seeding")
    assert may_import("lifters", "errors")
    assert not may_import("report", "cli")
    assert not may_import("report", "viewer")


def test_imports_are_absolute() -> None:
    assert {m: lines for m in SOURCES if (lines := relative_imports(tree(m)))} == {}


def test_no_import_circles() -> None:
    graph = {module: imports(module) for module in SOURCES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_nothing_unsafe() -> None:
    assert {m: lines for m in SOURCES if (lines := list(unsafe(tree(m))))} == {}


def talks(syntax: ast.Module) -> Iterator[str]:
    """What a module uses that only the command line may: printing, arguments, leaving."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            yield f"{node.lineno}: print"
        elif isinstance(node, ast.Attribute) and dotted(node) in ("sys.argv", "sys.exit"):
            yield f"{node.lineno}: {dotted(node)}"


def test_only_the_command_line_prints_or_reads_arguments() -> None:
    silent = [m for m in SOURCES if part(m) not in ("cli", "__main__")]
    assert {m: lines for m in silent if (lines := list(talks(tree(m))))} == {}


@pytest.mark.parametrize("source", ["print('x')", "sys.exit(1)", "x = sys.argv[1:]"])
def test_the_search_for_talk_finds_it(source: str) -> None:
    assert list(talks(ast.parse(source)))


BAD_SOURCES = {
    "import pickle": "import pickle",
    "from joblib import load": "import joblib",
    "torch.load(f)": "torch.load",
    "torch.load(f, weights_only=False)": "torch.load",
    "np.load(f, allow_pickle=True)": "allow_pickle",
    "np.load(f, allow_pickle=flag)": "allow_pickle",
    "eval('1')": "eval",
    "exec(code)": "exec",
    "pandas.read_pickle(f)": "read_pickle",
    "try:\n    f()\nexcept:\n    pass": "bare except",
    "torch.set_default_dtype(torch.float64)": "set_default_dtype",
    "np.random.seed(0)": "global generator",
    "np.random.normal()": "global generator",
    "def f():\n    global x\n    x = 1": "global x",
}
GOOD_SOURCE = """
torch.load(f, weights_only=True)
np.load(f)
np.load(f, allow_pickle=False)
np.random.default_rng(0).normal()
def f(g: np.random.Generator): ...
model.eval()
re.compile("x")
try:
    f()
except ValueError:
    pass
"""


@pytest.mark.parametrize(("source", "fault"), BAD_SOURCES.items())
def test_the_search_for_unsafe_lines_finds_them(source: str, fault: str) -> None:
    assert [line for line in unsafe(ast.parse(source)) if fault in line]


def test_the_search_for_unsafe_lines_is_silent_on_safe_ones() -> None:
    assert list(unsafe(ast.parse(GOOD_SOURCE))) == []


def faults_of(module: ModuleType) -> list[str]:
    """Whether a public module has no docstring, and which names of `__all__` it has not."""
    name = module.__name__
    public = not any(word.startswith("_") for word in name.split("."))
    code = [n for n in tree(name).body if not isinstance(n, ast.Expr)]
    # An empty __init__.py says nothing and needs no words.
    silent = public and code and not (module.__doc__ or "").strip()
    missing = [n for n in getattr(module, "__all__", []) if not hasattr(module, n)]
    return ["no docstring"] * bool(silent) + [f"__all__ names {n}" for n in missing]


def test_modules_are_described_and_their_names_exist() -> None:
    modules = {name: importlib.import_module(name) for name in SOURCES}
    assert {m: faults for m in SOURCES if (faults := faults_of(modules[m]))} == {}


def test_a_module_without_words_or_with_a_name_too_many_is_found() -> None:
    module = ModuleType("poseterior.posterior")
    module.__all__ = ["absent"]  # type: ignore[attr-defined]
    assert faults_of(module) == ["no docstring", "__all__ names absent"]


# Runs in a fresh interpreter, in an empty folder that is also its home.
PROBE = """
import contextlib, importlib, json, os, sys, time
import torch

class WatchedArguments(list):
    readers = []
    def _note(self):
        caller = sys._getframe(2).f_globals.get("__name__", "")
        if caller.startswith("poseterior"):
            self.readers.append(caller)
    def __getitem__(self, i): self._note(); return super().__getitem__(i)
    def __iter__(self): self._note(); return super().__iter__()
    def __len__(self): self._note(); return super().__len__()

def state():
    return {
        "default dtype": str(torch.get_default_dtype()),
        "default device": str(torch.get_default_device()),
        "threads": torch.get_num_threads(),
        "inter-op threads": torch.get_num_interop_threads(),
        "grad mode": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "generator": torch.get_rng_state().tolist(),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }

sys.argv = WatchedArguments(["probe", "--help"])
before, files = state(), sorted(os.listdir("."))
start = time.perf_counter()
import poseterior
seconds = time.perf_counter() - start
loaded = sorted({name.split(".")[0] for name in sys.modules})
said = sys.stdout, sys.stderr
with open(os.devnull, "w") as null:
    with contextlib.redirect_stdout(null), contextlib.redirect_stderr(null):
        for name in json.loads(os.environ["MODULES"]):
            importlib.import_module(name)
        written = null.tell()
after = state()
print(json.dumps({
    "seconds": seconds,
    "loaded": loaded,
    "changed": [k for k in before if before[k] != after[k]],
    "files": sorted(set(os.listdir(".")) - set(files)),
    "argv": WatchedArguments.readers,
    "written": written,
}))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What importing the package, then every module of it, did to a fresh interpreter."""
    home = tmp_path_factory.mktemp("home")
    modules = [m for m in SOURCES if part(m) != "__main__"]
    environment = {
        **os.environ,
        "HOME": str(home), "XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1", "MODULES": json.dumps(modules),
    }  # fmt: skip
    environment.pop("MPLCONFIGDIR", None)
    run = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_importing_the_package_is_light(imported: dict[str, Any]) -> None:
    assert not set(HEAVY) & set(imported["loaded"])
    assert imported["seconds"] < IMPORT_SECONDS


def test_importing_any_module_changes_nothing(imported: dict[str, Any]) -> None:
    assert imported["changed"] == []
    assert imported["files"] == []
    assert imported["argv"] == []
    assert imported["written"] == 0

"""The studies that compute and train nothing: `sigma`, `faults` and `oks_theory`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["COMPUTED"]


def _sigma(out: Path, seed: int) -> None:
    from poseterior.batch.score import save_result
    from poseterior.data.npz_writer import make_folder
    from poseterior.report.sigma_plots import write_sigma_plots
    from poseterior.studies.sigma import sigma_study

    result, folder = sigma_study(seed), make_folder(out)
    files = [save_result(result, folder / "sigma.json"), *write_sigma_plots(result, folder)]
    point = result["pose_point"]
    print(
        f"{point['dims']} dimensions, {point['hypotheses']} hypotheses, true sigma "
        f"{result['true_sigma']}: minMPJPE is least at sigma {point['sigma']:.4f}\n"
        f"{'':12}{'miscalibrated':>16}{'oracle':>10}\n"
        f"{'minMPJPE':12}{point['min_mpjpe']:16.4f}{point['oracle_min_mpjpe']:10.4f}\n"
        f"{'NLL, nats':12}{point['nll']:16.2f}{point['oracle_nll']:10.2f}"
    )
    print("written:", ", ".join(str(path) for path in files))


def _faults(out: Path, seed: int) -> None:
    from poseterior.batch.score import save_result
    from poseterior.cli.console import progress
    from poseterior.data.npz_writer import make_folder
    from poseterior.report.faults_table import faults_table, save_table
    from poseterior.studies.faults import faults_study

    folder = make_folder(out)
    with progress() as display:
        task = display.add_task("faults", total=None)
        result = faults_study(
            seed=seed,
            told=lambda fault, done: display.update(task, description=f"{fault}: {done} seeds"),
        )
    files = [
        save_result(result, folder / "faults.json"),
        save_table(result, folder / "faults.md"),
    ]
    print(faults_table(result))
    print("written:", ", ".join(str(path) for path in files))


def _oks_theory(out: Path, seed: int) -> None:
    from poseterior.batch.score import save_result
    from poseterior.data.npz_writer import make_folder
    from poseterior.report.oks_theory_page import oks_theory_table, write_oks_theory
    from poseterior.studies.oks_theory import oks_theory_study

    folder = make_folder(out)
    result = oks_theory_study(seed)
    files = [
        save_result(result, folder / "oks_theory.json"),
        *write_oks_theory(result, folder),
    ]
    for equation, what, given, closed, found, difference in oks_theory_table(result):
        print(f"Eq. {equation}: {what} at {given}: {closed}, found {found}, {difference}")
    failed = ", ".join(result["failed"]) or "none"
    print("not as expected:", failed)
    print("written:", ", ".join(str(path) for path in files))


# Name -> what writes its results into a folder, from a seed.
COMPUTED: dict[str, Callable[[Path, int], None]] = {
    "sigma": _sigma,
    "faults": _faults,
    "oks_theory": _oks_theory,
}

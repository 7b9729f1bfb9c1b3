"""Results and posteriors as pages and pictures. It formats; it computes no metric."""

from __future__ import annotations

from poseterior.report.examples import Examples
from poseterior.report.page import write_report
from poseterior.report.plots import write_plots

__all__ = ["Examples", "write_plots", "write_report"]

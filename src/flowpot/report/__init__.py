"""What people look at: tables, figures, progress."""

from flowpot.report.atlas import plot_map
from flowpot.report.calibration import (
    plot_calibration,
    plot_coverage,
    plot_disagreement,
    plot_rates,
)
from flowpot.report.figures import save_figures
from flowpot.report.history import plot_cost, plot_growth, plot_halts, plot_rmse
from flowpot.report.html import write_report
from flowpot.report.parity import plot_parity
from flowpot.report.progress import ProgressLog
from flowpot.report.results import write_results
from flowpot.report.table import campaign_table

__all__ = [
    "ProgressLog",
    "campaign_table",
    "plot_calibration",
    "plot_cost",
    "plot_coverage",
    "plot_disagreement",
    "plot_growth",
    "plot_halts",
    "plot_map",
    "plot_parity",
    "plot_rates",
    "plot_rmse",
    "save_figures",
    "write_report",
    "write_results",
]

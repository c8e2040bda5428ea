"""What people look at: tables, figures, progress."""

from flowpot.report.calibration import (
    plot_calibration,
    plot_coverage,
    plot_disagreement,
    plot_rates,
)
from flowpot.report.figures import plot_parity, plot_rmse, save_figures
from flowpot.report.progress import ProgressLog
from flowpot.report.results import write_results
from flowpot.report.table import campaign_table

__all__ = [
    "ProgressLog",
    "campaign_table",
    "plot_calibration",
    "plot_coverage",
    "plot_disagreement",
    "plot_parity",
    "plot_rates",
    "plot_rmse",
    "save_figures",
    "write_results",
]

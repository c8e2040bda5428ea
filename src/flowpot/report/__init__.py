"""Tables, figures, reports and progress of campaigns, for people to look at."""

from flowpot.lazy import lazy_exports

_HOME = {
    "ProgressLog": "flowpot.report.progress",
    "campaign_table": "flowpot.report.table",
    "plot_augmentation": "flowpot.report.augmentation",
    "plot_calibration": "flowpot.report.calibration",
    "plot_cost": "flowpot.report.history",
    "plot_coverage": "flowpot.report.calibration",
    "plot_disagreement": "flowpot.report.disagreement",
    "plot_growth": "flowpot.report.history",
    "plot_halts": "flowpot.report.history",
    "plot_learning": "flowpot.report.history",
    "plot_map": "flowpot.report.map",
    "plot_parity": "flowpot.report.parity",
    "plot_rates": "flowpot.report.calibration",
    "plot_rmse": "flowpot.report.history",
    "save_figures": "flowpot.report.figures",
    "verdict": "flowpot.report.verdicts",
    "write_pdf": "flowpot.report.figures",
    "write_report": "flowpot.report.html",
    "write_results": "flowpot.report.html",
}

__all__ = [  # noqa: PLE0604 - the keys are the public names
    *_HOME,
]

# The table and the status of a campaign need no matplotlib.
__getattr__, __dir__ = lazy_exports(__name__, _HOME)

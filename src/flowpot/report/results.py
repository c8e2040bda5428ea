"""The results of a campaign as files: dataset, models, figures."""

from pathlib import Path

import numpy as np

from flowpot.campaign.reading import Campaign
from flowpot.evaluation import evaluate_committee
from flowpot.report.calibration import plot_calibration
from flowpot.report.figures import plot_parity, plot_rmse, save_figures


def write_results(campaign: Campaign, folder: Path) -> dict[str, Path]:
    """
    Write what a campaign achieved where people and other programs find it.

    Parameters
    ----------
    campaign
        A finished campaign with at least one training.
    folder
        Gets ``dataset.xyz``, ``models/`` and the figures ``rmse.png``,
        ``parity.png`` and ``calibration.png``.

    Returns
    -------
    dict[str, pathlib.Path]
        Of the files, by what they are.
    """
    written = campaign.export(folder)
    doc = campaign.doc
    dataset = campaign.dataset()
    # Isolated atoms give reference energies; they are in no set that is judged.
    kind = np.asarray(dataset.info.get("config_type", ""))
    dataset = dataset[np.broadcast_to(kind != "isolated_atom", len(dataset))]
    figures = {
        "rmse": plot_rmse(doc),
        "parity": plot_parity(
            dataset, evaluate_committee(campaign.committee(), dataset)
        ),
    }
    judged = [turn for turn in doc.iterations if turn.calibration]
    if judged:
        figures["calibration"] = plot_calibration(
            campaign.evidence()[-1], judged[-1].calibration or {}
        )
    paths = save_figures(figures, folder)
    return written | dict(zip(figures, paths, strict=True))

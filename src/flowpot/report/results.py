"""The results of a campaign as files: dataset, models, report."""

from pathlib import Path

from flowpot.campaign.reading import Campaign
from flowpot.report.html import write_report


def write_results(campaign: Campaign, folder: Path) -> dict[str, Path]:
    """
    Write what a campaign achieved where people and other programs find it.

    Parameters
    ----------
    campaign
        A campaign with at least one training. Its models are loaded.
    folder
        Gets ``dataset.xyz``, ``models/``, ``report.html`` and the report's figures.

    Returns
    -------
    dict[str, pathlib.Path]
        Of the files, by what they are.
    """
    report = write_report(campaign, folder, load_models=True)
    return {**campaign.export(folder), "report": report}

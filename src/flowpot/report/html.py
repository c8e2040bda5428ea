"""Results of a campaign as files: the report, one HTML file, and all the others."""

from base64 import b64encode
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from flowpot.campaign.reading import Campaign
from flowpot.dataset.storage import write_whole
from flowpot.report.figures import encode
from flowpot.report.sections import sections_of
from flowpot.report.status import duration, state_of
from flowpot.report.verdict import headlines

_SUFFIXES = {"image/svg+xml": "svg", "image/png": "png"}


def write_report(
    campaign: Campaign, folder: Path, *, load_models: bool = False
) -> Path:
    """
    Write ``report.html``, and its figures beside it.

    Parameters
    ----------
    campaign
        Finished or running: sections of which there is nothing yet say so.
    folder
        Folder of the files; made if need be.
    load_models
        Whether the committee's models predict all labelled frames, and describe them
        for the map. A model file may hold code that runs when it is loaded: set this
        only for a store that you trust. Else the campaign's own predictions are shown.

    Returns
    -------
    pathlib.Path
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for section in sections_of(campaign, load_models=load_models):
        image = None
        if section.figure is not None:
            media, data = encode(section.figure)
            write_whole(folder / f"{section.name}.{_SUFFIXES[media]}", data)
            image = f"data:{media};base64,{b64encode(data).decode()}"
        parts.append((section, image))
    environment = Environment(
        loader=PackageLoader("flowpot.report", "."),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    status = campaign.status
    page = environment.get_template("report.html.jinja").render(
        campaign=campaign,
        status=status,
        state=state_of(status),
        remaining=duration(status.remaining) if status.remaining else None,
        headlines=headlines(campaign),
        parts=parts,
        written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )
    path = folder / "report.html"
    write_whole(path, page)
    return path


def write_results(campaign: Campaign, folder: Path) -> dict[str, Path]:
    """
    Write a campaign's dataset, models and report as files.

    Parameters
    ----------
    campaign
        A campaign with at least one training. Its models are loaded.
    folder
        Gets ``dataset.xyz``, ``models/``, ``report.html`` and the report's figures.

    Returns
    -------
    dict[str, pathlib.Path]
        Files and folders by what they hold: ``dataset``, ``models``, ``report``.
    """
    report = write_report(campaign, folder, load_models=True)
    return {**campaign.export(folder), "report": report}

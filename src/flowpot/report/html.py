"""Results of a campaign as files: the report, one HTML file, and all the others."""

from base64 import b64encode
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape

from flowpot.campaign.reading import Campaign
from flowpot.dataset.storage import write_whole
from flowpot.documents import reason_for
from flowpot.redaction import redact
from flowpot.report.figures import encode, write_pdf
from flowpot.report.section import Section
from flowpot.report.sections import sections_of
from flowpot.report.verdicts import verdict
from flowpot.report.wording import duration, with_symbols

_SUFFIXES = {"image/svg+xml": "svg", "image/png": "png"}


def write_report(
    campaign: Campaign,
    folder: Path,
    *,
    load_models: bool = False,
    pdf: Path | None = None,
    where: str = "",
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
    pdf
        File that gets all figures, too, a page each, as vectors; None: no such file.
    where
        Option by which commands find the campaign's store: ``--store PATH``.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If `pdf` is asked for, and there is no figure yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        (section, _image(section, folder))
        for section in sections_of(campaign, load_models=load_models)
    ]
    path = folder / "report.html"
    write_whole(path, _page(campaign, parts, where))
    if pdf is not None:
        drawn = [section for section, _ in parts]
        write_pdf({s.name: s.figure for s in drawn if s.figure is not None}, pdf)
    return path


def _image(section: Section, folder: Path) -> str | None:
    """
    Write a section's figure into the folder, and return it as a link with all.

    A figure that cannot be drawn is taken out of its section, which then says why.
    """
    if section.figure is None:
        return None
    try:
        media, data = encode(section.figure)
    except Exception as error:  # noqa: BLE001 - the other sections are shown
        section.figure = None
        section.empty = f"Cannot be shown: {reason_for(error)}."
        section.caption = f"{section.caption} {section.empty}"
        return None
    write_whole(folder / f"{section.name}.{_SUFFIXES[media]}", data)
    return f"data:{media};base64,{b64encode(data).decode()}"


def _page(
    campaign: Campaign, parts: list[tuple[Section, str | None]], where: str
) -> str:
    environment = Environment(
        loader=PackageLoader("flowpot.report", "."),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda text: with_symbols(redact(str(text)))
    status = campaign.status
    return environment.get_template("report.html.jinja").render(
        campaign=campaign,
        status=status,
        verdict=verdict(campaign, where),
        remaining=duration(status.remaining) if status.remaining else None,
        parts=parts,
        written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def write_results(
    campaign: Campaign, folder: Path, *, where: str = ""
) -> dict[str, Path]:
    """
    Write a campaign's dataset, models and report as files.

    Parameters
    ----------
    campaign
        A campaign with at least one training. Its models are loaded.
    folder
        Gets ``dataset.xyz``, ``models/``, ``report.html``, the report's figures, and
        ``figures.pdf`` with all of them.
    where
        Option by which commands find the campaign's store: ``--store PATH``.

    Returns
    -------
    dict[str, pathlib.Path]
        Files and folders by what they hold: ``dataset``, ``models``, ``report``,
        ``figures``.
    """
    pdf = folder / "figures.pdf"
    report = write_report(campaign, folder, load_models=True, pdf=pdf, where=where)
    return {**campaign.export(folder), "report": report, "figures": pdf}

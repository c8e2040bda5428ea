"""`flowpot status`, `report` and `export`: commands that read a campaign back."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from flowpot.cli.errors import check_place, readable_errors, writing
from flowpot.cli.modes import BelongsTo, chosen_mode, refuse_ignored
from flowpot.cli.source import (
    NameArgument,
    ProjectOption,
    StoreOption,
    open_store,
    where_of,
)
from flowpot.console import open_console, say

_LONGEST_INTERVAL = 86400  # s
_WATCH = "--watch"
_OPTIONS = {"interval": BelongsTo((_WATCH,), "add --watch, or leave it out")}


def status(
    context: typer.Context,
    name: NameArgument = None,
    store: StoreOption = None,
    project: ProjectOption = None,
    watch: Annotated[
        bool, typer.Option(_WATCH, help="Look again until the campaign ends.")
    ] = False,
    interval: Annotated[
        float, typer.Option(help="Seconds between two looks of --watch.")
    ] = 10.0,
) -> None:
    """Show how far a campaign is: jobs done and running, errors, time that is left."""
    console = open_console()
    with readable_errors("show the campaign"):
        refuse_ignored(context, chosen_mode("a single look", watch=watch), _OPTIONS)
        _check_interval(interval)
        opened, queue = open_store(context, store, project)
        if watch and queue is not None:
            _await_first_job(opened, queue, name, interval)
        _find(opened, name)
        view, ended = _look(opened, name, queue)
    if not watch or ended:
        console.print(view)
        _conclude(opened, name, where_of(store, project), ended=ended)
        return
    from rich.live import Live  # noqa: PLC0415

    with Live(view, console=console, auto_refresh=False) as live:
        while not ended:
            time.sleep(interval)
            with readable_errors("show the campaign"):
                view, ended = _look(opened, name, queue)
            live.update(view, refresh=True)
    _conclude(opened, name, where_of(store, project), ended=ended)


def _check_interval(interval: float) -> None:
    if not 0 < interval <= _LONGEST_INTERVAL:  # a NaN is not, either
        raise ValueError(
            f"--interval is {interval:g}: give seconds, more than 0 and at most "
            f"{_LONGEST_INTERVAL} (a day), 10 for instance"
        )


def _await_first_job(store: Any, queue: Any, name: str | None, interval: float) -> None:
    """Wait while a campaign is in the queue, and none of its jobs has finished."""
    from flowpot.campaign import Campaign  # noqa: PLC0415
    from flowpot.campaign.reading.queue import is_waiting  # noqa: PLC0415

    said = False
    while is_waiting(queue, name):
        try:
            Campaign.from_store(store, name)
        except LookupError:  # which tells, below, what else there is
            if not said:
                say(open_console(), "Submitted: none of its jobs has finished yet")
            said = True
            time.sleep(interval)
        else:
            return


def _find(store: Any, name: str | None) -> Any:
    """Find a campaign, and print which others it may be mistaken for."""
    from flowpot.campaign import Campaign  # noqa: PLC0415

    campaign = Campaign.from_store(store, name)
    if name in (None, campaign.name):  # else it was chosen by a uuid
        for other in campaign.others:
            say(open_console(errors=True), f"Note: {other}")
    return campaign


def _conclude(store: Any, name: str | None, where: str, *, ended: bool) -> None:
    """Say what a campaign that has ended came to."""
    from flowpot.campaign import Campaign  # noqa: PLC0415
    from flowpot.report.status import say_verdict  # noqa: PLC0415
    from flowpot.report.verdicts import verdict  # noqa: PLC0415

    if ended:
        console, campaign = open_console(), Campaign.from_store(store, name)
        say(console, "")
        say_verdict(console, verdict(campaign, where), campaign.stop_reason or "")


def _look(store: Any, name: str | None, queue: Any) -> tuple[Any, bool]:
    """Return what is to be shown now, and whether the campaign has ended."""
    from flowpot.campaign import Campaign  # noqa: PLC0415
    from flowpot.report.status import status_view  # noqa: PLC0415

    campaign = Campaign.from_store(store, name)
    status = campaign.status
    failures = campaign.failure_records
    if queue is not None and not campaign.finished:
        from flowpot.campaign.reading import queue as queue_of  # noqa: PLC0415

        jobs = queue_of.queued_jobs(queue, status)
        status = queue_of.with_queue(status, jobs)
        failures = [*failures, *queue_of.failed_jobs(jobs)]
    return status_view(status, campaign.iteration_docs, failures), campaign.finished


def report(
    context: typer.Context,
    name: NameArgument = None,
    store: StoreOption = None,
    project: ProjectOption = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the report and figures.")
    ] = Path("flowpot-report"),
    load_models: Annotated[
        bool,
        typer.Option(
            "--load-models",
            help="Load the committee to predict all labelled frames, and for the map. "
            "Model files may hold code: for stores that you trust.",
        ),
    ] = False,
    pdf: Annotated[
        Path | None,
        typer.Option(help="File that also gets all figures as pages, as vectors."),
    ] = None,
) -> None:
    """Write the report of a campaign, finished or running: one HTML file."""
    from flowpot.report import write_report  # noqa: PLC0415

    with readable_errors("write the report"):
        opened, _ = open_store(context, store, project)
        campaign = _find(opened, name)
        with writing(output, "--output"):
            output.mkdir(parents=True, exist_ok=True)
        if pdf is not None:
            check_place(pdf, "--pdf")
        path = write_report(
            campaign,
            output,
            load_models=load_models,
            pdf=pdf,
            where=where_of(store, project),
        )
    typer.echo(path)
    if pdf is not None:
        typer.echo(pdf)


def export(
    context: typer.Context,
    name: NameArgument = None,
    store: StoreOption = None,
    project: ProjectOption = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            help="File of the frames: .xyz, .extxyz, .h5, .hdf5, or a folder .deepmd."
        ),
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder of the committee's models.")
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            help="File, of the same kinds, of the frames that were chosen and wait for "
            "labels."
        ),
    ] = None,
) -> None:
    """Write the frames and the models of a campaign."""
    with readable_errors("export the campaign"):
        if dataset is None and models is None and unlabelled is None:
            raise ValueError(
                "nothing is asked for: give --dataset, --models or --unlabelled"
            )
        opened, _ = open_store(context, store, project)
        campaign = _find(opened, name)
        if dataset is not None:
            frames = campaign.dataset()
            with writing(dataset, "--dataset"):
                frames.write(dataset)
            typer.echo(f"{len(frames)} frames in {dataset}")
        if unlabelled is not None:
            frames = campaign.unlabelled()
            with writing(unlabelled, "--unlabelled"):
                frames.write(unlabelled)
            typer.echo(f"{len(frames)} frames to label in {unlabelled}")
        if models is not None:
            with writing(models, "--models"):
                paths = campaign.export_models(models)
            for path in paths:
                typer.echo(path)

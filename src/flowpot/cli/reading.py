"""`flowpot status`, `report` and `export`: commands that read a campaign back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from flowpot.cli.errors import readable_errors
from flowpot.cli.source import NameArgument, ProjectOption, StoreOption, open_store
from flowpot.console import open_console, say


def status(
    context: typer.Context,
    name: NameArgument = None,
    store: StoreOption = None,
    project: ProjectOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again until the campaign ends.")
    ] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks.")] = 10.0,
) -> None:
    """Show how far a campaign is: jobs done and running, errors, time that is left."""
    console = open_console()
    with readable_errors("show the campaign"):
        opened, queue = open_store(context, store, project)
        if watch and queue is not None:
            _await_first_job(opened, queue, name, interval)
        _find(opened, name)
        view, ended = _look(opened, name, queue)
    if not watch or ended:
        console.print(view)
        return
    from rich.live import Live  # noqa: PLC0415

    with Live(view, console=console, auto_refresh=False) as live:
        while not ended:
            time.sleep(interval)
            with readable_errors("show the campaign"):
                view, ended = _look(opened, name, queue)
            live.update(view, refresh=True)


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
) -> None:
    """Write the report of a campaign, finished or running: one HTML file."""
    from flowpot.report import write_report  # noqa: PLC0415

    with readable_errors("write the report"):
        opened, _ = open_store(context, store, project)
        campaign = _find(opened, name)
        path = write_report(campaign, output, load_models=load_models)
    typer.echo(path)


def export(
    context: typer.Context,
    name: NameArgument = None,
    store: StoreOption = None,
    project: ProjectOption = None,
    dataset: Annotated[
        Path | None, typer.Option(help="File of the frames: .xyz, .extxyz or .h5.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder of the committee's models.")
    ] = None,
) -> None:
    """Write the labelled frames and the models of a campaign."""
    with readable_errors("export the campaign"):
        if dataset is None and models is None:
            raise ValueError("nothing is asked for: give --dataset, --models or both")
        opened, _ = open_store(context, store, project)
        campaign = _find(opened, name)
        if dataset is not None:
            frames = campaign.dataset()
            with _writing(dataset):
                frames.write(dataset)
            typer.echo(f"{len(frames)} frames in {dataset}")
        if models is not None:
            with _writing(models):
                paths = campaign.export_models(models)
            for path in paths:
                typer.echo(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Name the path in the error if it cannot be written to."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{str(path)!r} cannot be written ({error.strerror}): give another place"
        ) from error

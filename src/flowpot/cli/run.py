"""`flowpot run`, a campaign from a YAML file, and `flowpot demo`, the built-in one."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from flowpot.cli.errors import readable_errors
from flowpot.cli.modes import BelongsTo, chosen_mode, refuse_ignored
from flowpot.cli.source import ProjectOption, StoreOption, open_project, open_store
from flowpot.console import open_console, program, say

_HERE, _SUBMIT, _DRY_RUN, _SCHEMA = "a run here", "--submit", "--dry-run", "--schema"
_OF_A_CAMPAIGN = BelongsTo(
    (_HERE, _SUBMIT, _DRY_RUN), "leave it out, the schema is the same for all campaigns"
)
_OPTIONS = {
    "file": _OF_A_CAMPAIGN,
    "max_iterations": _OF_A_CAMPAIGN,
    "max_labels": _OF_A_CAMPAIGN,
    "folder": BelongsTo(
        (_HERE,), "leave it out, a folder is where a run here leaves its results"
    ),
    "go_on": BelongsTo(
        (_HERE, _SUBMIT), "leave it out, only a run goes on with what has ended"
    ),
    "worker": BelongsTo((_SUBMIT,), "add --submit, or leave it out"),
    "store": BelongsTo(
        (_DRY_RUN,),
        "leave it out, a run here keeps its store in its folder (--folder), and "
        "--submit uses that of the project (--project)",
    ),
    "project": BelongsTo((_SUBMIT, _DRY_RUN), "add --submit, or leave it out"),
}

IterationsOption = Annotated[
    int | None, typer.Option(help="Most iterations, instead of the campaign's own.")
]


def run(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="YAML with the Makers' fields.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where a local run leaves everything; else beside the file."),
    ] = None,
    go_on: Annotated[
        bool,
        typer.Option(
            "--continue", help="Go on with the campaign that has ended in the folder."
        ),
    ] = False,
    submit: Annotated[
        bool, typer.Option("--submit", help="Hand it to jobflow-remote instead.")
    ] = False,
    worker: Annotated[
        list[str] | None,
        typer.Option(
            help="With --submit: a worker, or 'qe static=WORKER' for one kind of jobs."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the first iteration would do.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the file.")
    ] = False,
    max_iterations: IterationsOption = None,
    max_labels: Annotated[
        int | None, typer.Option(help="Most labels, instead of the file's max_labels.")
    ] = None,
    store: StoreOption = None,
    project: ProjectOption = None,
) -> None:
    """
    Run the campaign of a file here, or submit it to jobflow-remote.

    Stopped (Ctrl-C) and started again a local run goes on where it was.
    """
    console = open_console()
    with readable_errors("run the campaign"):
        mode = chosen_mode(_HERE, submit=submit, dry_run=dry_run, schema=schema)
        refuse_ignored(context, mode, _OPTIONS)
        if schema:
            from flowpot.campaign.config.schema import campaign_schema  # noqa: PLC0415

            typer.echo(json.dumps(campaign_schema(), indent=2))
            return
        if file is None:
            raise ValueError("FILE is missing: give a campaign's YAML file")
        from flowpot.campaign.config.configuration import read_configuration  # noqa: PLC0415

        given = {"max_iterations": max_iterations, "max_labels": max_labels}
        limits = {name: value for name, value in given.items() if value is not None}
        configuration = _limited(read_configuration(file), limits)
        for note in configuration.notes:
            console.print(f"Note: {note}", highlight=False, markup=False)
        if dry_run:
            known = None
            if store is not None or project is not None:
                known, _ = open_store(context, store, project)
            from flowpot.cli.plan import print_plan  # noqa: PLC0415

            plan = configuration.maker.dry_run(**configuration.inputs, store=known)
            print_plan(console, plan)
        elif submit:
            command = _submit_command(file, limits, worker or [], project)
            ids = _submit(configuration, command, worker or [], project, go_on=go_on)
            look = _look_commands(configuration.maker.name, project)
            say(console, f"Submitted {len(ids)} jobs: {', '.join(ids)}")
            say(console, f"See how it goes with {look}")
        else:
            command = _local_command(file, limits, folder)
            place = _place(file, folder)
            _run_here(configuration, place, console, command, go_on=go_on)


def demo(
    folder: Annotated[
        Path, typer.Option(help="Where the campaign runs and leaves its results.")
    ] = Path("flowpot-demo"),
    seed: Annotated[int, typer.Option(help="Another seed, another campaign.")] = 0,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Go on with the demo that has ended.")
    ] = False,
    max_iterations: IterationsOption = None,
) -> None:
    """
    Train a committee for silicon from two structures, with real engines.

    Stopped (Ctrl-C) and started again it goes on where it was; finished, it shows its
    results again. Remove the folder to start over.
    """
    from flowpot.demo import run_demo  # noqa: PLC0415 - `flowpot --help` stays quick

    with readable_errors("run the demo"):
        run_demo(
            folder,
            seed=seed,
            console=open_console(),
            go_on=go_on,
            max_iterations=max_iterations,
        )


def _place(file: Path, folder: Path | None) -> Path:
    """
    Return the folder of a local run: that of the option, or the file's name's.

    Raises
    ------
    ValueError
        If it is a file, such as the campaign's own without a suffix.
    """
    place = folder or file.with_suffix("")
    if place.is_file():
        raise ValueError(
            f"the campaign would run in {str(place)!r}, which is a file: give a folder "
            "by --folder"
        )
    return place


def _limited(configuration: Any, limits: Mapping[str, int]) -> Any:
    """Put the limits of the command line in place of those of the file."""
    maker = replace(configuration.maker, **limits)
    return replace(configuration, maker=maker) if limits else configuration


def _command(file: Path, limits: Mapping[str, int], *words: str) -> str:
    """Return the command that runs a file within limits, from whichever folder."""
    options = {f"--{name.replace('_', '-')}": str(n) for name, n in limits.items()}
    limiting = [word for option in options.items() for word in option]
    run = [*shlex.split(program()), "run", str(file.absolute())]
    return shlex.join([*run, *words, *limiting])


def _local_command(file: Path, limits: Mapping[str, int], folder: Path | None) -> str:
    place = () if folder is None else ("--folder", str(folder.absolute()))
    return _command(file, limits, *place)


def _submit_command(
    file: Path, limits: Mapping[str, int], workers: list[str], project: str | None
) -> str:
    place = () if project is None else ("--project", project)
    to = [word for each in workers for word in ("--worker", each)]
    return _command(file, limits, "--submit", *place, *to)


def _look_commands(name: str, project: str | None) -> str:
    """Return the commands that show how a submitted campaign goes."""
    jf = "jf" if project is None else f"jf -p {shlex.quote(project)}"
    if project is None and program().startswith("jf"):
        jf = program().removesuffix(" flowpot")  # with its own project
    dashes = "-- " if name.startswith("-") else ""  # else it is read as an option
    status = f"{jf} flowpot status {dashes}{shlex.quote(name)}"
    return f"`{jf} job list` and `{status}`"


def _run_here(
    configuration: Any, folder: Path, console: Console, command: str, *, go_on: bool
) -> None:
    from flowpot.local_run import run_in_folder  # noqa: PLC0415

    campaign = run_in_folder(
        configuration.maker,
        configuration.inputs,
        folder,
        console,
        go_on=go_on,
        command=command,
    )
    if campaign.doc.stop_kind == "failed":
        raise typer.Exit(1)


def _submit(
    configuration: Any,
    command: str,
    workers: list[str],
    project: str | None,
    *,
    go_on: bool,
) -> list[str]:
    """Submit the flow and return the ids of its first jobs in the queue."""
    from jobflow_remote import set_run_config, submit_flow  # noqa: PLC0415
    from jobflow_remote.config import ConfigManager  # noqa: PLC0415

    from flowpot.campaign import Campaign  # noqa: PLC0415
    from flowpot.campaign.reading.documents import COMMAND  # noqa: PLC0415
    from flowpot.cli.workers import check_workers, parse_workers  # noqa: PLC0415

    pairs = parse_workers(workers, configuration.maker)
    store, queue = open_project(project)
    check_workers(pairs, ConfigManager().get_project(project).workers)
    queue.jobs.find_one()  # which waits for a database that is down for seconds only
    maker, inputs = configuration.maker, configuration.inputs
    if go_on:
        inputs = {"campaign": Campaign.from_store(store, maker.name)}
    flow = maker.make(**inputs)
    flow.update_metadata({COMMAND: command}, dynamic=False)
    for name, worker in pairs:
        if name:
            set_run_config(flow, name_filter=name, worker=worker, dynamic=True)
    default = next((worker for name, worker in pairs if not name), None)
    return list(map(str, submit_flow(flow, worker=default, project=project)))

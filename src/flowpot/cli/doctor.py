"""`flowpot doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from flowpot.cli.source import ProjectOption, StoreOption, open_store
from flowpot.console import open_console, say

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    context: typer.Context,
    store: StoreOption = None,
    project: ProjectOption = None,
    model: Annotated[
        Path | None,
        typer.Option(help="A trained model, to compare LAMMPS programs with."),
    ] = None,
    lammps: Annotated[
        str, typer.Option(help="How a LAMMPS program is started, if there is one.")
    ] = "lmp",
) -> None:
    """
    Look at every engine, at the store and at the queue, and say what to do.

    Fails if something is missing that every campaign needs; warnings are of what only
    some need.
    """
    from flowpot.cli.checks import check_all  # noqa: PLC0415

    console = open_console()
    failed = False
    found = check_all(
        lambda: open_store(context, store, project, needs_data=False)[0],
        model=model,
        lammps=lammps,
    )
    for check in found:
        failed |= check.state == "fail"
        mark = (f"{check.state:4}", _COLOURS[check.state])
        say(console, mark, f"  {check.name:16}  {check.detail}")
        if check.remedy:
            say(console, f"{'':24}-> {check.remedy}")
    if failed:
        raise typer.Exit(1)

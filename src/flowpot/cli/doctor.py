"""`flowpot doctor`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flowpot.cli.source import ProjectOption, StoreOption, open_store

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

    console = Console()
    failed = False
    found = check_all(
        lambda: open_store(context, store, project)[0], model=model, lammps=lammps
    )
    for check in found:
        failed |= check.state == "fail"
        mark = f"[{_COLOURS[check.state]}]{check.state:4}[/]"
        console.print(f"{mark}  {check.name:16}  ", end="")
        console.print(check.detail, markup=False, highlight=False, soft_wrap=True)
        if check.remedy:
            console.print(
                f"{'':24}-> {check.remedy}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    if failed:
        raise typer.Exit(1)

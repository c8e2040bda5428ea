"""`flowpot pseudos`: families of pseudopotentials."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from flowpot.cli.errors import readable_errors
from flowpot.console import open_console

app = typer.Typer(
    no_args_is_help=True, help="Pseudopotential families: list, check, install."
)


@app.command("list")
def list_pseudos() -> None:
    """List the families that flowpot has cutoffs for, and what is here of them."""
    from flowpot.labelling.espresso.install import (  # noqa: PLC0415
        check_family,
        list_families,
    )

    table = Table("family", "elements", "here", "folder")
    for name in list_families():
        status = check_family(name)
        here = str(status.n_elements - len(status.missing))
        numbers = (str(status.n_elements), here) if status.n_elements else ("-", "0")
        table.add_row(name, *numbers, str(status.folder or "-"))
    open_console().print(table)


@app.command("check")
def check_pseudos(family: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Compare the files of a family with its checksums; fails if any is amiss."""
    from flowpot.labelling.espresso.install import check_family  # noqa: PLC0415

    with readable_errors("check the family"):
        status = check_family(family)
    for what, elements in (("missing", status.missing), ("damaged", status.damaged)):
        if elements:
            typer.echo(f"{what}: {' '.join(elements)}")
    if not status.complete:
        typer.echo(f"What to do: {status.remedy}")
        raise typer.Exit(1)
    typer.echo(f"{family} is complete in {status.folder}")


@app.command("install")
def install_pseudos(
    family: Annotated[str, typer.Argument(help="A family of SSSP.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where families are kept: FLOWPOT_PSEUDO_DIR.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Another place of its archive.")
    ] = None,
) -> None:
    """Download a family, or go on where an earlier attempt was stopped."""
    from rich.progress import (  # noqa: PLC0415
        DownloadColumn,
        Progress,
        TransferSpeedColumn,
    )

    from flowpot.labelling.espresso.install import install_family  # noqa: PLC0415

    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns)
    task = bar.add_task(family)

    def show(there: int, total: int | None) -> None:
        bar.start()  # not before there is something to show
        bar.update(task, completed=there, total=total)

    with readable_errors("install the family"):
        try:
            status = install_family(family, folder=folder, url=url, progress=show)
        finally:
            bar.stop()
    typer.echo(f"{family} is in {status.folder}")

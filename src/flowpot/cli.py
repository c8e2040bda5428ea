"""The command line."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TransferSpeedColumn
from rich.table import Table

app = typer.Typer(
    no_args_is_help=True,
    help="Machine-learned interatomic potentials by active learning.",
)


pseudos = typer.Typer(
    no_args_is_help=True, help="Pseudopotential families: list, check, install."
)
app.add_typer(pseudos, name="pseudos")


@app.callback()
def main(
    *,
    verbose: Annotated[
        bool, typer.Option(help="Show what the packages underneath log and warn of.")
    ] = False,
) -> None:
    """Machine-learned interatomic potentials by active learning."""
    if not verbose:
        warnings.filterwarnings("ignore")
        logging.disable(logging.WARNING)


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Option(help="Where the campaign runs and leaves its results.")
    ] = Path("flowpot-demo"),
    seed: Annotated[int, typer.Option(help="Another seed, another campaign.")] = 0,
) -> None:
    """
    Train a committee for silicon from two structures, with real engines.

    Stopped (Ctrl-C) and started again it goes on where it was; finished, it shows its
    results again. Remove the folder to start over.
    """
    from flowpot.demo import run_demo  # noqa: PLC0415 - `flowpot --help` stays quick

    console = Console()
    try:
        with _readable_errors("run the demo"):
            run_demo(folder, seed=seed, console=console)
    except KeyboardInterrupt:
        console.print(
            "\nStopped. Finished jobs are kept: the same command goes on from here."
        )
        raise typer.Exit(130) from None


@pseudos.command("list")
def list_pseudos() -> None:
    """List the families that flowpot has cutoffs for, and what is here of them."""
    from flowpot.labelling.espresso.install import (  # noqa: PLC0415
        check_family,
        list_families,
    )

    table = Table("family", "elements", "here", "folder")
    for name in list_families():
        status = check_family(name)
        table.add_row(
            name,
            str(status.n_elements),
            str(status.n_elements - len(status.missing)),
            str(status.folder or "-"),
        )
    Console().print(table)


@pseudos.command("check")
def check_pseudos(family: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Compare the files of a family with its checksums; fails if any is amiss."""
    from flowpot.labelling.espresso.install import check_family  # noqa: PLC0415

    with _readable_errors("check the family"):
        status = check_family(family)
    for what, elements in (("missing", status.missing), ("damaged", status.damaged)):
        if elements:
            typer.echo(f"{what}: {' '.join(elements)}")
    if not status.complete:
        typer.echo(f"Get them with `flowpot pseudos install {family}`.")
        raise typer.Exit(1)
    typer.echo(f"{family} is complete in {status.folder}")


@pseudos.command("install")
def install_pseudos(
    family: Annotated[str, typer.Argument(help="A family of SSSP.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where families are kept: FLOWPOT_PSEUDO_DIR.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Another place of its archive.")
    ] = None,
) -> None:
    """Download a family, going on where an earlier attempt was stopped."""
    from flowpot.labelling.espresso.install import install_family  # noqa: PLC0415

    columns = (*Progress.get_default_columns(), DownloadColumn(), TransferSpeedColumn())
    with _readable_errors("install the family"), Progress(*columns) as progress:
        task = progress.add_task(family)
        status = install_family(
            family,
            folder=folder,
            url=url,
            progress=lambda there, total: progress.update(
                task, completed=there, total=total
            ),
        )
    typer.echo(f"{family} is in {status.folder}")


@contextmanager
def _readable_errors(doing: str) -> Iterator[None]:
    """Print what went wrong, not where in the code: each message has its remedy."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        Console(stderr=True).print(
            f"[red]Cannot {doing}:[/] {error}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from error

"""The command line."""

import logging
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    help="Machine-learned interatomic potentials by active learning.",
)


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
        run_demo(folder, seed=seed, console=console)
    except KeyboardInterrupt:
        console.print(
            "\nStopped. Finished jobs are kept: the same command goes on from here."
        )
        raise typer.Exit(130) from None
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        console.print(f"[red]Cannot run the demo:[/] {error}", highlight=False)
        raise typer.Exit(1) from error

"""The commands together: `flowpot`."""

import logging
import warnings
from typing import Annotated

import typer

from flowpot.cli import pseudos
from flowpot.cli.demo import demo

app = typer.Typer(
    no_args_is_help=True,
    help="Machine-learned interatomic potentials by active learning.",
)
app.command()(demo)
app.add_typer(pseudos.app, name="pseudos")


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

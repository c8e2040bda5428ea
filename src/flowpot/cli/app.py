"""All commands together: `flowpot`."""

import logging
import warnings
from typing import Annotated, Any

import typer

from flowpot import __version__
from flowpot.cli import pseudos
from flowpot.cli.doctor import doctor
from flowpot.cli.init import init
from flowpot.cli.reading import export, report, status
from flowpot.cli.run import demo, run
from flowpot.cli.validate import validate
from flowpot.console import call_program

app = typer.Typer(
    no_args_is_help=True,
    help="Machine-learned interatomic potentials by active learning.",
)
for command in (doctor, demo, init, run, status, report, export, validate):
    app.command()(command)
app.add_typer(pseudos.app, name="pseudos")


def _version(asked: bool) -> None:
    """Print the version and end, before any command."""
    if asked:
        typer.echo(f"flowpot {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option(help="Show what the packages underneath log and warn of.")
    ] = False,
) -> None:
    """Machine-learned interatomic potentials by active learning."""
    parent = context.parent
    context.obj = parent and parent.info_name  # "jf" as its plugin
    call_program(context.obj, parent.params.get("project") if parent else None)
    if not verbose:
        warnings.filterwarnings("ignore")
        # What flowpot itself warns of is of what the user gave, or loses by it.
        warnings.filterwarnings("default", category=UserWarning, module=r"flowpot\b")
        warnings.showwarning = _say_warning
        logging.disable(logging.WARNING)
        # It logs the name of each remedy's class; the documents say it in words.
        logging.getLogger("custodian").setLevel(logging.CRITICAL)


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"Warning: {message}", err=True)

"""`flowpot demo`."""

from pathlib import Path
from typing import Annotated

import typer

from flowpot.cli.errors import readable_errors
from flowpot.console import open_console


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

    with readable_errors("run the demo"):
        run_demo(folder, seed=seed, console=open_console())

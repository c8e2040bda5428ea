"""`flowpot init`: a campaign file to begin with."""

import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from flowpot.cli.errors import readable_errors, writing
from flowpot.console import open_console, program, say

PROJECT_FILE = "project.yaml"
"""Project file of jobflow-remote; tutorial 3 explains it line by line."""


def init(
    structures: Annotated[
        list[Path], typer.Argument(help="Files of the structures to start from.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The campaign's file.")
    ] = Path("campaign.yaml"),
    project: Annotated[
        Path | None,
        typer.Option(
            help="Also write a project file for jobflow-remote, to be filled in."
        ),
    ] = None,
) -> None:
    """Write a commented campaign file for structures, with sizes that fit them."""
    console = open_console()
    with readable_errors("write the campaign's file"):
        from flowpot.campaign.config.starter import starter  # noqa: PLC0415

        places = {"--output": output}
        if project is not None:
            places["--project"] = project
        for path in places.values():
            if path.exists():
                raise FileExistsError(f"{path} is there already: give another name")
        campaign_file = starter(structures, output)
        for option, path in places.items():  # before there is one file of two
            with writing(path, option):
                path.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(campaign_file.text)
        say(console, f"Wrote {output}")
        if project is not None:
            text = files("flowpot.cli").joinpath(PROJECT_FILE).read_text()
            project.write_text(text)
            say(
                console,
                f"Wrote {project}: put your host, paths and database in, and move it "
                "to ~/.jfremote/",
            )
        for note in campaign_file.notes:
            say(console, f"Note: {note}")
        say(console, f"Next: `{program()} run {shlex.quote(str(output))} --dry-run`")

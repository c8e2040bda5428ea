"""`python -m flowpot`: the command line, where its script is not on PATH."""

from flowpot.cli import app

app(prog_name="flowpot")

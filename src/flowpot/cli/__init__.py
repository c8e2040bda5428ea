"""The command line, `flowpot`; commands import what they need when they run."""

from flowpot.cli.app import app

__all__ = ["app"]

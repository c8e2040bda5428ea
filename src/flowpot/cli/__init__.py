"""The command line: one file a command or group of commands."""

from flowpot.cli.app import app

__all__ = ["app"]

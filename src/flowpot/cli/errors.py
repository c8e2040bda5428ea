"""Errors and interruptions as people read them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError

from flowpot.console import open_console, say

_NOT_ALLOWED = (13, 18)  # MongoDB's error codes: unauthorized, authentication failed
_LONGEST = 200  # characters of what a database says
_EXPECTED = (
    *(RuntimeError, ValueError, OSError, ImportError, LookupError),
    *(PyMongoError, sqlite3.Error),
)


@contextmanager
def readable_errors(doing: str) -> Iterator[None]:
    """
    Print what went wrong, not where in the code: each message has its remedy.

    Ctrl-C, and a queue's SIGTERM, are no errors: what they mean is said, and the exit
    status is the one that shells expect.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):  # which are RuntimeErrors
        raise
    except KeyboardInterrupt as interruption:
        from flowpot.campaign.local.interruption import exit_code  # noqa: PLC0415, slow

        how = str(interruption) or "interrupted"
        say(
            open_console(errors=True),
            f"\nStopped ({how}). Finished jobs are kept: the same command goes on from "
            "here.",
        )
        raise typer.Exit(exit_code(interruption)) from None
    except _EXPECTED as error:
        say(
            open_console(errors=True),
            (f"Cannot {doing}:", "red"),
            f" {described(error)}",
        )
        raise typer.Exit(1) from error


def described(error: Exception) -> str:
    """Say what went wrong: in the error's words, in plainer ones of a database's."""
    if not isinstance(error, PyMongoError | sqlite3.Error):
        return str(error)
    said = " ".join(str(error).split())[:_LONGEST]
    if isinstance(error, ServerSelectionTimeoutError):
        return (
            f"the database does not answer ({said}): start it, or correct its host and "
            "port in the store's specification"
        )
    if isinstance(error, OperationFailure) and error.code in _NOT_ALLOWED:
        return (
            f"the database refuses the user ({said}): correct user, password and "
            "authSource in the store's specification"
        )
    if isinstance(error, sqlite3.Error):
        return (
            f"the embedded store is damaged ({said}): restore its folder from a copy, "
            "or move it away; a run then does again what it has lost"
        )
    return f"the database failed: {said}"

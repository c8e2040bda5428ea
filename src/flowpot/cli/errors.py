"""Errors and interruptions as people read them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError

from flowpot.console import open_console, say

_NOT_ALLOWED = (13, 18)  # MongoDB's error codes: unauthorized, authentication failed
_LONGEST = 400  # characters of what a database says


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
        from flowpot.campaign.interruption import exit_code  # noqa: PLC0415, slow

        how = str(interruption) or "interrupted"
        say(
            open_console(errors=True),
            f"\nStopped ({how}). Finished jobs are kept: the same command goes on from "
            "here.",
        )
        raise typer.Exit(exit_code(interruption)) from None
    except (PyMongoError, sqlite3.Error) as error:
        _refuse(doing, _of_database(error), error)
    except (RuntimeError, ValueError, OSError, ImportError, LookupError) as error:
        _refuse(doing, str(error), error)


def _refuse(doing: str, why: str, error: Exception) -> None:
    say(open_console(errors=True), (f"Cannot {doing}:", "red"), f" {why}")
    raise typer.Exit(1) from error


def _of_database(error: Exception) -> str:
    """Say what is wrong with a database, in a line."""
    said = " ".join(str(error).split())[:_LONGEST]
    if isinstance(error, ServerSelectionTimeoutError):
        return (
            "the database does not answer: is it running, and are its host and port "
            f"right in the store's specification? ({said})"
        )
    if isinstance(error, OperationFailure) and error.code in _NOT_ALLOWED:
        return (
            "the database refuses the user: correct user, password and authSource in "
            f"the store's specification ({said})"
        )
    if isinstance(error, sqlite3.Error):
        return (
            f"the embedded store is damaged ({said}): restore its folder from a copy, "
            "or move it away; a run then does again what it has lost"
        )
    return f"the database failed: {said}"

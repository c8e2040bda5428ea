"""Errors and interruptions, as people read them."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from flowpot.console import open_console, say

_NOT_ALLOWED = (13, 18)  # MongoDB's error codes: unauthorized, authentication failed
_LONGEST = 200  # characters of what a database says
_EXPECTED = (RuntimeError, ValueError, OSError, ImportError, LookupError)


@contextmanager
def readable_errors(doing: str) -> Iterator[None]:
    """
    Print what went wrong, without a traceback, and end with exit status 1.

    Ctrl-C, and a queue's SIGTERM, end with the exit status that shells expect.

    Parameters
    ----------
    doing
        What is done in this context, to be said after "Cannot".
    """
    try:
        yield
    except (typer.Exit, typer.Abort):  # which are RuntimeErrors
        raise
    except KeyboardInterrupt as interruption:
        from flowpot.campaign.local.guards import exit_code  # noqa: PLC0415, slow

        how = str(interruption) or "interrupted"
        say(
            open_console(errors=True),
            f"\nStopped ({how}). Finished jobs are kept: the same command goes on from "
            "here.",
        )
        raise typer.Exit(exit_code(interruption)) from None
    except Exception as error:
        if not isinstance(error, _EXPECTED) and not _is_of_database(error):
            raise
        say(
            open_console(errors=True),
            (f"Cannot {doing}:", "red"),
            f" {described(error)}",
        )
        raise typer.Exit(1) from error


@contextmanager
def writing(path: Path, option: str = "") -> Iterator[None]:
    """
    Name the path, and its option, in the error if it cannot be written to.

    Raises
    ------
    ValueError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{option}{': ' if option else ''}{str(path)!r} cannot be written "
            f"({error.strerror}): give another place"
        ) from error


def check_place(path: Path, option: str) -> None:
    """
    Make a file's folder, before minutes of work are lost to a place that has no room.

    Raises
    ------
    ValueError
        If the file could not be written.
    """
    with writing(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=path.parent):
            return


def described(error: Exception) -> str:
    """Return the text of an error; for one of a database, what to do about it, too."""
    if not _is_of_database(error):
        return str(error)
    from sqlite3 import Error as SqliteError  # noqa: PLC0415

    from pymongo.errors import (  # noqa: PLC0415
        OperationFailure,
        ServerSelectionTimeoutError,
    )

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
    if isinstance(error, SqliteError):
        return (
            f"the embedded store is damaged ({said}): restore its folder from a copy, "
            "or move it away; a run then does again what it has lost"
        )
    return f"the database failed: {said}"


def _is_of_database(error: Exception) -> bool:
    """Tell whether MongoDB or SQLite raised an error, without importing either."""
    names = {f"{base.__module__}.{base.__name__}" for base in type(error).__mro__}
    return not names.isdisjoint(("pymongo.errors.PyMongoError", "sqlite3.Error"))

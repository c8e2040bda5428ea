"""The terminal: how it is opened, and how lines are printed on it."""

import shlex
from contextvars import ContextVar
from typing import Any

from rich.console import Console
from rich.text import Text

from flowpot.redaction import redact

_PROGRAM: ContextVar[str] = ContextVar("program", default="flowpot")


def open_console(*, errors: bool = False) -> Console:
    """
    Open the terminal.

    Square brackets are printed as they are, and are no markup, since names, paths and
    remedies (``pip install 'flowpot[mace]'``) have them.

    Parameters
    ----------
    errors
        Whether to print to standard error.
    """
    return Console(stderr=errors, markup=False, highlight=False)


def program() -> str:
    """
    Return how the running command was called, for commands that are to be pasted.

    Returns
    -------
    str
        ``jf flowpot``, with the project that `jf` was given, where the command runs as
        its plugin; else ``flowpot``, outside of a command, too.

    Examples
    --------
    >>> program()
    'flowpot'
    """
    return _PROGRAM.get()


def call_program(called: str | None, project: str | None = None) -> None:
    """
    Remember how the running command was called: see :func:`program`.

    Parameters
    ----------
    called
        ``jf`` under jobflow-remote's program; None, or anything else, without.
    project
        The project that `jf` was given.
    """
    words = ["flowpot"]
    if called == "jf":
        words = ["jf", *(() if project is None else ("-p", project)), *words]
    _PROGRAM.set(shlex.join(words))


def say_command(console: Console, command: str) -> None:
    """
    Print a command to paste, indented and without line breaks.

    Nothing of it is hidden, unlike in :func:`say`: it would do something else, and a
    command that flowpot suggests holds names and places only.

    Parameters
    ----------
    console
        Console to print on, whatever its own settings are.
    command
        The command.
    """
    console.print(Text(f"    {command}"), highlight=False, soft_wrap=True)


def say(console: Console, *parts: str | tuple[str, str], end: str = "\n") -> None:
    """
    Print a line without markup, line breaks and passwords.

    Parameters
    ----------
    console
        Console to print on, whatever its own settings are.
    *parts
        Texts, or pairs of a text and its style.
    end
        Text printed after the line.
    """
    redacted: list[Any] = [
        redact(part) if isinstance(part, str) else (redact(part[0]), part[1])
        for part in parts
    ]
    console.print(Text.assemble(*redacted), highlight=False, soft_wrap=True, end=end)

"""The terminal: how it is opened, and how lines are printed on it."""

from typing import Any

from rich.console import Console
from rich.text import Text

from flowpot.redaction import redact


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

"""What people read in a terminal: one way to open it, and to write to it."""

from typing import Any

from rich.console import Console
from rich.text import Text

from flowpot.redaction import redact


def open_console(*, errors: bool = False) -> Console:
    """
    Open the terminal.

    Square brackets in what is printed are square brackets, also in tables: names,
    paths and remedies (``pip install 'flowpot[mace]'``) are the user's or Python's.

    Parameters
    ----------
    errors
        Whether it is standard error's.
    """
    return Console(stderr=errors, markup=False, highlight=False)


def say(console: Console, *parts: str | tuple[str, str], end: str = "\n") -> None:
    """
    Print a line as it is, however long, without passwords.

    Parameters
    ----------
    console
        Any: its own markup plays no part.
    *parts
        Texts, or pairs of a text and its style.
    end
        What follows.
    """
    hidden: list[Any] = [
        redact(part) if isinstance(part, str) else (redact(part[0]), part[1])
        for part in parts
    ]
    console.print(Text.assemble(*hidden), highlight=False, soft_wrap=True, end=end)

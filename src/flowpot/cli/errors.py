"""Errors as people read them."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console


@contextmanager
def readable_errors(doing: str) -> Iterator[None]:
    """Print what went wrong, not where in the code: each message has its remedy."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, ImportError, LookupError) as error:
        Console(stderr=True).print(
            f"[red]Cannot {doing}:[/] {error}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from error

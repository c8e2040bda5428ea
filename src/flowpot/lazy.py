"""Packages that import their public names only when these are asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """
    Return ``__getattr__`` and ``__dir__`` of a package, as in PEP 562.

    A job that runs pw.x then imports no torch, and ``flowpot status`` no stage.

    Parameters
    ----------
    package
        Name of the package.
    homes
        Its public names, and the module that each is imported from.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get, lambda: sorted(homes)

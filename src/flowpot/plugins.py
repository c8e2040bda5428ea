"""Other packages: those that add classes to flowpot's own, and those it can use."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any


def registered(group: str, own: Mapping[str, str], base: type) -> dict[str, type]:
    """
    List the classes of one kind: flowpot's own, and those of other packages.

    A package announces a class under any name in a group of its entry points::

        [project.entry-points."flowpot.md_engines"]
        verlet = "my_package.md:VerletMaker"

    Parameters
    ----------
    group
        Name of the group of entry points.
    own
        flowpot's classes: their names, and the modules that hold them. A module is
        imported when this is called, not before.
    base
        Class that each of them extends.

    Returns
    -------
    dict
        The classes by their names, ``__name__``.

    Raises
    ------
    TypeError
        If an entry point does not extend the base class.
    """
    classes: dict[str, type] = {
        name: getattr(import_module(module), name) for name, module in own.items()
    }
    for point in entry_points(group=group):
        kind = point.load()
        if not (isinstance(kind, type) and issubclass(kind, base)):
            raise TypeError(
                f"the entry point {point.name!r} of {group} is {kind!r}: it has to be "
                f"a subclass of {base.__module__}.{base.__qualname__}"
            )
        classes[kind.__name__] = kind
    return classes


def optional_package(name: str, user: str, remedy: str) -> Any:
    """
    Import a package that flowpot does not require.

    Parameters
    ----------
    name
        The package, as it is imported and on PyPI.
    user
        What needs it, in the plural.
    remedy
        What to do without it.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{user} need the package {name}: install it with `pip install {name}`, or "
            f"{remedy}"
        ) from error


def promised(whose: str, kept: Any, promise: str) -> None:
    """
    Tell that another package's class does not do what flowpot relies on.

    Raises
    ------
    AssertionError
        If the promise is not kept. The contract tests of all extensions raise it.
    """
    if not kept:
        raise AssertionError(f"{whose} does not keep its promise: {promise}")

"""Classes that other packages add to flowpot's own, by their entry points."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points


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

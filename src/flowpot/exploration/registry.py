"""The engines of molecular dynamics that there are, other packages' among them."""

from flowpot.exploration.engine import MDMaker
from flowpot.plugins import registered

ENTRY_POINTS = "flowpot.md_engines"
"""The group of entry points by which other packages' engines are found."""

_ENGINES = {
    "LammpsMDMaker": "flowpot.exploration.lammps.makers",
    "BatchedMDMaker": "flowpot.exploration.batched.makers",
}


def engines() -> dict[str, type[MDMaker]]:
    """
    List the engines: flowpot's own, and those of other packages.

    Another package names its own in the group ``flowpot.md_engines`` of its entry
    points. They can then be chosen by the name of their class, in YAML too.

    Raises
    ------
    TypeError
        If an entry point is no :class:`MDMaker`.
    """
    return registered(ENTRY_POINTS, _ENGINES, MDMaker)


def default_engine() -> MDMaker:
    """Return the engine that an exploration has where it is given none."""
    return engines()["LammpsMDMaker"]()

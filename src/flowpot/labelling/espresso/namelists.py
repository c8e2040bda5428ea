"""Namelists of pw.x: merged, written into a folder, read back, changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase.io.espresso import read_fortran_namelist
from ase.io.espresso_namelist.namelist import Namelist

from flowpot.labelling.espresso.keys import SECTIONS, checked_settings

INPUT_FILE = "pw.in"

Settings = Mapping[str, Mapping[str, Any]]


def edit_input(folder: Path, changes: Settings) -> None:
    """
    Change keys of an input file that is already written: what a remedy does.

    Parameters
    ----------
    folder
        Where the input file is.
    changes
        Lower-case namelist names, keys and their new values; None removes a key.
    """
    path = folder / INPUT_FILE
    with path.open() as file:
        namelists, cards = read_fortran_namelist(file)
    for section, values in changes.items():
        for key, value in values.items():
            namelists[section].pop(key, None)
            if value is not None:
                namelists[section][key] = value
    kept = {name: values for name, values in namelists.items() if values}
    path.write_text(Namelist(kept).to_string() + "\n" + "\n".join(cards) + "\n")


def read_parameters(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the namelists of an input file back."""
    with (folder / INPUT_FILE).open() as file:
        namelists, _ = read_fortran_namelist(file)
    return {name: dict(values) for name, values in namelists.items() if values}


def merge_settings(
    defaults: dict[str, dict[str, Any]], user: Settings, dual: float
) -> dict[str, dict[str, Any]]:
    """
    Let the user's keys override the defaults, whatever their case.

    ``ecutwfc`` alone keeps the ratio `dual` of ``ecutrho`` to it, and occupations that
    are not smeared need no width.
    """
    lowered = checked_settings(user)
    system = lowered.get("system", {})
    if "ecutwfc" in system and "ecutrho" not in system:
        system["ecutrho"] = dual * system["ecutwfc"]
    if system.get("occupations", "smearing") != "smearing":
        defaults["system"].pop("smearing", None)
        defaults["system"].pop("degauss", None)
    return {
        section: {**defaults.get(section, {}), **lowered.get(section, {})}
        for section in SECTIONS
        if section in defaults or section in lowered
    }

"""Namelists of pw.x: merged, written into a folder, read back, changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase.io.espresso import read_fortran_namelist
from ase.io.espresso_namelist.namelist import Namelist

INPUT_FILE = "pw.in"

_SECTIONS = ("control", "system", "electrons", "ions", "cell", "fcp", "rism")

Settings = Mapping[str, Mapping[str, Any]]


def check_user_settings(settings: Settings) -> None:
    """Refuse settings that pw.x would not get, before anything runs."""
    for section, values in settings.items():
        if section.lower() not in _SECTIONS or not isinstance(values, Mapping):
            raise ValueError(
                f"user_settings[{section!r}] is {values!r}: give namelists, such as "
                "{'SYSTEM': {'ecutwfc': 50}, 'ELECTRONS': {'mixing_beta': 0.2}}"
            )
        for key in values:
            if key.lower().startswith("starting_magnetization"):
                raise ValueError(
                    f"user_settings sets {key}: set the maker's magnetic_moments, or "
                    "the structure's magmom site property, instead"
                )


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
    lowered = {
        section.lower(): {key.lower(): value for key, value in values.items()}
        for section, values in user.items()
    }
    system = lowered.get("system", {})
    if "ecutwfc" in system and "ecutrho" not in system:
        system["ecutrho"] = dual * system["ecutwfc"]
    if system.get("occupations", "smearing") != "smearing":
        defaults["system"].pop("smearing", None)
        defaults["system"].pop("degauss", None)
    return {
        section: {**defaults.get(section, {}), **lowered.get(section, {})}
        for section in _SECTIONS
        if section in defaults or section in lowered
    }

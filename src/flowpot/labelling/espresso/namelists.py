"""Namelists of pw.x: checked, merged, written into a folder, read back, changed."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.espresso_namelist.namelist import Namelist

from flowpot.labelling.espresso.functionals import check_functional
from flowpot.labelling.espresso.keywords import (
    CHOICES,
    FROM_FRAME,
    INTEGER,
    LOGICAL,
    POSITIVE,
    SECTIONS,
    TEXT,
    known_keys,
)
from flowpot.labelling.espresso.species import check_species
from flowpot.validation import one_of

_CHECKED = ("control", "system", "electrons")  # an SCF does not read the others
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")
_WORDS = {".true.": True, "true": True, ".false.": False, "false": False}


def checked_settings(
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """
    Return namelists with lower-case names, and values of the type that pw.x reads.

    Text that is a number becomes one, as YAML reads ``1e-8``, without a point, as text.

    Parameters
    ----------
    settings
        Keys and values by namelist, in any case. Keys that pw.x has for each species
        name the element in place of the species' number, as in ``london_c6(Ni)``.

    Raises
    ------
    ValueError
        If pw.x has no such namelist, key or value (the nearest one is named), a value
        has the wrong type, one name is there twice, in upper and in lower case, or the
        frame or another field of the Maker decides the key.
    """
    if not isinstance(settings, Mapping):
        raise ValueError(f"user_settings is {settings!r}: {_EXAMPLE}")  # noqa: TRY004  one class for bad fields
    checked: dict[str, dict[str, Any]] = {}
    for section, values in settings.items():
        name = str(section).lower()
        if name not in SECTIONS or not isinstance(values, Mapping):
            raise ValueError(f"user_settings[{section!r}] is {values!r}: {_EXAMPLE}")
        if name in checked:
            raise ValueError(
                f"user_settings has namelist {name.upper()} twice, in upper and in "
                "lower case: put its keys into one"
            )
        keys: dict[str, Any] = {}
        for key, value in _checked_values(str(section), values):
            if key in keys:
                raise ValueError(
                    f"user_settings[{section!r}] has {key} twice, in different "
                    f"spellings, with {keys[key]!r} and {value!r}: leave one out"
                )
            keys[key] = value
        checked[name] = keys
    return checked


_EXAMPLE = (
    "give namelists, such as "
    "{'SYSTEM': {'ecutwfc': 50}, 'ELECTRONS': {'mixing_beta': 0.2}}"
)


def checked_number(name: str, value: Any, unit: str, *, positive: bool = True) -> float:
    """Return the number that a field of a Maker holds; refuse anything else."""
    number = _number(value)
    if number is None or (positive and number <= 0):
        kind = "a positive number" if positive else "a number"
        raise ValueError(f"{name} is {value!r}: use {kind} ({unit})")
    return number


def _checked_values(
    section: str, values: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a namelist in lower case, with checked values."""
    for key, value in values.items():
        low = "".join(str(key).lower().split())
        base = low.split("(")[0]
        where = f"user_settings[{section!r}][{key!r}]"
        _check_key(where, section, base)
        check_species(where, low)
        if base == "assume_isolated":
            raise ValueError(
                f"{where} is {value!r}: set the maker's assume_isolated, which leaves "
                "fully periodic frames alone"
            )
        if base in FROM_FRAME:
            raise ValueError(f"{where} is {value!r}: the frame decides it, remove it")
        checked = value
        if section.lower() in _CHECKED:
            checked = _of_kind(where, base, value)
        if base == "calculation" and checked != "scf":
            raise ValueError(
                f"{where} is {checked!r}: a label is a single point, remove it"
            )
        if base == "tprnfor" and checked is False:
            raise ValueError(f"{where} is {checked!r}: a label has forces, remove it")
        yield low, checked


def _check_key(where: str, section: str, key: str) -> None:
    """Refuse a key that the namelist does not have; name the nearest one."""
    keys = known_keys(section.lower())
    if key in keys:
        return
    homes = [name.upper() for name in SECTIONS if key in known_keys(name)]
    if homes:
        raise ValueError(
            f"{where}: {key} is a key of namelist {' and '.join(homes)}: move it there"
        )
    everywhere = [known for name in SECTIONS for known in known_keys(name)]
    near = get_close_matches(key, keys, 1) or get_close_matches(key, everywhere, 1)
    hint = f"did you mean {near[0]}?" if near else "see pw.x's INPUT_PW for its keys"
    raise ValueError(f"{where}: pw.x has no key {key} in {section.upper()}: {hint}")


def _of_kind(where: str, key: str, value: Any) -> Any:
    """Return a value as the type of the key: logical, integer, text or real."""
    if isinstance(value, str):
        value = value.strip()
    if key in LOGICAL:
        if isinstance(value, str):
            value = _WORDS.get(value.lower(), value)
        if not isinstance(value, bool):
            raise ValueError(f"{where} is {value!r}: use true or false")
        return value
    if key in TEXT:
        return _text(where, key, value)
    whole = key in INTEGER
    number = _number(value)
    if number is None or (whole and not float(number).is_integer()):
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{where} is {value!r}: use {kind}")
    if key in POSITIVE and number <= 0:
        raise ValueError(f"{where} is {value!r}: use a number larger than 0")
    if key in CHOICES:
        one_of(CHOICES[key], **{where: int(number)})
    return int(number) if whole else number


def _text(where: str, key: str, value: Any) -> str:
    """Return text; refuse what pw.x would take for something else."""
    if not isinstance(value, str):
        raise ValueError(f"{where} is {value!r}: use text")  # noqa: TRY004  one class for bad fields
    if "\n" in value:
        raise ValueError(f"{where} is {value!r}: use text of one line")
    if key in CHOICES:
        one_of(CHOICES[key], **{where: value})
    if key == "input_dft":
        check_functional(where, value)
    return value


def _number(value: Any) -> int | float | None:
    """Return a finite number, also from text as Fortran writes it; None otherwise."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value.lower().replace("d", "e"))
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(value)


INPUT_FILE = "pw.in"

Settings = Mapping[str, Mapping[str, Any]]

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_LINE = re.compile(
    rf"(?P<key>\w+(?:\([^)]*\))?)\s*=\s*(?P<value>{_QUOTED}|[^\s,'\"]+)\s*,?"
)


class _FortranText(str):
    """Text whose ``repr``, which ASE writes, is Fortran's: it doubles quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        doubled = self.replace("'", "''")
        return f"'{doubled}'"


def as_fortran(namelists: Settings) -> dict[str, dict[str, Any]]:
    """Return namelists whose values ASE writes as Fortran reads them."""
    return {
        name: {key: _as_fortran(value) for key, value in values.items()}
        for name, values in namelists.items()
    }


def _as_fortran(value: Any) -> Any:
    if isinstance(value, str | Path):
        return _FortranText(value)
    return value.item() if isinstance(value, np.generic) else value


def parse_input(text: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """
    Read an input as flowpot writes it: one key a line.

    Parameters
    ----------
    text
        Content of an input file.

    Returns
    -------
    namelists
        Values by lower-case namelist and key.
    cards
        The other lines.

    Raises
    ------
    ValueError
        If a line of a namelist is not a key with a value.
    """
    namelists: dict[str, dict[str, Any]] = {}
    cards = []
    values: dict[str, Any] | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("&"):
            values = namelists.setdefault(line[1:].lower(), {})
        elif line == "/":
            values = None
        elif values is None:
            cards += [line] if line else []
        elif match := _LINE.fullmatch(line):
            values[match["key"].lower()] = _parsed(match["value"])
        elif line:
            raise ValueError(f"{INPUT_FILE} has {line!r}: expected a key with a value")
    return namelists, cards


def _parsed(text: str) -> Any:
    """Return a value that Fortran reads from a namelist."""
    quote = text[0]
    if quote in "'\"":
        return text[1:-1].replace(2 * quote, quote)
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    number = _number(text)
    return text if number is None else number


def edit_input(folder: Path, changes: Settings) -> None:
    """
    Change keys of an input file.

    Parameters
    ----------
    folder
        Folder of the input file.
    changes
        New values by lower-case namelist and key; None removes a key.
    """
    path = folder / INPUT_FILE
    namelists, cards = parse_input(path.read_text())
    for section, values in changes.items():
        changed = {**namelists.get(section, {}), **values}
        namelists[section] = {k: v for k, v in changed.items() if v is not None}
    kept = {name: namelists[name] for name in SECTIONS if namelists.get(name)}
    text = Namelist(as_fortran(kept)).to_string()
    path.write_text(text + "\n" + "\n".join(cards) + "\n")


def read_parameters(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the namelists of an input file, by lower-case names."""
    namelists, _ = parse_input((folder / INPUT_FILE).read_text())
    return {name: values for name, values in namelists.items() if values}


def merge_settings(
    defaults: dict[str, dict[str, Any]], user: Settings, dual: float
) -> dict[str, dict[str, Any]]:
    """
    Return namelists in which the user's keys override the defaults.

    Parameters
    ----------
    defaults
        Namelists by lower-case names.
    user
        The user's namelists, in any case. Occupations without smearing remove the
        defaults for smearing.
    dual
        Ratio of ``ecutrho`` to ``ecutwfc`` where the user sets ``ecutwfc`` only.
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

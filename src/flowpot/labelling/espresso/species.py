"""
Keys of pw.x that it has for each species.

pw.x numbers species in the order of the atoms of a frame, and different moments make
several species of an element. flowpot takes elements in place of these numbers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ase.data import atomic_numbers

_FORMS = {
    **dict.fromkeys(
        (
            *("starting_charge", "angle1", "angle2", "london_c6", "london_rvdw"),
            *("hubbard_j0", "hubbard_alpha", "hubbard_beta"),
            *("solute_lj", "solute_epsilon", "solute_sigma"),
        ),
        "{}",
    ),
    "hubbard_j": "1,{}",
    "hubbard_occ": "{},1",
    "starting_ns_eigenvalue": "1,1,{}",
}  # indices of a key, {} for the species
_ELSEWHERE = {
    "starting_magnetization": "set the maker's magnetic_moments, or the structure's "
    "magmom site property, instead",
    "hubbard_u": "set the maker's hubbard, such as {'Ni-3d': 6.0}, instead",
    "hubbard_v": "its indices are those of atoms, whose order differs from frame to "
    "frame. Remove it",
}


def check_species(where: str, key: str) -> None:
    """
    Refuse a key that has the number of a species among its indices.

    Parameters
    ----------
    where
        What holds the key, for the message.
    key
        The key in lower case, without spaces.

    Raises
    ------
    ValueError
        If there is no element in place of the number, or a field of the maker is for
        it.
    """
    base, indices = _parts(key)
    if base in _ELSEWHERE:
        raise ValueError(f"user_settings sets {key}: {_ELSEWHERE[base]}")
    if base not in _FORMS:
        return
    form = _FORMS[base].split(",")
    place = form.index("{}")
    is_complete = len(indices) == len(form)
    if not is_complete or indices[place].capitalize() not in atomic_numbers:
        example = f"{base}({_FORMS[base].format('Ni')})"
        raise ValueError(
            f"{where}: pw.x numbers species in the order of a frame's atoms, which "
            f"differs from frame to frame. Name the element: {example}"
        )


def by_species(values: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """
    Return keys with the numbers of species in place of elements.

    Parameters
    ----------
    values
        Keys of a namelist, in lower case. Those for elements that are not among the
        species are left out.
    labels
        Names of the species, in the order of the input.

    Examples
    --------
    >>> by_species({"london_c6(ni)": 30.0, "nosym": True}, ["O", "Ni", "Ni1"])
    {'london_c6(2)': 30.0, 'london_c6(3)': 30.0, 'nosym': True}
    """
    numbered = {}
    for key, value in values.items():
        base, indices = _parts(key)
        if base not in _FORMS:
            numbered[key] = value
            continue
        place = _FORMS[base].split(",").index("{}")
        for number, label in enumerate(labels, start=1):
            if element_of(label) == indices[place].capitalize():
                written = [*indices[:place], str(number), *indices[place + 1 :]]
                numbered[f"{base}({','.join(written)})"] = value
    return numbered


def element_of(label: str) -> str:
    """Return the element of a species, such as Ni of ``Ni1``."""
    element = re.match(r"[A-Z][a-z]?", label)
    return element[0] if element else ""


def species_labels(text: str) -> list[str]:
    """Return the names of the species in the text of an input, in order."""
    card = re.search(r"ATOMIC_SPECIES\n((?:\S.*\n)+)", text)
    return [line.split()[0] for line in card[1].splitlines()] if card else []


def _parts(key: str) -> tuple[str, list[str]]:
    """Return the name and the indices of a key."""
    base, _, rest = key.partition("(")
    return base, [index.strip() for index in rest.rstrip(")").split(",") if rest]

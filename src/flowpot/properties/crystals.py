"""The crystals that are validated: their names, and what can be calculated of them."""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from pymatgen.core import Structure

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.vacuum import empty_directions

_CRYSTALLINE = ("eos", "elastic", "phonons")
_SYMPREC = 0.01  # A


def crystals_of(structures: Any, properties: Sequence[str]) -> dict[str, Structure]:
    """
    Name the structures that are validated.

    Parameters
    ----------
    structures
        Anything that ``Dataset.load`` takes.
    properties
        What is calculated of them.

    Returns
    -------
    dict
        Structures by their names: formula and space group, numbered where several have
        the same.

    Raises
    ------
    ValueError
        Without a structure, and for one that a property makes no sense of: equation of
        state, elastic constants and phonons need three periodic axes and no vacuum
        along them, dynamics a cell.
    """
    frames = Dataset.load(structures)
    found = frames.to_structures()
    if not found:
        raise ValueError("structures is empty: give at least one crystal")
    needs = [name for name in properties if name in _CRYSTALLINE]
    names: list[str] = []
    given: list[Structure] = []
    for index, structure in enumerate(found):
        where = f"structure {index} ({structure.composition.reduced_formula})"
        if not isinstance(structure, Structure):
            raise ValueError(  # noqa: TRY004 - as for every wrong value
                f"{where} has no cell: give a crystal, or a box for properties=('nve',)"
            )
        if needs and not all(structure.lattice.pbc):
            raise ValueError(
                f"{where} is not periodic along all axes, and {', '.join(needs)} need "
                "a crystal: give one, or properties=('nve',)"
            )
        if needs and (empty := empty_directions(frames[index])):
            axes = " and ".join("abc"[axis] for axis in empty)
            raise ValueError(
                f"{where} holds vacuum along {axes}, and {', '.join(needs)} need a "
                "crystal: give one, or properties=('nve',)"
            )
        names.append(_name(structure))
        given.append(structure)
    several = Counter(names)
    seen: Counter[str] = Counter()
    crystals: dict[str, Structure] = {}
    for name, structure in zip(names, given, strict=True):
        seen[name] += 1
        number = f" {seen[name]}" if several[name] > 1 else ""
        crystals[name + number] = structure
    return crystals


def crystals_among(structures: Any) -> Dataset:
    """
    Return the crystals among structures, each once.

    Parameters
    ----------
    structures
        Anything that ``Dataset.load`` takes.

    Returns
    -------
    Dataset
        Those that are periodic along all axes, and hold no vacuum there: an equation of
        state of a slab or a molecule in a box makes no sense.
    """
    frames = Dataset.load(structures).without_labels().deduplicate()
    solid = [bool(atoms.pbc.all()) and not empty_directions(atoms) for atoms in frames]
    return frames[np.array(solid, dtype=bool)]


def _name(structure: Structure) -> str:
    formula = structure.composition.reduced_formula
    if not all(structure.lattice.pbc):
        return formula
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spglib's, of its own interface
        symbol, _ = structure.get_space_group_info(symprec=_SYMPREC)
    return f"{formula} {symbol}"

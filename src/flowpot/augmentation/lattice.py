"""
How long the lattice of an alloy is, from that of the structure it is made of.

Vegard's law: lengths are linear in composition, between those of the end members, which
have one of the elements on all mixed sites (L. Vegard, Z. Phys. 5, 17 (1921)). Where
the end members' volumes are given they are used. Otherwise the lengths of bonds tell:
the mean over all bonds of the sum of two radii, in proportion to that of the structure
itself, so that at its own composition a structure keeps its lattice. Radii are

* of metals that are close-packed or bcc, if all elements that are mixed are: half the
  distance of neighbours in a close packing of the element's own volume per atom;
* of elements with the diamond structure, if all are: half its bond;
* otherwise covalent radii (Cordero et al. 2008, in ASE).

Lattice constants of the elements are ASE's (Ashcroft and Mermin). Of ten pairs of end
members this gives the ratio of lattice constants within 4 %, where that of one, taken
over, is up to 13 % off the other's (their list is in the tests).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii, reference_states
from numpy.typing import NDArray

from flowpot.augmentation.neighbours import bonded_pairs

_METALS = ("fcc", "bcc", "hcp")


def vegard_scale(
    atoms: Atoms,
    sites: NDArray[np.int64],
    species: Sequence[str],
    shares: NDArray[np.float64],
    end_members: Mapping[str, float] | None = None,
) -> NDArray[np.float64]:
    """
    Return the factors by which alloys are longer than the structure they are made of.

    Parameters
    ----------
    atoms
        The structure.
    sites
        The sites on which elements are mixed.
    species
        These elements.
    shares
        Share of each of them on the sites, shape (n, len(species)).
    end_members
        Volume per atom (A^3) of the structure that has only this element on the sites;
        for layers the area (A^2), for wires the length (A) per atom. None: estimated.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    if end_members is not None:
        return _between(atoms, species, shares, end_members)
    first = bonded_pairs(atoms).first  # each bond is listed from both its ends
    if not len(first):
        return np.ones(len(shares))
    replaced = [int(number) for number in np.unique(atoms.numbers[sites])]
    radii = _radii({atomic_numbers[symbol] for symbol in species} | set(replaced))
    mixed = np.isin(first, sites)
    fixed = covalent_radii[atoms.numbers[first[~mixed]]].sum()
    before = np.mean([radii[int(number)] for number in atoms.numbers[sites]])
    after = shares @ np.array([radii[atomic_numbers[symbol]] for symbol in species])
    return np.asarray((fixed + mixed.sum() * after) / (fixed + mixed.sum() * before))


def _between(
    atoms: Atoms,
    species: Sequence[str],
    shares: NDArray[np.float64],
    end_members: Mapping[str, float],
) -> NDArray[np.float64]:
    """Interpolate lengths between the end members'."""
    dimension = int(atoms.pbc.sum())
    if not dimension:
        raise ValueError(
            f"end_members={dict(end_members)} are given for "
            f"{atoms.get_chemical_formula()}, which is not periodic and has no volume: "
            "leave them out (None)"
        )
    vectors = np.array(atoms.cell)[atoms.pbc]
    size = np.sqrt(np.linalg.det(vectors @ vectors.T)) / len(atoms)
    lengths = np.array([end_members[symbol] for symbol in species]) ** (1 / dimension)
    return np.asarray(shares @ lengths / size ** (1 / dimension))


def _radii(numbers: set[int]) -> dict[int, float]:
    """Return radii of one and the same kind for all elements (A)."""
    kinds = {number: _structure(number) for number in numbers}
    if set(kinds.values()) <= set(_METALS):
        return {number: _metallic_radius(number) for number in numbers}
    if set(kinds.values()) == {"diamond"}:
        return {n: 3**0.5 / 8 * _reference(n)["a"] for n in numbers}
    return {number: float(covalent_radii[number]) for number in numbers}


def _structure(number: int) -> str:
    """Return the structure of an element, empty where ASE does not know it."""
    return str(_reference(number).get("symmetry", ""))


def _reference(number: int) -> dict[str, Any]:
    """Return ASE's reference structure of an element, empty where it has none."""
    known = number < len(reference_states)
    return dict(reference_states[number] or {}) if known else {}


def _metallic_radius(number: int) -> float:
    """Return the radius of the spheres that fill an element's volume, packed (A)."""
    state = _reference(number)
    a = state["a"]
    volume = {
        "fcc": a**3 / 4,
        "bcc": a**3 / 2,
        "hcp": 3**0.5 / 4 * a**3 * state.get("c/a", (8 / 3) ** 0.5),
    }[state["symmetry"]]
    return float(np.cbrt(2**0.5 * volume) / 2)

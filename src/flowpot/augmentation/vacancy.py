"""Vacancies: which atoms are removed, and which choices symmetry makes the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import spglib
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.spatial import KDTree

from flowpot.augmentation.inheritance import inherit
from flowpot.augmentation.validation import at_least, elements

_ENUMERATED = 2000
"""Up to so many choices of atoms are all tried, in random order."""
_TRIED = 10
"""Of more, so many are drawn at random for each frame that is wanted."""
_SYMPREC = 0.01
"""How far atoms may be from where symmetry wants them (A), as in pymatgen."""


def remove_atoms(
    atoms: Atoms,
    rng: np.random.Generator,
    *,
    n: int = 2,
    species: Sequence[str] | None = None,
) -> Atoms:
    """
    Remove atoms at random.

    Parameters
    ----------
    atoms
        More than n atoms.
    rng
        Where the randomness comes from.
    n
        How many to remove.
    species
        Elements of which they are; None: any.

    Raises
    ------
    ValueError
        Where there are not as many, or no atom would be left.
    """
    at_least(1, n=n)
    eligible = removable(atoms.numbers, species)
    if len(atoms) <= n or eligible.sum() < n:
        of = "" if species is None else f" ({eligible.sum()} of {list(species)})"
        raise ValueError(
            f"cannot remove n={n} atoms of {atoms.get_chemical_formula()}, which has "
            f"{len(atoms)}{of}: take a supercell, or remove fewer"
        )
    made = atoms.copy()
    made.calc = None
    kept = present_atoms(eligible[None], np.array([n]), rng)[0]
    made = made[kept]
    inherit(made, atoms, kept)
    return made


def removable(
    numbers: NDArray[np.int64], species: Sequence[str] | None
) -> NDArray[np.bool_]:
    """Tell the atoms that may be removed: those of some elements, or all."""
    if species is None:
        return np.ones(numbers.shape, bool)
    return np.isin(numbers, [atomic_numbers[symbol] for symbol in species])


def present_atoms(
    eligible: NDArray[np.bool_], lost: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """
    Choose the atoms that stay.

    Parameters
    ----------
    eligible
        Atoms that may go, shape (n, N).
    lost
        How many of each frame's go, shape (n,).
    rng
        Where the randomness comes from.

    Returns
    -------
    numpy.ndarray
        Shape (n, N), `lost` of each row False.
    """
    keys = np.where(eligible, rng.random(eligible.shape), 1.0)
    rank = keys.argsort(axis=1).argsort(axis=1)
    return rank >= lost[:, None]


def draw_counts(
    eligible: NDArray[np.bool_],
    counts: Sequence[int],
    n_defective: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """
    Choose the frames that have vacancies, and how many each.

    Parameters
    ----------
    eligible
        Atoms that may go, shape (n, N).
    counts
        Numbers of vacancies, in ascending order; one is drawn for each frame among
        those that it has atoms for, one of which stays.
    n_defective
        Number of frames with vacancies, fewer where others cannot have any.
    rng
        Where the randomness comes from.

    Returns
    -------
    numpy.ndarray
        Number of vacancies of each frame, shape (n,).
    """
    n, n_atoms = eligible.shape
    most = np.minimum(eligible.sum(axis=1), n_atoms - 1)
    choices = np.searchsorted(counts, most, side="right")
    order = rng.permutation(n)
    chosen = order[choices[order] > 0][:n_defective]
    lost = np.zeros(n, np.int64)
    drawn = (rng.random(len(chosen)) * choices[chosen]).astype(np.int64)
    lost[chosen] = np.asarray(counts)[drawn]
    return lost


def distinct_vacancies(
    atoms: Atoms,
    eligible: NDArray[np.bool_],
    counts: Sequence[int],
    n: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """
    Choose atoms to remove such that symmetry makes no two choices the same.

    Parameters
    ----------
    atoms
        The structure, of N atoms, with a cell.
    eligible
        Atoms that may go, shape (N,).
    counts
        Numbers of vacancies, all choices of the first before those of the next.
    n
        How many choices are wanted.
    rng
        Where the randomness comes from.

    Returns
    -------
    numpy.ndarray
        Atoms that stay, shape (m, N) with m of n or fewer: where single atoms, or few,
        are to go, no other choices exist; otherwise none was met in many draws.
    """
    symmetry = _Symmetry.of(atoms)
    sites = np.flatnonzero(eligible)
    known: set[tuple[int, ...]] = set()
    for count in counts:
        if count >= len(atoms):
            break
        for choice in _choices(sites, count, n, rng):
            if len(known) == n:
                break
            known.add(symmetry.name(choice))
    present = np.ones((len(known), len(atoms)), bool)
    for row, gone in enumerate(sorted(known, key=lambda name: (len(name), name))):
        present[row, list(gone)] = False
    return present


def _choices(
    sites: NDArray[np.int64], count: int, n: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Go through sets of sites: all of them where they are few, in random order."""
    if comb(len(sites), count) <= _ENUMERATED:
        every = np.array(list(combinations(sites, count)), np.int64)
        yield from rng.permutation(every.reshape(-1, count))
        return
    for _ in range(_TRIED * n):
        yield rng.choice(sites, count, replace=False)


@dataclass(frozen=True)
class _Symmetry:
    """
    Symmetry of a structure, lattice translations of its parts included.

    Parameters
    ----------
    fractions
        Fractional coordinates of its N atoms, in [0, 1), shape (N, 3).
    rotations, translations
        Of the operations x' = R x + t, shapes (m, 3, 3) and (m, 3).
    equivalent
        First atom that each is equivalent to, shape (N,).
    """

    fractions: NDArray[np.float64]
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]
    equivalent: NDArray[np.int64]

    @classmethod
    def of(cls, atoms: Atoms) -> "_Symmetry":
        """
        Find it with spglib; a structure that defeats it has none.

        Where atoms have moments, sites are the same that an operation of the magnetic
        space group exchanges: it may turn all moments round (spglib's "grey" ones).
        """
        fractions = _inside(atoms.get_scaled_positions(wrap=False))
        cell = (atoms.cell.tolist(), fractions.tolist(), atoms.numbers.tolist())
        moments = atoms.get_initial_magnetic_moments()
        if moments.any():
            found = spglib.get_magnetic_symmetry((*cell, moments.tolist()), _SYMPREC)
        else:
            found = spglib.get_symmetry(cell, _SYMPREC)
        if found is None:
            rotations = np.eye(3, dtype=np.int64)[None]
            return cls(fractions, rotations, np.zeros((1, 3)), np.arange(len(atoms)))
        return cls(
            fractions,
            found["rotations"].astype(np.int64),
            found["translations"],
            found["equivalent_atoms"].astype(np.int64),
        )

    def name(self, sites: NDArray[np.int64]) -> tuple[int, ...]:
        """Return the first of all sets of atoms that are equivalent to a set."""
        if len(sites) == 1:
            return (int(self.equivalent[sites[0]]),)
        images = np.einsum("mij,kj->mki", self.rotations, self.fractions[sites])
        images = _inside(images + self.translations[:, None])
        _, atoms = KDTree(self.fractions, boxsize=1.0).query(images)
        ordered = np.sort(atoms, axis=1)
        first = np.lexsort(ordered.T[::-1])[0]
        return tuple(int(atom) for atom in ordered[first])


def _inside(fractions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move fractional coordinates into [0, 1), rounding errors included."""
    wrapped = fractions % 1.0
    return np.where(wrapped >= 1.0, 0.0, wrapped)


def cannot_lose(
    n_atoms: int, counts: Sequence[int], species: Sequence[str] | None
) -> str:
    """Say that a structure has too few atoms for the smallest number of vacancies."""
    of = "" if species is None else f" of {list(species)}"
    return f"{n_atoms} atoms cannot lose {min(counts)}{of}"


def vacancy_counts(n_vacancies: int | Sequence[int]) -> tuple[int, ...]:
    """Return numbers of vacancies in ascending order, if they are some."""
    given = (n_vacancies,) if isinstance(n_vacancies, int) else tuple(n_vacancies)
    if not given:
        raise ValueError("n_vacancies is empty: give a number, or several, such as 1")
    at_least(1, n_vacancies=min(given))
    return tuple(sorted(set(given)))


def check_species(species: Sequence[str] | None) -> None:
    """Refuse elements of vacancies that are none."""
    if species is not None:
        elements(vacancy_species=species)
        if not species:
            raise ValueError(
                "vacancy_species is empty: name elements, or None for all of them"
            )

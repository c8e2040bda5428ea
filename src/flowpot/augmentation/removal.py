"""Removal of atoms: which may go, and how many go from each frame."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from flowpot.augmentation.inheritance import inherit
from flowpot.dataset.electronic_state import bare
from flowpot.validation import elements, whole, whole_numbers


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
        A structure of more than n atoms.
    rng
        Source of randomness.
    n
        Number of atoms to remove.
    species
        Elements of the atoms that may be removed; None for any.

    Returns
    -------
    Atoms
        A copy without these atoms, and without labels, metadata and constraints.

    Raises
    ------
    ValueError
        If there are fewer than n such atoms, or no atom would be left.
    """
    whole(1, n=n)
    elements(species=species)
    eligible = removable(atoms.numbers, species)
    if len(atoms) <= n or eligible.sum() < n:
        of = "" if species is None else f" ({eligible.sum()} of {list(species)})"
        raise ValueError(
            f"cannot remove n={n} atoms of {atoms.get_chemical_formula()}, which has "
            f"{len(atoms)}{of}: take a supercell, or remove fewer"
        )
    kept = present_atoms(eligible[None], np.array([n]), rng)[0]
    defective = bare(atoms)[kept]
    inherit(defective, atoms, kept)
    return defective


def removable(
    numbers: NDArray[np.int64], species: Sequence[str] | None
) -> NDArray[np.bool_]:
    """
    Tell which atoms may be removed.

    Parameters
    ----------
    numbers
        Atomic numbers, of any shape.
    species
        Elements of the atoms that may be removed; None for any.

    Returns
    -------
    numpy.ndarray
        True for atoms that may be removed, of the shape of `numbers`.
    """
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
        Atoms that may be removed from each of n frames, shape (n, N).
    lost
        Number of atoms that each frame loses, shape (n,).
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Shape (n, N): False for the `lost` atoms of each frame, True for all others.
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
    Choose the frames that have vacancies, and the number of vacancies of each.

    Parameters
    ----------
    eligible
        Atoms that may be removed from each of n frames, shape (n, N).
    counts
        Numbers of vacancies, in ascending order. One is drawn for each frame among
        those that the frame has atoms for, of which at least one stays.
    n_defective
        Number of frames with vacancies; fewer if the others have too few atoms.
    rng
        Source of randomness.

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


def cannot_lose(
    n_atoms: int, counts: Sequence[int], species: Sequence[str] | None
) -> str:
    """Say that a structure has too few atoms for the smallest number of vacancies."""
    of = "" if species is None else f" of {list(species)}"
    return f"{n_atoms} atoms cannot lose {min(counts)}{of}"


def vacancy_counts(n_vacancies: int | Sequence[int]) -> tuple[int, ...]:
    """
    Return numbers of vacancies in ascending order.

    Raises
    ------
    ValueError
        If there is none, or one is no whole number of 1 or more.
    """
    counts: Any = (n_vacancies,) if isinstance(n_vacancies, Real) else n_vacancies
    whole_numbers(1, n_vacancies=counts)
    return tuple(sorted(set(counts)))


def check_species(species: Sequence[str] | None) -> None:
    """Refuse a `vacancy_species` that is empty or names anything but elements."""
    if species is not None:
        elements(vacancy_species=species)
        if not len(species):
            raise ValueError(
                "vacancy_species is empty: name elements, or None for all of them"
            )

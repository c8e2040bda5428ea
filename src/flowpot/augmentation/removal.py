"""Removal of atoms: which may go, and how many go from each frame."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from flowpot.augmentation.inheritance import inherit
from flowpot.validation import at_least, elements


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

"""Vacancies."""

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.augmentation.validation import at_least


def remove_atoms(atoms: Atoms, rng: np.random.Generator, *, n: int = 2) -> Atoms:
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

    Raises
    ------
    ValueError
        Where no atom would be left.
    """
    at_least(1, n=n)
    if len(atoms) <= n:
        raise ValueError(
            f"cannot remove n={n} atoms of {atoms.get_chemical_formula()}, which has "
            f"{len(atoms)}: take a supercell, or remove fewer"
        )
    made = atoms.copy()
    made.calc = None
    return made[present_atoms(1, len(atoms), n, rng)[0]]


def present_atoms(
    n_frames: int, n_atoms: int, n_vacancies: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """
    Choose the atoms that stay.

    Returns
    -------
    numpy.ndarray
        Shape (n_frames, n_atoms), `n_vacancies` of each row False.
    """
    order = rng.random((n_frames, n_atoms)).argsort(axis=1)
    return order >= n_vacancies

"""Frames that no electronic-structure code should be asked to label."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from flowpot.dataset import Dataset


def far_apart(dataset: Dataset, fraction: float) -> np.ndarray:
    """
    Mask of the frames in which no pair of atoms is too close.

    Parameters
    ----------
    dataset
        n frames.
    fraction
        Smallest distance, as a fraction of the sum of the pair's covalent radii.

    Returns
    -------
    numpy.ndarray
        (n,) bool.
    """
    return np.array([not _too_close(atoms, fraction) for atoms in dataset], dtype=bool)


def _too_close(atoms: Atoms, fraction: float) -> bool:
    radii = fraction * covalent_radii[atoms.numbers]
    return len(neighbor_list("i", atoms, radii)) > 0

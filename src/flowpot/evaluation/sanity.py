"""Frames that no electronic-structure code should be asked to label."""

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.neighbours import closest_pair


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
    return np.array([closest_pair(atoms, fraction) is None for atoms in dataset], bool)

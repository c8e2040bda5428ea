"""The size of the predicted forces: where they are large, so are their errors."""

import numpy as np
from numpy.typing import NDArray

from flowpot.evaluation.uncertainty.base import PerFrame

_STILL = 1e-3  # eV/A, under which relaxations end: it stands for all smaller forces


def magnitude_of_atoms(forces: NDArray[np.float64]) -> PerFrame:
    """
    Return the size of predicted forces, a covariate that costs nothing.

    Atoms that are pushed hard are close to others, or far from where they belong: a
    committee's members may agree about them and be wrong together. The error of a
    force is in part proportional to it, whatever the potential.

    Parameters
    ----------
    forces
        (A, 3) forces of the committee's mean, in eV/A.

    Returns
    -------
    dict
        ``force_magnitude``, component RMS, (A,) in eV/A. Forces that vanish by
        symmetry do not count for less than those of a relaxed structure.
    """
    squares = np.mean(np.square(forces), axis=1)
    return {"force_magnitude": np.sqrt(squares + _STILL**2)}

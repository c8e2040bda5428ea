"""
Virials, by which many programs label what ASE labels by the stress.

The virial is W = -dE/d(strain), in eV; stress = -W / volume. MACE (`REF_virials`), QUIP
and GPUMD/NEP (`virial`), NequIP and DeePMD (`virial.npy`, positive under compression as
VASP's `in kB` that dpdata makes it of) agree on this sign: see
https://github.com/libAtoms/QUIP/issues/227.
"""

import numpy as np
from numpy.typing import NDArray


def stress_of(
    virial: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """
    Turn virials into stress.

    Parameters
    ----------
    virial
        Shape (..., 3, 3), in eV.
    cell
        Cell vectors as rows, shape (..., 3, 3), in A.

    Returns
    -------
    numpy.ndarray
        Shape (..., 3, 3), in eV/A^3, positive under tension; infinite or NaN where a
        cell has no volume.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return -virial / np.abs(np.linalg.det(cell))[..., None, None]


def virial_of(
    stress: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn stress (eV/A^3) into virials (eV): see `stress_of`."""
    return -stress * np.abs(np.linalg.det(cell))[..., None, None]

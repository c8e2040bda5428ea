"""
The labels of a frame: their names in files and in ASE's dictionaries, and virials.

Many programs give the virial W = -dE/d(strain), in eV, where ASE gives the stress
-W / volume. MACE (`REF_virials`), QUIP and GPUMD/NEP (`virial`), NequIP and DeePMD
(`virial.npy`, positive under compression as VASP's `in kB` that dpdata makes it of)
agree on this sign: see https://github.com/libAtoms/QUIP/issues/227.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelKeys:
    """
    Names of the labels: energy and stress per frame, forces per atom.

    Parameters
    ----------
    energy
        Name of the total energy (eV). It must be the one whose gradient the forces
        are: under smearing the free energy.
    forces
        Name of the forces (eV/A).
    stress
        Name of the stress (eV/A^3, positive under tension).
    virial
        Name of the virial (eV, -dE/d(strain)), where a frame has that in place of the
        stress. Files are written with stress only.

    The name ``none`` says that a label is not there, whatever columns look like it.

    Raises
    ------
    ValueError
        Where two labels have one name.

    Examples
    --------
    >>> LabelKeys(energy="dft_energy", forces="dft_forces").stress
    'REF_stress'
    """

    energy: str = "REF_energy"
    forces: str = "REF_forces"
    stress: str = "REF_stress"
    virial: str = "REF_virials"

    def __post_init__(self) -> None:
        """Refuse one name for two labels."""
        names = [self.energy, self.forces, self.stress, self.virial]
        named = [name for name in names if name != NO_LABEL]
        if len(set(named)) < len(named):
            raise ValueError(f"{self} names two labels alike: give each its own name")


_SKEW = 1e-4  # eV/A^3
_SKEW_SHARE = 1e-3  # of the largest component

PROPERTIES = ("energy", "forces", "stress")
"""The labels of a frame, which potentials predict."""
FORCES_MAX = "forces_max"
"""The largest error, or disagreement, of the force on an atom of a frame (eV/A)."""
DECIDING = (*PROPERTIES, FORCES_MAX)
"""What may have a tolerance, and so decide which frames are labelled."""
UNITS = {
    "energy": "eV/atom",
    "forces": "eV/A",
    "stress": "eV/A^3",
    FORCES_MAX: "eV/A",
}
"""Units of errors and disagreements."""
NO_LABEL = "none"
"""The name of a label that is not to be looked for."""
VIRIALS = ("REF_virials", "REF_virial", "virial", "virials")
"""What virials are called in files of MACE, QUIP, GPUMD and NequIP."""
MACE_KEYS = LabelKeys()
"""MACE's defaults, which ASE leaves alone."""
ASE_KEYS = LabelKeys("energy", "forces", "stress", "virial")
"""The names under which ASE hands labels to a calculator."""


def is_symmetric(stress: NDArray[np.float64]) -> NDArray[np.bool_]:
    """
    Return which stress tensors are symmetric, but for noise.

    Parameters
    ----------
    stress
        Shape (..., 3, 3), in eV/A^3. Components may differ by 1e-4 eV/A^3, as those of
        a stress near zero are nothing but noise, and by a thousandth of the largest.

    Returns
    -------
    numpy.ndarray
        Shape (...); true where a stress is NaN.
    """
    difference = np.abs(stress - np.swapaxes(stress, -1, -2)).max(axis=(-1, -2))
    largest = np.abs(stress).max(axis=(-1, -2))
    return ~np.asarray(difference > _SKEW + _SKEW_SHARE * largest)


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

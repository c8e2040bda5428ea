"""Labels between atomate2's units and the Dataset's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

from flowpot.dataset import Dataset

_ASE_STRESS = -0.1 * GPa  # kbar of VASP's sign to eV/A^3 of ASE's (tension positive)


@dataclass(frozen=True)
class FrameLabel:
    """
    The label of one frame.

    Parameters
    ----------
    energy
        Total energy (eV).
    forces
        Forces (eV/A), shape (n_atoms, 3).
    stress
        Stress (eV/A^3, ASE's sign), shape (3, 3), NaN where there is none.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]

    @classmethod
    def from_output(cls, output: Any) -> Self | None:
        """
        Read the output of any of atomate2's static Makers.

        Parameters
        ----------
        output
            Has ``energy`` (eV), ``forces`` (eV/A) and ``stress`` (kbar, VASP's sign),
            as attributes or as keys.

        Returns
        -------
        FrameLabel or None
            None where energy or forces are missing or not finite.
        """
        read = output.get if isinstance(output, Mapping) else _attributes(output)
        energy, forces, stress = read("energy"), read("forces"), read("stress")
        if energy is None or forces is None:
            return None
        tensor = np.full((3, 3), np.nan)
        if stress is not None:
            tensor = _ASE_STRESS * np.asarray(stress, dtype=float)
        label = cls(float(energy), np.asarray(forces, dtype=float), tensor)
        finite = np.isfinite(label.energy) and np.isfinite(label.forces).all()
        return label if finite else None

    @property
    def largest_force(self) -> float:
        """The largest force on an atom (eV/A)."""
        return float(np.linalg.norm(self.forces, axis=1).max())


def with_frame_labels(frames: Dataset, labels: Mapping[int, FrameLabel]) -> Dataset:
    """
    Attach labels to the frames they belong to; the others stay as they are.

    A frame without periodic axes gets no stress: that of its box means nothing.
    """
    energy, forces = frames.energy.copy(), frames.forces.copy()
    stress = frames.stress.copy()
    for index, label in labels.items():
        rows = slice(frames.offsets[index], frames.offsets[index + 1])
        energy[index] = label.energy
        forces[rows] = label.forces
        if frames.pbc[index].any():
            stress[index] = label.stress
    return frames.with_labels(energy=energy, forces=forces, stress=stress)


def _attributes(output: Any) -> Any:
    """Read attributes as a mapping's ``get`` does."""
    return lambda name: getattr(output, name, None)

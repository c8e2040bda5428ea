"""Labels of single frames: read from static documents, attached to a Dataset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import IStructure

from flowpot.dataset import Dataset
from flowpot.dataset.io.static_documents import LabelError, read_labels

_MOVED = 0.01  # A: some codes write positions with five digits only


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
    def from_output(
        cls,
        output: Any,
        n_atoms: int,
        *,
        periodic: bool = True,
        convention: str | None = None,
        free_energy: float | None = None,
    ) -> Self:
        """
        Read the output of any of atomate2's static Makers.

        Parameters
        ----------
        output
            Holds ``energy`` (eV), ``forces`` (eV/A) and ``stress``, as attributes or
            as keys.
        n_atoms
            Number of atoms of the frame.
        periodic
            Whether the frame has periodic axes. Without, its stress is not read: that
            of a box in vacuum means nothing.
        convention
            What the stress means, where the document's class does not say it: see
            :func:`flowpot.dataset.io.static_documents.stress_convention`.
        free_energy
            Energy (eV) to take instead of that in `output`, if any: see
            :func:`flowpot.dataset.io.emmet.free_energy`.

        Raises
        ------
        LabelError
            If energy or forces are missing, or a label cannot be true.
        """
        labels = read_labels(
            output,
            n_atoms,
            periodic=periodic,
            convention=convention,
            free_energy=free_energy,
        )
        missing = [name for name in ("energy", "forces") if name not in labels]
        if missing:
            raise LabelError(f"its document has no {' and no '.join(missing)}")
        stress = labels.get("stress", np.full((3, 3), np.nan))
        return cls(labels["energy"], labels["forces"], stress)

    @classmethod
    def of_frame(cls, dataset: Dataset, index: int) -> Self:
        """Return the label that a frame of a dataset has."""
        atoms = slice(dataset.offsets[index], dataset.offsets[index + 1])
        energy = float(dataset.energy[index])
        return cls(energy, dataset.forces[atoms], dataset.stress[index])

    @property
    def largest_force(self) -> float:
        """The largest norm of the force on an atom (eV/A)."""
        return float(np.linalg.norm(self.forces, axis=1).max())


def with_frame_labels(frames: Dataset, labels: Mapping[int, FrameLabel]) -> Dataset:
    """
    Return frames with labels attached to some of them.

    Parameters
    ----------
    frames
        The frames.
    labels
        Labels by the index of the frame. A frame without periodic axes gets no stress:
        that of a box in vacuum means nothing. Other frames stay as they are.

    Raises
    ------
    LabelError
        If a label has not one force for each atom.
    """
    energy, forces = frames.energy.copy(), frames.forces.copy()
    stress = frames.stress.copy()
    for index, label in labels.items():
        rows = slice(frames.offsets[index], frames.offsets[index + 1])
        if label.forces.shape != forces[rows].shape:  # numpy would repeat a single row
            raise LabelError(
                f"forces of frame {index} have shape {label.forces.shape}, its atoms "
                f"need {forces[rows].shape}"
            )
        energy[index] = label.energy
        forces[rows] = label.forces
        if frames.pbc[index].any():
            stress[index] = label.stress
    return frames.with_labels(energy=energy, forces=forces, stress=stress)


def check_geometry_kept(structure: Any, sent: IStructure) -> None:
    """
    Refuse the label of another geometry: a relaxed one, or atoms in another order.

    Parameters
    ----------
    structure
        Structure in the label's document. Anything but a structure is not checked.
    sent
        Structure that was sent to the engine.

    Raises
    ------
    LabelError
        With the atom that lies farthest from where it was sent.
    """
    if not isinstance(structure, IStructure):
        return
    if list(structure.atomic_numbers) != list(sent.atomic_numbers):
        raise LabelError(
            f"its document is of {structure.formula} in another order of atoms than "
            "the frame: forces cannot be told apart"
        )
    moves = structure.frac_coords - sent.frac_coords
    moves -= np.round(moves)
    distances = np.linalg.norm(moves @ sent.lattice.matrix, axis=1)
    strain = np.abs(structure.lattice.matrix - sent.lattice.matrix).max()
    if distances.max() > _MOVED or strain > _MOVED:
        raise LabelError(
            f"its document is of another geometry: atom {distances.argmax()} lies "
            f"{distances.max():.3f} A from where it was sent, the cell differs by "
            f"{strain:.3f} A. Use a Maker of single points"
        )

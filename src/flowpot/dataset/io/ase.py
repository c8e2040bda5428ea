"""Frames from and to ASE Atoms: geometry, labels, metadata, electronic state."""

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from flowpot.dataset import electronic_state, metadata
from flowpot.dataset.arrays import EMPTY, Columns
from flowpot.dataset.io.overlooked import check_overlooked
from flowpot.dataset.labels import (
    MACE_KEYS,
    NO_LABEL,
    PROPERTIES,
    VIRIALS,
    LabelKeys,
    stress_of,
)
from flowpot.dataset.where import Where
from flowpot.validation import instance

_AGREEMENT = 0.05
"""Stress from a frame's stress and from its virial may differ by this share of the
larger, and by `_LEAST_STRESS`: programs print few digits."""
_LEAST_STRESS = 1e-4
"""In eV/A^3."""
_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
"""Rows and columns of the components of a tensor in Voigt's order."""


def from_atoms(
    frames: Sequence[Atoms], *, labels: bool = True, keys: LabelKeys = MACE_KEYS
) -> dict[str, Any]:
    """Turn ASE frames into the columns of a Dataset: see `Dataset.from_atoms`."""
    instance(LabelKeys, keys=keys)
    taken = {getattr(keys, name) for name in PROPERTIES} | set(_virial_names(keys))
    records = [{k: v for k, v in a.info.items() if k not in taken} for a in frames]
    labels_of = [_labels(a, keys) if labels else {} for a in frames]
    if labels:
        _check_overlooked(frames, labels_of, taken, keys)
    columns = geometry(
        [atoms.numbers for atoms in frames],
        [atoms.positions for atoms in frames],
        [atoms.cell.array for atoms in frames],
        [atoms.pbc for atoms in frames],
    )
    sizes = [len(atoms) for atoms in frames]
    return {
        **columns,
        **label_arrays(labels_of, sizes, columns["cell"]),
        **electronic_state.from_atoms(frames),
        "info": metadata.columns_of(records),
    }


def _virial_names(keys: LabelKeys) -> tuple[str, ...]:
    """Return the names of virials to look for: all known ones, unless one is chosen."""
    return VIRIALS if keys.virial == MACE_KEYS.virial else (keys.virial,)


def _check_overlooked(
    frames: Sequence[Atoms],
    labels_of: Sequence[Mapping[str, Any]],
    taken: Collection[str],
    keys: LabelKeys,
) -> None:
    """Refuse frames that may have labels by names that `keys` does not have."""
    seen = set()
    for frame, (atoms, labels) in enumerate(zip(frames, labels_of, strict=True)):
        present = {"stress" if name == "virial" else name for name in labels}
        columns = tuple(
            name
            for name, value in atoms.info.items()
            if isinstance(name, str)
            and name not in taken
            and np.asarray(value).dtype.kind in "iuf"
        )
        vectors = tuple(
            name
            for name, value in atoms.arrays.items()
            if name != keys.forces and value.shape[1:] == (3,)
        )
        if (kind := (columns, vectors, frozenset(present))) not in seen:
            seen.add(kind)
            check_overlooked(columns, vectors, present, keys, Where(), frame)


def geometry(
    numbers: Sequence[Any],
    positions: Sequence[Any],
    cells: Sequence[Any],
    pbc: Sequence[Any],
) -> dict[str, Any]:
    """
    Join the geometries of frames to columns of a Dataset.

    Parameters
    ----------
    numbers, positions
        Atomic numbers, shape (N,), and positions, shape (N, 3), in A, of each frame.
    cells, pbc
        Cell vectors as rows, shape (3, 3), in A, and periodic axes of each frame.
    """
    offsets = np.concatenate([[0], np.cumsum([len(frame) for frame in numbers])])
    return {
        "numbers": np.concatenate([EMPTY["numbers"], *numbers]),
        "positions": np.concatenate([EMPTY["positions"], *positions]),
        "cell": np.array(cells, np.float64).reshape(-1, 3, 3),
        "pbc": np.array(pbc, bool).reshape(-1, 3),
        "offsets": offsets.astype(np.int64),
    }


def label_arrays(
    labels_of: Sequence[Mapping[str, Any]],
    sizes: Sequence[int] | NDArray[np.int64],
    cells: NDArray[np.float64] | None = None,
    where: Where | None = None,
) -> dict[str, NDArray[np.float64]]:
    """
    Join the labels of n frames to columns of a Dataset, NaN where a frame has none.

    Parameters
    ----------
    labels_of
        Labels of each frame by name: energy (eV), forces (eV/A), stress (eV/A^3; 3x3,
        nine components in rows, or six in Voigt's order); instead of the stress, or
        beside it, the virial (eV).
    sizes
        Number of atoms of each frame.
    cells
        Cell vectors of each frame, shape (n, 3, 3), in A; needed for virials.
    where
        The file they come from, for messages.

    Raises
    ------
    ValueError
        Where a label has the wrong shape or type, or stress and virial disagree.
    """
    where = where or Where()
    energy = np.full(len(labels_of), np.nan)
    forces = np.full((sum(sizes), 3), np.nan)
    stress = np.full((len(labels_of), 3, 3), np.nan)
    start = 0
    for frame, (labels, size) in enumerate(zip(labels_of, sizes, strict=True)):
        if "energy" in labels:
            value = np.asarray(labels["energy"])
            if value.size != 1 or value.dtype.kind not in "iuf":
                raise where.frame(
                    frame, f"energy is {labels['energy']!r}: give one number in eV"
                )
            energy[frame] = value.reshape(())
        if "forces" in labels:
            rows = np.asarray(labels["forces"], float)
            if rows.shape != (size, 3):
                raise where.frame(
                    frame,
                    f"forces have shape {rows.shape}, {size} atoms "
                    f"need ({size}, 3): remove or recompute them",
                )
            forces[start : start + size] = rows
        if "stress" in labels:
            stress[frame] = _tensor("stress", labels["stress"], frame, where)
        if "virial" in labels and cells is not None:
            virial = _tensor("virial", labels["virial"], frame, where)
            other = stress_of(virial, cells[frame])
            stress[frame] = _one_stress(stress[frame], other, frame, where)
        start += size
    return {"energy": energy, "forces": forces, "stress": stress}


def _one_stress(
    stress: NDArray[np.float64],
    from_virial: NDArray[np.float64],
    frame: int,
    where: Where,
) -> NDArray[np.float64]:
    """Return the stress, or that of the virial where there is none; compare them."""
    if not np.isfinite(from_virial).all():  # no volume, or no virial
        return stress
    if np.isnan(stress).all():
        return from_virial
    scale = max(np.abs(stress).max(), np.abs(from_virial).max())
    if np.abs(stress - from_virial).max() > _AGREEMENT * scale + _LEAST_STRESS:
        raise where.frame(
            frame,
            "its stress is not -virial / volume: one of them has another unit or sign; "
            "name only the right one, by keys=LabelKeys(stress=..., virial=...), and "
            f"the other {NO_LABEL!r}",
        )
    return stress


def _tensor(name: str, value: Any, frame: int, where: Where) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        unit = "eV/A^3" if name == "stress" else "eV"
        raise where.frame(frame, f"{name} is {value!r}: give numbers in {unit}")
    if array.shape == (6,):
        return voigt_6_to_full_3x3_stress(array)
    if array.size != 9:  # noqa: PLR2004
        raise where.frame(
            frame, f"{name} has shape {array.shape}: give (3, 3), (9,) or (6,)"
        )
    return array.reshape(3, 3)


def _labels(atoms: Atoms, keys: LabelKeys) -> dict[str, Any]:
    """Return the labels of a frame by name: those in `keys`, else the calculator's."""
    labels: dict[str, Any] = {}
    calculator = atoms.calc
    results = getattr(calculator, "results", None)
    # Results for another geometry than that of the frame as it is now do not count.
    if results and (calculator.atoms is None or not calculator.check_state(atoms)):
        # The free energy is the one whose gradient the forces are; `energy` may be
        # extrapolated to zero smearing, as VASP's is.
        for name in ("energy", "free_energy", "forces", "stress"):
            if results.get(name) is not None:
                labels[name.removeprefix("free_")] = results[name]
    values = {**atoms.info, keys.forces: atoms.arrays.get(keys.forces)}
    for name in PROPERTIES:
        value = values.get(getattr(keys, name))
        if value is not None:
            labels[name] = value
    for name in _virial_names(keys):
        if values.get(name) is not None:
            labels["virial"] = values[name]
            break
    return labels


class FrameLabels(SinglePointCalculator):
    """
    Calculator with the labels of a frame as its results.

    ASE's own copies the frame that it is given; this one is given a copy, which takes
    half the time.
    """

    def __init__(self, frame: Atoms, results: dict[str, Any]) -> None:
        super(SinglePointCalculator, self).__init__()
        self.atoms = frame
        self.results = results


def to_atoms(columns: Columns) -> list[Atoms]:
    """Return all frames as Atoms: see `Dataset.to_atoms`."""
    # The many new objects set off the garbage collector every few frames, which would
    # take a third of the time and find nothing.
    collects = gc.isenabled()
    gc.disable()
    try:
        return list(iterate_atoms(columns))
    finally:
        if collects:
            gc.enable()


def iterate_atoms(columns: Columns) -> Iterator[Atoms]:
    """Yield each frame as Atoms."""
    bounds = columns.offsets.tolist()
    starts = bounds[:-1]
    energies, forces = columns.energy.tolist(), columns.forces
    stresses = columns.stress[:, *_VOIGT]
    has_forces = columns.has_forces.tolist()
    has_stress = (~np.isnan(stresses[:, 0])).tolist()
    records = metadata.records_of(columns.info, len(starts))
    stated = columns.has_magmoms | ~np.isnan(columns.charge) | ~np.isnan(columns.spin)
    for frame, (start, end, record) in enumerate(
        zip(starts, bounds[1:], records, strict=True)
    ):
        geometry = {
            "numbers": columns.numbers[start:end],
            "positions": columns.positions[start:end],
            "cell": columns.cell[frame],
            "pbc": columns.pbc[frame],
        }
        results: dict[str, Any] = {}
        if not isnan(energies[frame]):
            results["energy"] = energies[frame]
        if has_forces[frame]:
            results["forces"] = forces[start:end].copy()
        if has_stress[frame]:
            results["stress"] = stresses[frame].copy()
        atoms = Atoms(**geometry, info=record)
        if stated[frame]:
            electronic_state.set_state(
                atoms,
                columns.magmoms[start:end],
                columns.charge[frame],
                columns.spin[frame],
            )
        if results:
            labelled = Atoms(**geometry)
            if electronic_state.ASE_MAGMOMS in atoms.arrays:
                # ASE takes other moments for another frame, which has no labels.
                labelled.arrays[electronic_state.ASE_MAGMOMS] = atoms.arrays[
                    electronic_state.ASE_MAGMOMS
                ]
            atoms.calc = FrameLabels(labelled, results)
        yield atoms

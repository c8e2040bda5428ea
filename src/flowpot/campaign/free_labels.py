"""Labels of other physics, brought to the energies and the sets of real ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset, assign_splits
from flowpot.dataset.sets import AUDIT, TEST, is_audit
from flowpot.training.mace.energies import fit_energies

_UNKNOWN = 1e-6  # share of a composition, beyond which no real label tells of it


class PretrainingError(RuntimeError):
    """No committee can be pretrained on the labels of `pretrain_with`."""


@dataclass(frozen=True)
class Aligned:
    """
    Free labels that agree with real ones on the energies of atoms.

    Attributes
    ----------
    frames
        The frames, with their sets.
    n_dropped
        Number of frames left out, those without forces among them.
    shift
        Energy (eV) added for each atom, by atomic number.
    free, real
        The frames that both have labelled, those of the test and audit sets left out,
        with the labels of each.
    """

    frames: Dataset
    n_dropped: int
    shift: dict[int, float]
    free: Dataset
    real: Dataset


def align(free: Dataset, real: Dataset, seed: int = 0) -> Aligned:
    """
    Bring free labels to the reference energies and the sets of real labels.

    An energy for each element, fitted by least squares to the frames that both have
    labelled and that do not test, is added: a model that was trained on the result
    goes on with the real labels from the same energies of isolated atoms. Frames whose
    composition is no combination of those compared have no such energy, and are
    dropped, as are audited ones. A frame has the set of its real label, and relatives
    of frames that test do not train.

    Parameters
    ----------
    free
        Frames with free labels; isolated atoms among them are left out.
    real
        Frames with real labels and their sets.
    seed
        Seed of the assignment to sets.

    Raises
    ------
    PretrainingError
        If no frame has both labels.
    """
    free, real = free[np.isfinite(free.energy)], real.labelled
    free = free[~free.is_isolated_atom].deduplicate()
    n_all = len(free)
    free = free.labelled
    free = free[~np.isin(free.fingerprints, real[is_audit(real)].fingerprints)]
    rows = {print_: row for row, print_ in enumerate(real.fingerprints)}
    learned = ~np.isin(real.column("split"), (TEST, AUDIT))
    found = np.array([rows.get(each, -1) for each in free.fingerprints], dtype=int)
    both = (found >= 0) & learned[found] if len(real) else found >= 0
    if not both.any():
        raise PretrainingError(
            f"pretrain_with has labelled {n_all} frames, and none of them has a real "
            "label to train on: their energies cannot be compared"
        )
    known = real[found[both]]
    shift = fit_energies(known, known.energy - free[both].energy)
    determined = _in_span(_compositions(free), both)
    table = np.zeros(1 + max(int(free.numbers.max()), *shift))
    table[list(shift)] = list(shift.values())
    frame = np.repeat(np.arange(len(free)), free.n_atoms)
    shifted = free.energy + np.bincount(frame, table[free.numbers])
    aligned = free.with_labels(shifted, free.forces, free.stress)
    kept = aligned[determined].with_info(split=None)
    kept = assign_splits(kept, existing=real, seed=seed)
    isolated = real[real.is_isolated_atom]
    return Aligned(
        frames=Dataset.concatenate([kept, isolated]),
        n_dropped=n_all - len(kept),
        shift=shift,
        free=aligned[both],
        real=known,
    )


def _compositions(frames: Dataset) -> NDArray[np.float64]:
    """Return the share of each species in each frame, shape (n, species)."""
    species = np.unique(frames.numbers)
    counts = np.zeros((len(frames), len(species)))
    frame = np.repeat(np.arange(len(frames)), frames.n_atoms)
    np.add.at(counts, (frame, np.searchsorted(species, frames.numbers)), 1)
    return counts / frames.n_atoms[:, None]


def _in_span(
    compositions: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which compositions are combinations of the known ones, shape (n,)."""
    basis = compositions[known]
    projected = compositions @ np.linalg.pinv(basis) @ basis
    outside: NDArray[np.float64] = np.abs(compositions - projected).max(axis=1)
    return outside < _UNKNOWN


def differences(free: Dataset, real: Dataset) -> dict[str, float]:
    """
    Return the root mean square differences of two labels of the same frames.

    Those of the stress are of the frames that have it in both; without any there are
    none.
    """
    squares = {
        "energy": ((free.energy - real.energy) / real.n_atoms) ** 2,
        "forces": (free.forces - real.forces) ** 2,
        "stress": (free.stress - real.stress) ** 2,
    }
    return {
        name: float(np.sqrt(np.nanmean(values)))
        for name, values in squares.items()
        if not np.isnan(values).all()
    }

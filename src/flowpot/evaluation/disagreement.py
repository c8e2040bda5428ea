"""
How much a committee disagrees, and how wrong it is: one definition everywhere.

Selection, calibration, reports and the ASE calculator all call these functions.
Per-atom energy and component-wise force deviations rank the true errors best; a
range of total energies, as in the AiiDA-TrainsPot code, only measures size.
"""

from collections.abc import Mapping

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.labels import FORCES_MAX
from flowpot.evaluation.prediction import CommitteePrediction


def disagreement(
    prediction: CommitteePrediction, dataset: Dataset
) -> dict[str, np.ndarray]:
    """
    Spread of the members, per frame (AiiDA-TrainsPot paper, eq. 1).

    Parameters
    ----------
    prediction
        Of M members for the n frames of ``dataset``.
    dataset
        The frames.

    Returns
    -------
    dict[str, numpy.ndarray]
        (n,) arrays. ``energy``: population standard deviation over members of the
        energy per atom (eV/atom). ``forces``: root mean square over atoms and
        components of the members' standard deviation (eV/A). ``stress``: the same
        over the nine components (eV/A^3). ``forces_max``: the largest deviation of
        one atom, the root mean square over members of the norm of F - mean F (eV/A).
    """
    atom_variance = prediction.forces.var(axis=0)
    return {
        "energy": (prediction.energy / dataset.n_atoms).std(axis=0),
        "forces": np.sqrt(_frame_mean(atom_variance.mean(axis=1), dataset)),
        "stress": np.sqrt(prediction.stress.var(axis=0).mean(axis=(1, 2))),
        FORCES_MAX: np.sqrt(
            np.maximum.reduceat(atom_variance.sum(axis=1), dataset.offsets[:-1])
        ),
    }


def range_of_members(
    prediction: CommitteePrediction, dataset: Dataset
) -> dict[str, np.ndarray]:
    """
    Range of the members, per frame, as the AiiDA-TrainsPot code has it.

    For comparison with `disagreement`: it grows with the size of a frame, not with the
    error per atom (0-1 % of 8-atom and 99-100 % of 64-atom frames flagged), and does
    not see members whose forces differ in direction only.

    Returns
    -------
    dict[str, numpy.ndarray]
        (n,) arrays. ``energy``: range of the *total* energy (eV). ``forces``: mean
        over atoms of the range of the forces' norms (eV/A). ``stress``: mean over the
        three rows of the range of their norms (eV/A^3).
    """
    norms = np.linalg.norm(prediction.forces, axis=-1)
    rows = np.linalg.norm(prediction.stress, axis=-1)
    return {
        "energy": np.ptp(prediction.energy, axis=0),
        "forces": _frame_mean(np.ptp(norms, axis=0), dataset),
        "stress": np.ptp(rows, axis=0).mean(axis=1),
    }


def error(
    prediction: CommitteePrediction, dataset: Dataset, of: str = "mean"
) -> dict[str, np.ndarray]:
    """
    Error against the labels, per frame.

    Parameters
    ----------
    prediction
        Of M members for the n frames of ``dataset``.
    dataset
        The labelled frames.
    of
        ``"mean"``: the error of the committee mean. ``"members"``: the mean of the
        members' errors (the paper's), in which the committee's own spread takes
        part, so that it correlates with disagreement by construction.

    Returns
    -------
    dict[str, numpy.ndarray]
        (n,) arrays ``energy`` (eV/atom), ``forces`` (component RMSE, eV/A), ``stress``
        (component RMSE, eV/A^3) and ``forces_max`` (the largest error of the force on
        an atom, as a vector's norm, eV/A); NaN where the label is missing.
    """
    if of == "mean":
        return label_error(prediction.mean, dataset)
    if of == "members":
        members = [
            label_error({"energy": e, "forces": f, "stress": s}, dataset)
            for e, f, s in zip(
                prediction.energy, prediction.forces, prediction.stress, strict=True
            )
        ]
        return {
            name: np.mean([m[name] for m in members], axis=0) for name in members[0]
        }
    raise ValueError(f"of is {of!r}: use 'mean' or 'members'")


def label_error(
    predicted: Mapping[str, np.ndarray], dataset: Dataset
) -> dict[str, np.ndarray]:
    """Per-frame error of one set of predictions, as :func:`error` defines it."""
    squared_forces = (predicted["forces"] - dataset.forces) ** 2
    squared_stress = (predicted["stress"] - dataset.stress) ** 2
    return {
        "energy": np.abs(predicted["energy"] - dataset.energy) / dataset.n_atoms,
        "forces": np.sqrt(_frame_mean(squared_forces.mean(axis=1), dataset)),
        "stress": np.sqrt(squared_stress.mean(axis=(1, 2))),
        FORCES_MAX: np.sqrt(
            np.maximum.reduceat(squared_forces.sum(axis=1), dataset.offsets[:-1])
        ),
    }


def _frame_mean(per_atom: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Mean over each frame's atoms of an (A,) array; frames are never empty."""
    return np.add.reduceat(per_atom, dataset.offsets[:-1]) / dataset.n_atoms

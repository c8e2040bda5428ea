"""What a committee predicts for the frames of a dataset."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.collapse import is_collapsed
from flowpot.dataset.labels import PROPERTIES
from flowpot.potentials import (
    Potential,
    evaluate_members,
    load_potential,
    members_of,
)


@dataclass(frozen=True)
class CommitteePrediction:
    """
    Predictions of M members for n frames of A atoms in all.

    Attributes
    ----------
    energy
        (M, n) total energies in eV.
    forces
        (M, A, 3) in eV/A.
    stress
        (M, n, 3, 3) in eV/A^3, ASE's sign; NaN for frames without a periodic axis.
    """

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def mean(self) -> dict[str, np.ndarray]:
        """Mean over the members of each property, in the form of labels."""
        return {name: getattr(self, name).mean(axis=0) for name in PROPERTIES}


def load_committee(committee: Any, device: str = "auto") -> list[Potential]:
    """
    Load the members of a committee.

    Parameters
    ----------
    committee
        A CommitteeDoc (or its dictionary), or a sequence of anything that
        :func:`flowpot.potentials.load_potential` takes, loaded potentials included.
    device
        torch device of the members.

    Raises
    ------
    ValueError
        Without a member.
    """
    members = members_of(committee)
    if len(members) == 0:
        raise ValueError("committee has no member: train at least one potential")
    return [
        m if isinstance(m, Potential) else load_potential(m, device=device)
        for m in members
    ]


def evaluate_committee(committee: Any, dataset: Dataset) -> CommitteePrediction:
    """
    Predict every frame with every member, in batches.

    Parameters
    ----------
    committee
        See :func:`load_committee`.
    dataset
        The frames. Labels are not read. The prediction is NaN for a frame whose cell
        has collapsed (see `flowpot.dataset.geometry.collapse`).

    Raises
    ------
    ValueError
        Without a member, or where one does not know an element of a frame.
    """
    frames, lost = without_collapse(dataset)
    prediction = evaluate_members(load_committee(committee), frames)
    prediction.energy[:, lost] = np.nan
    prediction.forces[:, np.repeat(lost, dataset.n_atoms)] = np.nan
    prediction.stress[:, lost] = np.nan
    return CommitteePrediction(prediction.energy, prediction.forces, prediction.stress)


def without_collapse(dataset: Dataset) -> tuple[Dataset, np.ndarray]:
    """
    Replace frames whose cell has collapsed by the same atoms without periodic images.

    They can be predicted, in finite time and memory, but not in a way that has a
    meaning.

    Returns
    -------
    tuple
        The frames, and the mask (n,) of those that were replaced.
    """
    lost = is_collapsed(dataset)
    if lost.any():
        pbc = dataset.pbc & ~lost[:, None]
        dataset = Dataset(**(dataset.fields | {"pbc": pbc}))
    return dataset, lost

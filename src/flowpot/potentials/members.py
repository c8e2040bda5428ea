"""The members of a committee: list them, and predict with all of them."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.collapse import check_predictable
from flowpot.potentials.base import Potential, default_batch_size
from flowpot.potentials.batching import batches, check_request
from flowpot.potentials.prediction import Prediction


def members_of(committee: Any) -> list[Any]:
    """
    List the members of a committee; whatever is no committee is a single member.

    Parameters
    ----------
    committee
        A CommitteeDoc, its dictionary, or a list of members: PotentialDocs, model
        Artifacts, the dictionaries of either, paths of models, loaded potentials, or
        whatever else the caller takes as a member.
    """
    if isinstance(committee, Mapping):
        committee = committee.get("members", [committee])
    committee = getattr(committee, "members", committee)
    is_text = isinstance(committee, str | bytes)
    if isinstance(committee, Sequence) and not is_text:
        return list(committee)
    return [committee]


def evaluate_members(
    potentials: Sequence[Potential], dataset: Dataset, batch_size: int | None = None
) -> Prediction:
    """
    Predict with every member of a committee, building each graph once.

    Parameters
    ----------
    potentials
        The members, of any backends.
    dataset
        The frames.
    batch_size
        Atoms per batch: see `Potential.evaluate`.

    Returns
    -------
    Prediction
        Energies (M, n), forces (M, A, 3) and stress (M, n, 3, 3).

    Raises
    ------
    TypeError
        If the frames are no Dataset.
    ValueError
        Without a member, or if a frame has an element that a member does not know.
    """
    if not potentials:
        raise ValueError("no potentials to evaluate: give at least one")
    check_request(dataset, batch_size)
    for potential in potentials:
        potential.check_species(dataset.numbers)
    check_predictable(dataset)
    members, n_frames = len(potentials), len(dataset)
    energy = np.empty((members, n_frames))
    forces = np.empty((members, len(dataset.numbers), 3))
    stress = np.empty((members, n_frames, 3, 3))
    size = default_batch_size(potentials) if batch_size is None else batch_size
    for frames in batches(dataset.n_atoms, size):
        atoms = slice(dataset.offsets[frames.start], dataset.offsets[frames.stop])
        graphs: dict[Hashable, Any] = {}
        for member, potential in enumerate(potentials):
            key = potential.graph_key
            if key not in graphs:
                graphs[key] = potential.build_graph(dataset[frames])
            prediction = potential.evaluate_graph(graphs[key])
            energy[member, frames] = prediction.energy
            forces[member, atoms] = prediction.forces
            stress[member, frames] = prediction.stress
    return Prediction(energy, forces, stress)

"""Energies, forces and stress of a batch, by one member or by the whole committee."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_changes

from flowpot.dataset.arrays import Arrays
from flowpot.exploration.members import (
    CALCULATOR,
    MODEL,
    Calculators,
    properties_of,
    stress_matrix,
)
from flowpot.potentials import Potential, Prediction, load_potential
from flowpot.potentials.base import default_batch_size
from flowpot.potentials.batching import batches
from flowpot.potentials.verlet import BatchedVerletList


class Forces(Protocol):
    """The potentials that move the replicas of a batch."""

    def begin(self, starts: Sequence[Atoms]) -> None:
        """Take the frames that the next geometries are of, with what else they have."""

    def drive(self, geometry: Arrays) -> Prediction:
        """Predict with the driving member, for the next step of the same frames."""

    def members(self, geometry: Arrays) -> Prediction:
        """
        Predict with all M members, for the frames of the last call of `drive`.

        Returns
        -------
        Prediction
            Its arrays have a leading axis of length M.
        """

    def keep(self, frames: Sequence[int]) -> None:
        """Drop what is stored of frames other than these; only these follow."""

    def check(self, atoms: Atoms) -> None:
        """Raise ValueError for a frame with unknown elements."""


def forces_of(
    members: Sequence[Mapping[str, Any]],
    driving: int,
    skin: float,
    batch_size: int | None,
    device: str,
) -> Forces:
    """
    Load the members of a committee.

    Parameters
    ----------
    members
        The committee, or the driving member alone, as ``members.stage_member``
        describes them.
    driving
        Index of the member whose forces move the atoms.
    skin
        Skin of the neighbour lists (A).
    batch_size
        Number of atoms that are evaluated at once. None: a fast one for the device.
    device
        See `flowpot.potentials.load_potential`.
    """
    if any(CALCULATOR in member for member in members):
        return CalculatorForces(members, driving)
    potentials = [load_potential(Path(member[MODEL]), device) for member in members]
    return PotentialForces(potentials, driving, skin, batch_size)


class PotentialForces:
    """
    Forces of flowpot's own potentials, which share their neighbour graphs.

    Parameters
    ----------
    potentials
        The members.
    driving, skin, batch_size
        See :func:`forces_of`.
    """

    def __init__(
        self,
        potentials: Sequence[Potential],
        driving: int = 0,
        skin: float = 1.0,
        batch_size: int | None = None,
    ) -> None:
        self.potentials, self.driving = list(potentials), driving
        self._batch_size = batch_size or default_batch_size(potentials)
        # The driving member comes first: most steps need its list alone.
        self._lists: dict[Hashable, BatchedVerletList] = {}
        for potential in (potentials[driving], *potentials):
            if potential.graph_key not in self._lists:
                self._lists[potential.graph_key] = BatchedVerletList(
                    potential.build_graph, potential.cutoff, skin
                )
        self._graphs: dict[Hashable, list[Any]] = {}

    def check(self, atoms: Atoms) -> None:
        """Raise ValueError for a frame with elements that a member does not know."""
        for potential in self.potentials:
            potential.check_species(atoms.numbers)

    def keep(self, frames: Sequence[int]) -> None:
        """Drop the neighbour lists of frames other than these."""
        for verlet in self._lists.values():
            verlet.keep(frames)
        self._graphs.clear()

    def begin(self, starts: Sequence[Atoms]) -> None:
        """Do nothing: geometries tell all that these potentials read."""

    def drive(self, geometry: Arrays) -> Prediction:
        """Predict with the driving member."""
        self._graphs.clear()
        return self._evaluate(self.potentials[self.driving], geometry)

    def members(self, geometry: Arrays) -> Prediction:
        """Predict with all members; those of one cutoff share their graphs."""
        return _stacked(
            [self._evaluate(potential, geometry) for potential in self.potentials]
        )

    def _evaluate(self, potential: Potential, geometry: Arrays) -> Prediction:
        key = potential.graph_key
        if key not in self._graphs:
            cuts = list(batches(np.diff(geometry.offsets), self._batch_size))
            self._graphs[key] = self._lists[key].graphs(geometry, cuts)
        return Prediction.joined(
            [potential.evaluate_graph(graph) for graph in self._graphs[key]]
        )


class CalculatorForces:
    """
    Forces of ASE's calculators, which take one frame after the other.

    Parameters
    ----------
    members, driving
        See :func:`forces_of`.
    """

    def __init__(self, members: Sequence[Mapping[str, Any]], driving: int = 0) -> None:
        load = Calculators()
        self._calculators = [load(member) for member in members]
        self._driving = driving
        self._starts: Sequence[Atoms] = ()

    def begin(self, starts: Sequence[Atoms]) -> None:
        """Take frames whose charges, spins and masses a calculator may read."""
        self._starts = starts

    def check(self, atoms: Atoms) -> None:
        """Do nothing: the calculator raises an error itself."""

    def keep(self, frames: Sequence[int]) -> None:
        """Do nothing: no neighbour lists are stored."""

    def drive(self, geometry: Arrays) -> Prediction:
        """Predict with the driving member."""
        return self._evaluate(self._calculators[self._driving], geometry)

    def members(self, geometry: Arrays) -> Prediction:
        """Predict with all members."""
        return _stacked([self._evaluate(c, geometry) for c in self._calculators])

    def _evaluate(self, calculator: Any, geometry: Arrays) -> Prediction:
        predictions = []
        for i, start in enumerate(self._starts):
            frame = geometry.frame(i)
            atoms = start.copy()
            atoms.positions[:] = frame.positions
            atoms.cell[:] = frame.cell[0]
            calculator.calculate(atoms, properties_of(atoms), all_changes)
            results = calculator.results
            predictions.append(
                Prediction(
                    np.array([results["energy"]], dtype=float),
                    np.array(results["forces"], dtype=float),
                    stress_matrix(results)[None],
                )
            )
        return Prediction.joined(predictions)


def _stacked(predictions: Sequence[Prediction]) -> Prediction:
    """Stack the predictions of members along a new first axis."""
    return Prediction(
        np.stack([prediction.energy for prediction in predictions]),
        np.stack([prediction.forces for prediction in predictions]),
        np.stack([prediction.stress for prediction in predictions]),
    )

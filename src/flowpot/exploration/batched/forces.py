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
from flowpot.potentials.base import batches, default_batch_size
from flowpot.potentials.verlet import BatchedVerletList


class Forces(Protocol):
    """What moves the replicas of a batch."""

    def drive(self, geometry: Arrays) -> Prediction:
        """Predict with the driving member, for frames that follow those before."""

    def members(self, geometry: Arrays) -> Prediction:
        """Predict with all members, for the frames that were driven last."""

    def keep(self, frames: Sequence[int]) -> None:
        """Forget all frames but these, which are the frames to come."""

    def check(self, atoms: Atoms) -> None:
        """Refuse a frame with elements that are not known."""


def forces_of(
    members: Sequence[Mapping[str, Any]],
    driving: int,
    skin: float,
    batch_size: int | None,
    device: str,
) -> Forces:
    """
    Load the members, as ``members.stage_member`` describes them.

    Parameters
    ----------
    members
        The committee, or the driving member alone.
    driving
        Index of the one whose forces move the atoms.
    skin
        Of the neighbour lists (A).
    batch_size
        Atoms that are evaluated at once. None: what is fast on the device.
    device
        See `flowpot.potentials.load_potential`.
    """
    if any(CALCULATOR in member for member in members):
        return CalculatorForces(members, driving)
    loaded = [load_potential(Path(each[MODEL]), device) for each in members]
    return PotentialForces(loaded, driving, skin, batch_size)


class PotentialForces:
    """
    Flowpot's own potentials, which share their neighbour graphs.

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
        # The driving member's first: its list is the one that most steps need.
        ordered = [potentials[driving], *potentials]
        self._lists: dict[Hashable, BatchedVerletList] = {}
        for each in ordered:
            if each.graph_key not in self._lists:
                self._lists[each.graph_key] = BatchedVerletList(
                    each.build_graph, each.cutoff, skin
                )
        self._graphs: dict[Hashable, list[Any]] = {}

    def check(self, atoms: Atoms) -> None:
        """Refuse a frame with elements that a member does not know."""
        for potential in self.potentials:
            potential.check_species(atoms.numbers)

    def keep(self, frames: Sequence[int]) -> None:
        """Forget all frames but these."""
        for verlet in self._lists.values():
            verlet.keep(frames)
        self._graphs.clear()

    def drive(self, geometry: Arrays) -> Prediction:
        """Predict with the driving member."""
        self._graphs.clear()
        return self._evaluate(self.potentials[self.driving], geometry)

    def members(self, geometry: Arrays) -> Prediction:
        """Predict with all members, on the graphs that there are."""
        found = [self._evaluate(each, geometry) for each in self.potentials]
        return Prediction(
            np.stack([each.energy for each in found]),
            np.stack([each.forces for each in found]),
            np.stack([each.stress for each in found]),
        )

    def _evaluate(self, potential: Potential, geometry: Arrays) -> Prediction:
        key = potential.graph_key
        if key not in self._graphs:
            cuts = list(batches(np.diff(geometry.offsets), self._batch_size))
            self._graphs[key] = self._lists[key].graphs(geometry, cuts)
        parts = [potential.evaluate_graph(graph) for graph in self._graphs[key]]
        return Prediction.joined(parts)


class CalculatorForces:
    """
    ASE's calculators, one frame after the other: for any potential, but not faster.

    Parameters
    ----------
    members, driving
        See :func:`forces_of`.
    """

    def __init__(self, members: Sequence[Mapping[str, Any]], driving: int = 0) -> None:
        load = Calculators()
        self._calculators = [load(member) for member in members]
        self._driving = driving

    def check(self, atoms: Atoms) -> None:
        """Leave it to the calculator."""

    def keep(self, frames: Sequence[int]) -> None:
        """Do nothing: a calculator sees each frame anew."""

    def drive(self, geometry: Arrays) -> Prediction:
        """Predict with the driving member."""
        return self._evaluate(self._calculators[self._driving], geometry)

    def members(self, geometry: Arrays) -> Prediction:
        """Predict with all members."""
        found = [self._evaluate(each, geometry) for each in self._calculators]
        return Prediction(
            np.stack([each.energy for each in found]),
            np.stack([each.forces for each in found]),
            np.stack([each.stress for each in found]),
        )

    @staticmethod
    def _evaluate(calculator: Any, geometry: Arrays) -> Prediction:
        found = []
        for i in range(len(geometry.cell)):
            one = geometry.frame(i)
            atoms = Atoms(one.numbers, one.positions, cell=one.cell[0], pbc=one.pbc[0])
            calculator.calculate(atoms, properties_of(atoms), all_changes)
            results = calculator.results
            found.append(
                Prediction(
                    np.array([results["energy"]], dtype=float),
                    np.array(results["forces"], dtype=float),
                    stress_matrix(results)[None],
                )
            )
        return Prediction.joined(found)

"""A pair potential of the simplest kind, as another package would write it."""
# ruff: noqa: ARG002, ARG003 - it honours the interface

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.neighbours import find_pairs
from flowpot.potentials import MissingOutputError, Potential, Prediction


@dataclass(frozen=True, eq=False)
class Frames:
    """A graph that is searched for anew when it is evaluated."""

    frames: Arrays

    def moved(self, frames):
        return Frames(frames)

    @classmethod
    def joined(cls, graphs):
        return cls(Arrays.joined([graph.frames for graph in graphs]))


class Repulsion(Potential):
    """Energy (1 - r / cutoff)^3 (eV) of each pair of neighbours."""

    backend, suffixes = "repulsion", (".repulsion",)
    device, species = "cpu", ("Si", "Ge")

    def __init__(self, cutoff=4.0):
        self.cutoff = cutoff

    @classmethod
    def from_bytes(cls, content, device="auto"):
        return cls(float(content))

    @property
    def graph_key(self):
        return self.backend

    def build_graph(self, frames, skin=0.0):
        return Frames(frames)

    def evaluate_graph(self, graph):
        arrays = graph.frames
        parts = [self.one(arrays.frame(i)) for i in range(len(arrays))]
        return Prediction.joined(parts)

    def one(self, frame):
        atoms = Atoms(
            frame.numbers, frame.positions, cell=frame.cell[0], pbc=frame.pbc[0]
        )
        pairs = find_pairs(atoms, self.cutoff)
        closeness = 1 - pairs.lengths / self.cutoff
        slopes = -3 * closeness**2 / self.cutoff / pairs.lengths
        pulls = slopes[:, None] * pairs.vectors
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, pairs.first, pulls)
        stress = np.full((3, 3), np.nan)
        if atoms.pbc.any() and atoms.cell.volume > 0:
            stress = pairs.vectors.T @ pulls / 2 / atoms.cell.volume
        return Prediction(np.array([sum(closeness**3) / 2]), forces, stress[None])

    def describe_graph(self, graph):
        raise MissingOutputError("a pair potential has no features")

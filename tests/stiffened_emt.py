"""EMT with an error of known size in the bulk modulus alone, which labels can mend."""
# ruff: noqa: ARG002, ARG003 - the classes honour their interfaces

import json
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from jobflow import Maker

from flowpot import Artifact, Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.jobs import stage_job
from flowpot.potentials import MissingOutputError, Potential, Prediction
from flowpot.training.document import CommitteeDoc, PotentialDoc

VOLUME = {"Cu": 11.5665, "Al": 15.9323}
"""Volumes (A^3/atom) at which EMT has no pressure."""


class StiffenedEMT(Potential):
    """
    EMT and k N (v - v0)^2 / 2, at a volume per atom of v.

    Forces and the volume are those of EMT, and the bulk modulus is larger by k v0.
    """

    backend, suffixes = "stiffened", (".stiffened",)
    device, species, cutoff = "cpu", ("Al", "Cu"), 5.0

    def __init__(self, k, volume):
        self.k, self.volume = k, volume

    @classmethod
    def from_bytes(cls, content, device="auto"):
        return cls(**json.loads(content))

    @property
    def graph_key(self):
        return self.backend

    def build_graph(self, frames, skin=0.0):
        return frames

    def evaluate_graph(self, graph):
        return Prediction.joined([self.one(graph.frame(i)) for i in range(len(graph))])

    def one(self, frame: Arrays):
        atoms = Atoms(
            frame.numbers, frame.positions, cell=frame.cell[0], pbc=frame.pbc[0]
        )
        atoms.calc = EMT()
        excess = atoms.get_volume() / len(atoms) - self.volume
        energy = atoms.get_potential_energy() + self.k * len(atoms) * excess**2 / 2
        stress = atoms.get_stress(voigt=False) + self.k * excess * np.eye(3)
        return Prediction(np.array([energy]), atoms.get_forces(), stress[None])

    def describe_graph(self, graph):
        raise MissingOutputError("it has no features")


def stiffened_members(*ks, element="Cu"):
    """Return a potential for each k (eV/A^6/atom)."""
    contents = [json.dumps({"k": k, "volume": VOLUME[element]}).encode() for k in ks]
    return [
        PotentialDoc(
            model=Artifact.from_bytes(f"{number}.stiffened", content),
            backend=StiffenedEMT.backend,
        )
        for number, content in enumerate(contents)
    ]


@dataclass
class StiffnessTraining(Maker):
    """
    Fits k of each member to labels of EMT, from a value of its own.

    Attributes
    ----------
    first
        k of each member (eV/A^6/atom) before any label tells otherwise.
    prior
        Weight of that value: the sum of squares (A^12) of as many labels.
    """

    name: str = "collect committee"
    first: tuple[float, ...] = (-0.02, 0.02)
    prior: float = 0.01
    element: str = "Cu"

    @stage_job(CommitteeDoc)
    def make(self, dataset, previous=None, seed=0):
        frames, volume = Dataset.load(dataset).labelled, VOLUME[self.element]
        x, y = np.array([_point(atoms, volume) for atoms in frames]).T
        members = stiffened_members(
            *(
                (self.prior * first + x @ y) / (self.prior + x @ x)
                for first in self.first
            ),
            element=self.element,
        )
        return CommitteeDoc(members=members, member_metrics=[{}] * len(members))


def _point(atoms: Atoms, volume: float):
    """Return what k multiplies, and the energy per atom that EMT does not explain."""
    labelled = atoms.get_potential_energy()
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    plain.calc = EMT()
    excess = atoms.get_volume() / len(atoms) - volume
    return excess**2 / 2, (labelled - plain.get_potential_energy()) / len(atoms)


def crystal(element="Cu"):
    """Return the crystal at the volume where EMT has no pressure."""
    return bulk(element, a=(4 * VOLUME[element]) ** (1 / 3))

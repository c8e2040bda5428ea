"""Cheap potentials, and batches that run on them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from ase.build import bulk
from matscipy.neighbours import neighbour_list

from flowpot.dataset.arrays import Arrays
from flowpot.dataset.geometry.cells import periodic_cell
from flowpot.dataset.geometry.neighbours import pairs_within
from flowpot.evaluation.calibration import Calibration
from flowpot.exploration.batched.dynamics import Dynamics
from flowpot.exploration.batched.forces import PotentialForces
from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.sampling import Output
from flowpot.potentials import Potential, Prediction


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of atoms within the cutoff, from both ends."""

    geometry: Arrays
    cells: np.ndarray
    first: np.ndarray
    second: np.ndarray
    shifts: np.ndarray  # in cells
    cutoff: float

    def _frames(self):
        sizes = np.diff(self.geometry.offsets)
        return np.repeat(np.arange(len(sizes)), sizes)

    def in_angstrom(self):
        cells = self.cells[self._frames()[self.first]]
        return np.einsum("ek,ekx->ex", self.shifts, cells)

    def moved(self, geometry):
        moved = replace(self, geometry=geometry, cells=geometry.cell)
        near = pairs_within(
            *(self.cutoff, geometry.positions, self.first, self.second),
            moved.in_angstrom(),
        )
        first, second, shifts = self.first[near], self.second[near], self.shifts[near]
        return replace(moved, first=first, second=second, shifts=shifts)

    @classmethod
    def joined(cls, graphs):
        geometry = Arrays.joined([g.geometry for g in graphs])
        starts = geometry.offsets[:-1]
        return cls(
            geometry,
            np.concatenate([g.cells for g in graphs]),
            np.concatenate([g.first + n for g, n in zip(graphs, starts, strict=True)]),
            np.concatenate([g.second + n for g, n in zip(graphs, starts, strict=True)]),
            np.concatenate([g.shifts for g in graphs]),
            graphs[0].cutoff,
        )


class LennardJones(Potential):
    """Argon; cut and shifted, as LAMMPS's ``lj/cut`` with ``pair_modify shift yes``."""

    backend, device, species = "lennard-jones", "cpu", ("Ar",)

    def __init__(self, epsilon=0.0104, sigma=3.4, cutoff=7.0):
        self.epsilon, self.sigma, self.cutoff = epsilon, sigma, cutoff

    @property
    def graph_key(self):
        return "pairs", self.cutoff

    def build_graph(self, geometry, skin=0.0):
        reach = self.cutoff + skin
        cell = periodic_cell(
            geometry.positions, geometry.cell[0], geometry.pbc[0], reach
        )
        i, j, shifts = neighbour_list(
            "ijS",
            cutoff=reach,
            positions=geometry.positions,
            cell=cell,
            pbc=geometry.pbc[0],
        )
        order = np.lexsort((*shifts.T, j, i))
        found = (i[order], j[order], shifts[order].astype(float))
        return Pairs(geometry, cell[None], *found, self.cutoff)

    def evaluate_graph(self, graph):
        geometry, i, j = graph.geometry, graph.first, graph.second
        vectors = geometry.positions[j] - geometry.positions[i] + graph.in_angstrom()
        squares = (vectors**2).sum(axis=1)
        inverse = (self.sigma**2 / squares) ** 3
        end = (self.sigma / self.cutoff) ** 6
        energies = 4 * self.epsilon * (inverse**2 - inverse - end**2 + end)
        slopes = -24 * self.epsilon * (2 * inverse**2 - inverse) / squares
        pulls = slopes[:, None] * vectors
        n, frames = len(geometry.cell), graph._frames()
        forces = np.stack(
            [np.bincount(i, pulls[:, x], minlength=len(frames)) for x in range(3)], 1
        )
        each = pulls[:, :, None] * vectors[:, None] / 2
        of_pair = frames[i]
        virial = np.stack(
            [np.bincount(of_pair, c, minlength=n) for c in each.reshape(-1, 9).T], 1
        )
        ratios = [
            1 / abs(np.linalg.det(cell)) if pbc.any() else np.nan
            for cell, pbc in zip(geometry.cell, geometry.pbc, strict=True)
        ]
        energy = np.bincount(of_pair, energies / 2, minlength=n)
        stress = virial.reshape(n, 3, 3) * np.array(ratios)[:, None, None]
        return Prediction(energy, forces, stress)

    def describe_graph(self, graph):
        raise NotImplementedError


class Nothing(LennardJones):
    """An ideal gas."""

    species = ("Ar", "Cu")

    def __init__(self):
        super().__init__(epsilon=0.0, cutoff=0.1)

    def build_graph(self, geometry, skin=0.0):  # noqa: ARG002, the interface
        """Find no pairs: a cell that nothing resists becomes too thin to search."""
        none = np.empty(0, dtype=int)
        return Pairs(geometry, geometry.cell, none, none, np.empty((0, 3)), self.cutoff)


@pytest.fixture
def argon():
    """Return a rattled crystal of eight atoms, by the seed of its displacements."""

    def build(seed=0, repeat=(2, 1, 1)):
        atoms = bulk("Ar", a=5.3, cubic=True) * repeat
        atoms.rattle(0.05, seed=seed)
        return atoms

    return build


@pytest.fixture
def lennard_jones():
    """Return the class of the potential."""
    return LennardJones


@pytest.fixture
def ideal_gas():
    """Return the class of the potential."""
    return Nothing


class BatchRunner:
    """Run replicas: new ones from pairs of frame and conditions, or given ones."""

    def __call__(self, starts, potentials=None, output=None, **options):
        replicas = [Replica.begin(atoms, each, "parent") for atoms, each in starts]
        return self.resumed(replicas, potentials, output, **options)

    def resumed(self, replicas, potentials=None, output=None, **options):
        forces = PotentialForces(potentials or [LennardJones()])
        return Dynamics(forces, output or Output(10), **options).run(replicas)


@pytest.fixture
def run_batch():
    return BatchRunner()


@pytest.fixture
def calibration():
    """Return a calibration of the forces with a threshold."""

    def build(threshold):
        numbers = dict.fromkeys(("r2", "rank_correlation", "tpr", "ppv"), 1.0)
        fit = Calibration(
            **numbers,
            slope=1.0,
            slope_interval=(0.9, 1.1),
            tolerance=threshold,
            threshold=threshold,
            n=100,
            effective_n=100,
            trusted=True,
        )
        return {"forces": fit}

    return build

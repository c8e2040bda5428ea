"""Committees whose disagreement and error are known by construction."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from flowpot.dataset import Dataset
from flowpot.evaluation import CommitteePrediction
from flowpot.potentials import Potential, Prediction


def symmetric(tensors):
    return (tensors + tensors.swapaxes(-1, -2)) / 2


def random_frames(sizes, rng) -> Dataset:
    """Labelled periodic frames of the given numbers of atoms, all labels random."""
    frames = [
        Atoms(
            "Si" * n,
            scaled_positions=rng.random((n, 3)),
            cell=np.eye(3) * 6,
            pbc=True,
        )
        for n in sizes
    ]
    n, atoms = len(sizes), sum(sizes)
    return Dataset.from_atoms(frames).with_labels(
        energy=rng.normal(size=n) * np.array(sizes),
        forces=rng.normal(size=(atoms, 3)),
        stress=symmetric(rng.normal(size=(n, 3, 3))),
    )


def spread_around(dataset, scale, rng, members=4) -> CommitteePrediction:
    """Members that err independently: per-atom energy, forces and stress by scale."""
    per_atom = np.repeat(scale, dataset.n_atoms)[:, None]
    m = members
    return CommitteePrediction(
        energy=dataset.energy
        + dataset.n_atoms * scale * rng.normal(size=(m, len(dataset))),
        forces=dataset.forces + per_atom * rng.normal(size=(m, *dataset.forces.shape)),
        stress=dataset.stress
        + scale[:, None, None] * symmetric(rng.normal(size=(m, *dataset.stress.shape))),
    )


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def frames(rng):
    return random_frames([1, 2, 8, 5], rng)


@pytest.fixture
def prediction(frames, rng):
    return spread_around(frames, np.full(len(frames), 0.1), rng)


@pytest.fixture
def make_frames():
    return random_frames


@pytest.fixture
def make_prediction():
    return spread_around


class ScaledEMT(Potential):
    """
    ASE's EMT times a factor: a committee of them errs in a way that is known.

    With factors 1 + d, disagreement is std(d) and error |mean(d)| of the same quantity.
    """

    backend = "emt"
    device = "cpu"
    species = ("Cu",)
    cutoff = 5.0
    graph_key = "emt"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def build_graph(self, geometry):
        found = []
        for i, cell in enumerate(geometry.cell):
            atoms = slice(*geometry.offsets[i : i + 2])
            frame = Atoms(
                geometry.numbers[atoms],
                geometry.positions[atoms],
                cell=cell,
                pbc=geometry.pbc[i],
                calculator=EMT(),
            )
            stress = frame.get_stress(voigt=False)
            found.append((frame.get_potential_energy(), frame.get_forces(), stress))
        return found

    def describe_graph(self, graph):
        return np.concatenate([forces for _, forces, _ in graph])

    def evaluate_graph(self, graph):
        energy, forces, stress = zip(*graph, strict=True)
        return Prediction(
            self.factor * np.array(energy),
            self.factor * np.concatenate(forces),
            self.factor * np.array(stress),
        )


@pytest.fixture
def committee():
    """Factors whose deviations have mean 0.1 and standard deviation 0.05."""
    return [ScaledEMT(1 + d) for d in (0.05, 0.15)]


@pytest.fixture
def copper():
    """Return n rattled copper cells, labelled by EMT."""

    def make(n, seed, stdev=0.1, **info) -> Dataset:
        frames = []
        for i in range(n):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(stdev * (i + 1) / n, seed=seed + i)
            atoms.calc = EMT()
            atoms.get_stress()
            frames.append(atoms)
        return Dataset.from_atoms(frames).with_info(
            **{name: np.full(n, value, object) for name, value in info.items()}
        )

    return make

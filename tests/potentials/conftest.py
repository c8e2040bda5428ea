"""Small MACE models with random weights: what is tested holds for any weights."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, surface

from flowpot.dataset import Dataset
from flowpot.potentials.mace import MACEPotential


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


TWO_SPECIES = {"species": ("Si", "Ge"), "hidden_irreps": "8x0e + 8x1o"}


@pytest.fixture(scope="session")
def model_files(random_mace, tmp_path_factory):
    """Three members in float32, one of them with another cutoff."""
    folder = tmp_path_factory.mktemp("models")
    paths = []
    for seed, cutoff in ((1, 4.2), (2, 4.2), (3, 3.6)):
        paths.append(folder / f"member-{seed}.model")
        torch.save(random_mace(seed, r_max=cutoff, **TWO_SPECIES), paths[-1])
    return paths


@pytest.fixture(scope="session")
def precise(random_mace):
    """One potential in float64, for finite differences."""
    return MACEPotential(random_mace(1, dtype="float64", **TWO_SPECIES), "cpu")


@pytest.fixture(scope="session")
def frames():
    """Frames of many sizes and periodicities."""
    rng = np.random.default_rng(7)
    cubic = bulk("Si", "diamond", a=5.43, cubic=True)
    slab = surface(cubic, (1, 1, 1), 2, vacuum=6.0, periodic=True)
    slab.pbc = (True, True, False)
    thin = slab.copy()
    thin.cell[2] *= 0.0
    chain = Atoms("SiGe", [[0, 0, 0], [2.4, 0.3, 0]], cell=[5, 0, 0], pbc=[1, 0, 0])
    molecule = Atoms("Si2Ge", [[0, 0, 0], [2.3, 0, 0], [0, 2.3, 0.1]])
    atom = Atoms("Si", cell=[12, 12, 12])
    periodic_atom = bulk("Si", "fcc", a=3.9)
    made = [cubic, slab, atom, cubic * (2, 1, 1), thin, chain, molecule, periodic_atom]
    for each in made:
        each.positions += rng.normal(0, 0.05, each.positions.shape)
    return Dataset.from_atoms(made)

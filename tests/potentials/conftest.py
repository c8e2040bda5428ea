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


def random_mace(seed, dtype, cutoff=4.2, numbers=(14, 32)):
    from e3nn import o3
    from mace import modules

    torch.manual_seed(seed)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        blocks = modules.interaction_classes
        return modules.ScaleShiftMACE(
            r_max=cutoff,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=blocks["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=blocks["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=len(numbers),
            hidden_irreps=o3.Irreps("8x0e + 8x1o"),
            MLP_irreps=o3.Irreps("8x0e"),
            gate=torch.nn.functional.silu,
            atomic_energies=np.array([-100.0, -200.0][: len(numbers)]),
            avg_num_neighbors=12.0,
            atomic_numbers=list(numbers),
            correlation=2,
            atomic_inter_scale=2.0,
            atomic_inter_shift=0.0,
        )
    finally:
        torch.set_default_dtype(previous)


@pytest.fixture(scope="session")
def model_files(tmp_path_factory):
    """Three members in float32, one of them with another cutoff."""
    folder = tmp_path_factory.mktemp("models")
    paths = []
    for seed, cutoff in ((1, 4.2), (2, 4.2), (3, 3.6)):
        paths.append(folder / f"member-{seed}.model")
        torch.save(random_mace(seed, torch.float32, cutoff), paths[-1])
    return paths


@pytest.fixture(scope="session")
def precise():
    """One potential in float64, for finite differences."""
    return MACEPotential(random_mace(1, torch.float64), "cpu")


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

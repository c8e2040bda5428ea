"""Frames of silicon labelled by Stillinger and Weber's potential, and a committee."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore
from matscipy.calculators.manybody import Manybody
from matscipy.calculators.manybody.explicit_forms.stillinger_weber import (
    Stillinger_Weber_PRB_31_5262_Si,
    StillingerWeber,
)

from flowpot.dataset import Dataset
from flowpot.training import CommitteeDoc, CommitteeTrainingMaker, MACETrainingMaker

ATOM = -100.0
"""Energy of the isolated atom (eV): far from zero, as an electronic structure's is."""


def label(atoms, split, teacher=None):
    atoms = atoms.copy()
    stillinger_weber = StillingerWeber(Stillinger_Weber_PRB_31_5262_Si)
    atoms.calc = teacher or Manybody(**stillinger_weber)
    results = {
        "energy": atoms.get_potential_energy() + ATOM * len(atoms),
        "forces": atoms.get_forces(),
    }
    if atoms.cell.volume > 0:
        results["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info = {"split": split, "config_type": "distorted"}
    return atoms


def distorted(count, seed, rattle=0.1):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        atoms = bulk("Si", "diamond", a=5.43, cubic=True)
        strain = rng.uniform(-0.03, 0.03, (3, 3))
        strain = (strain + strain.T) / 2 + np.eye(3) * rng.uniform(-0.05, 0.07)
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.positions += rng.normal(0, rattle, atoms.positions.shape)
        yield atoms


def make_silicon(train=24, val=4, test=4, seed=1):
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    frames = [
        label(atoms, split)
        for atoms, split in zip(distorted(len(splits), seed), splits, strict=True)
    ]
    frames.append(isolated_atom())
    return Dataset.from_atoms(frames)


def isolated_atom(symbol="Si"):
    atom = Atoms(symbol, cell=[12, 12, 12])
    atom.calc = SinglePointCalculator(atom, energy=ATOM, forces=np.zeros((1, 3)))
    atom.info = {"split": "train", "config_type": "isolated_atom"}
    return atom


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Threads of small models wait for each other more than they compute."""
    import torch

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def silicon_set():
    return make_silicon()


@pytest.fixture(scope="session")
def quick():
    """Trains in a few seconds beyond MACE's start."""
    return MACETrainingMaker.small(max_num_epochs=12, hidden_irreps="8x0e")


@pytest.fixture(scope="session")
def campaign(silicon_set, quick, tmp_path_factory):
    """A committee that was trained through jobflow, and its JobStore."""
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    flow = CommitteeTrainingMaker(trainer=quick, size=2, members_per_job=2).make(
        silicon_set, seed=5
    )
    folder = tmp_path_factory.mktemp("campaign")
    run_locally(flow, store=store, root_dir=folder, ensure_success=True)
    return flow, store


@pytest.fixture(scope="session")
def committee(campaign):
    flow, store = campaign
    return CommitteeDoc.model_validate(flow.output.resolve(store))


@pytest.fixture(scope="session")
def member(committee):
    return committee.members[0]

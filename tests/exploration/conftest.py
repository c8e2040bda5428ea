"""Models and frames to explore with."""

import io

import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from flowpot.dataset import Artifact, Dataset
from flowpot.training.document import CommitteeDoc, PotentialDoc


@pytest.fixture
def start_frames() -> Dataset:
    """Copper: crystals, one atom alone, and a frame that MD has found."""
    cubic = bulk("Cu", cubic=True)
    frames = [cubic, cubic * (1, 1, 2), cubic * (1, 2, 1), bulk("Cu"), cubic]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.03, seed=seed)
    kinds = ["input", "distorted", "distorted", "isolated_atom", "md"]
    return Dataset.from_atoms(frames).with_info(config_type=kinds)


@pytest.fixture
def emt() -> type[EMT]:
    """A classical potential, as a stand-in for a trained one."""
    return EMT


@pytest.fixture(scope="session")
def random_committee(random_mace) -> CommitteeDoc:
    """Two MACE models for copper, with random weights."""
    members = []
    for seed in (1, 2):
        model = random_mace(
            seed, ("Cu",), "float64", hidden_irreps="8x0e", atomic_inter_scale=0.5
        )
        buffer = io.BytesIO()
        torch.save(model, buffer)
        artifact = Artifact.from_bytes(f"member-{seed}.model", buffer.getvalue())
        members.append(
            PotentialDoc(model=artifact, backend="mace", seed=seed, species=["Cu"])
        )
    return CommitteeDoc(members=members, member_metrics=[{}, {}])

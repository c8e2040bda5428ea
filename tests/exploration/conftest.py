"""Models and frames to explore with."""

import io
from importlib import import_module

import numpy as np
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
def random_committee() -> CommitteeDoc:
    """Two MACE models for copper, with random weights."""
    members = [_random_member(seed) for seed in (1, 2)]
    return CommitteeDoc(members=members, member_metrics=[{}, {}])


def _random_member(seed: int) -> PotentialDoc:
    modules = import_module("mace.modules")  # first: it lets e3nn read its constants
    o3 = import_module("e3nn.o3")
    torch.manual_seed(seed)
    blocks = modules.interaction_classes
    model = modules.ScaleShiftMACE(
        r_max=4.0,
        num_bessel=6,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=blocks["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=blocks["RealAgnosticInteractionBlock"],
        num_interactions=2,
        num_elements=1,
        hidden_irreps=o3.Irreps("8x0e"),
        MLP_irreps=o3.Irreps("8x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.array([-3.0]),
        avg_num_neighbors=12.0,
        atomic_numbers=[29],
        correlation=2,
        atomic_inter_scale=0.5,
        atomic_inter_shift=0.0,
    ).double()
    buffer = io.BytesIO()
    torch.save(model, buffer)
    artifact = Artifact.from_bytes(f"member-{seed}.model", buffer.getvalue())
    return PotentialDoc(model=artifact, backend="mace", seed=seed, species=["Cu"])

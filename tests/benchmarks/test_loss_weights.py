"""The weights of the study of losses, by MACE itself."""

import pytest
import torch
from loss_weights import TOLERANCE, by_tolerances
from mace.modules.loss import WeightedEnergyForcesStressLoss
from mace.tools.torch_geometric import Data


def test_weights_by_tolerances_count_each_number_of_a_frame_alike():
    """By MACE's own loss, of errors as large as their tolerances."""
    n_frames, n_atoms = 3, 5
    shapes = {
        "energy": (n_frames,),
        "forces": (n_frames * n_atoms, 3),
        "stress": (n_frames, 3, 3),
    }
    ones = torch.ones(n_frames)
    truth = {name: torch.zeros(shape) for name, shape in shapes.items()}
    weights = {f"{name}_weight": ones for name in shapes}
    ends = torch.arange(n_frames + 1) * n_atoms
    frames = Data(ptr=ends, weight=ones, **weights, **truth)
    loss = WeightedEnergyForcesStressLoss(**by_tolerances(n_atoms))
    found = {}
    for name, error in TOLERANCE.items():
        wrong = error * (n_atoms if name == "energy" else 1)  # it is one per atom
        found[name] = float(loss(frames, {**truth, name: wrong + truth[name]}))
    # A frame has 15 components of forces, and 6 of the stress.
    assert found["forces"] / found["energy"] == pytest.approx(15, rel=1e-4)
    assert found["stress"] / found["energy"] == pytest.approx(6, rel=1e-4)

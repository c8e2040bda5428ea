"""Fine-tuning a small model, pre-trained here, on labels of another potential."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from matscipy.calculators.manybody import Manybody
from matscipy.calculators.manybody.explicit_forms.tersoff_brenner import (
    Erhart_PRB_71_035211_Si,
    Erhart_PRB_71_035211_SiC,
    TersoffBrenner,
)

from flowpot.dataset import Dataset
from flowpot.training import MACETrainingMaker, MetatrainTrainingMaker
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from .conftest import distorted, isolated_atom, label, make_silicon

pytestmark = pytest.mark.slow

PET = {"cutoff": 4.2, "d_pet": 16, "d_node": 16, "d_head": 16, "d_feedforward": 16}
PET |= {"num_heads": 2, "num_attention_layers": 1, "num_gnn_layers": 1}


@pytest.fixture(scope="module")
def few():
    """Twenty frames to train on, labelled by Erhart and Albe's potential."""
    splits = ["train"] * 20 + ["val"] * 4 + ["test"] * 20
    frames = [
        label(atoms, split, teacher=Manybody(**TersoffBrenner(Erhart_PRB_71_035211_Si)))
        for atoms, split in zip(distorted(len(splits), 9), splits, strict=True)
    ]
    return TrainingSets.load(Dataset.from_atoms([*frames, isolated_atom()]))


@pytest.fixture(scope="module")
def plenty():
    """Silicon, and some carbide: MACE replays models of two elements or more."""
    rng = np.random.default_rng(4)
    frames = []
    for _ in range(12):
        atoms = bulk("SiC", "zincblende", a=4.36, cubic=True)
        atoms.positions += rng.normal(0, 0.08, atoms.positions.shape)
        teacher = Manybody(**TersoffBrenner(Erhart_PRB_71_035211_SiC))
        frames.append(label(atoms, "train", teacher=teacher))
    frames.append(isolated_atom("C"))
    silicon = make_silicon(train=48, val=6, test=6, seed=3)
    return Dataset.concatenate([silicon, Dataset.from_atoms(frames)])


def train(training, sets, folder):
    folder.mkdir()
    (found,) = train_members(training, sets, [1], [None], Place(folder))
    assert found.failure is None
    return found


@pytest.fixture(scope="module")
def mace_options():
    return MACETrainingMaker.small(max_num_epochs=12).hyperparameters


@pytest.fixture(scope="module")
def mace(plenty, mace_options, tmp_path_factory):
    options = {**mace_options, "max_num_epochs": 30}
    training = MACETrainingMaker(hyperparameters=options)
    folder = tmp_path_factory.mktemp("mace")
    return train(training, TrainingSets.load(plenty), folder / "pretraining")


@pytest.mark.parametrize("method", ["naive", "replay"])
def test_mace(mace, mace_options, few, plenty, method, tmp_path):
    scratch = MACETrainingMaker(hyperparameters=mace_options)
    fresh = train(scratch, few, tmp_path / "scratch")
    options = {**mace_options, "lr": 0.005}
    if method == "replay":
        old = plenty[plenty.n_atoms > 1]
        options["pt_train_file"] = str(old.write(tmp_path / "old.xyz"))
        options["force_mh_ft_lr"] = True
    tuned = train(
        replace(
            scratch,
            hyperparameters=options,
            foundation_model=mace.model,
            fine_tuning=method,
        ),
        few,
        tmp_path / "tuned",
    )
    for name in ("energy", "forces"):
        assert tuned.metrics["test"][name] < fresh.metrics["test"][name]


@pytest.fixture(scope="module")
def pet_maker():
    return MetatrainTrainingMaker(
        hyperparameters={
            "model": PET,
            "training": {"num_epochs": 15, "batch_size": 4, "learning_rate": 3e-3},
        }
    )


@pytest.fixture(scope="module")
def pet(plenty, pet_maker, tmp_path_factory):
    options = pet_maker.hyperparameters
    longer = {**options, "training": {**options["training"], "num_epochs": 60}}
    training = replace(pet_maker, hyperparameters=longer)
    folder = tmp_path_factory.mktemp("pet")
    return train(training, TrainingSets.load(plenty), folder / "pretraining")


@pytest.mark.parametrize("method", ["full", "heads"])
def test_pet(pet, pet_maker, few, method, tmp_path):
    scratch = pet_maker
    fresh = train(scratch, few, tmp_path / "scratch")
    tuned = train(
        replace(scratch, foundation_model=pet.checkpoint, fine_tuning=method),
        few,
        tmp_path / "tuned",
    )
    assert tuned.metrics["test"]["forces"] < fresh.metrics["test"]["forces"]

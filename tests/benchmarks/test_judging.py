"""
What further uncertainties add to the time of judging; figures with ``-s``.

CPU time on one thread, the ways compared one after the other in each of three rounds,
so that what else the machine does matters little. Found, with random small MACE and 300
frames of 8 to 32 atoms: 1.10 times the time of predicting, and 1.09 that of judging.
The spread of an ensemble of 8 of a tiny PET takes it to 3.7 times that of predicting.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Criteria,
    EnsembleSpread,
    FeatureDistance,
    judge,
    spread_over,
)
from flowpot.potentials import Potential, load_potential
from flowpot.potentials.mace import MACEPotential
from flowpot.training import MetatrainTrainingMaker
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

# ruff: noqa: T201 - the figures are to be seen

pytestmark = pytest.mark.slow

MEMBERS = 4
SIZES = ((1, 1, 1), (2, 1, 1), (2, 2, 1))
PET = {"cutoff": 4.2, "d_pet": 16, "d_node": 16, "d_head": 16, "d_feedforward": 16}
PET |= {"num_heads": 1, "num_attention_layers": 1, "num_gnn_layers": 1}


def silicon(count: int, seed: int, **info: object) -> Dataset:
    """Rattled cells of 8, 16 and 32 atoms."""
    rng, made = np.random.default_rng(seed), []
    for number in range(count):
        atoms = bulk("Si", cubic=True) * SIZES[number % len(SIZES)]
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        made.append(atoms)
    columns = {k: np.resize(np.array(v, object), count) for k, v in info.items()}
    return Dataset.from_atoms(made, labels=False).with_info(**columns)


def labelled_by(potential, frames: Dataset) -> Dataset:
    """Labels of one potential."""
    found = potential.evaluate(frames)
    return frames.with_labels(
        energy=found.energy, forces=found.forces, stress=found.stress
    )


def seconds(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Best CPU time of each of some functions, after one round that warms up."""
    best = dict.fromkeys(ways, np.inf)
    for turn in range(4):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            taken = time.process_time() - begun
            best[name] = min(best[name], taken) if turn else np.inf
    return best


@pytest.fixture(scope="module")
def members(random_mace) -> list[MACEPotential]:
    torch.set_num_threads(1)
    return [MACEPotential(random_mace(seed), "cpu") for seed in range(MEMBERS)]


def test_the_feature_uncertainty_adds_little(members, record_property):
    """To predicting, and to judging as a whole; its statistics come with a training."""
    teacher, training = members[0], silicon(60, 1, split=["train"])
    audit = silicon(40, 2, split=["audit"], config_type=["md"])
    labelled = labelled_by(teacher, Dataset.concatenate([training, audit]))
    explored = silicon(300, 3, config_type=["md"])
    distance = FeatureDistance.fit(members, training)

    def judged(uncertainties):
        criteria = Criteria({"forces": 0.1}, uncertainties=uncertainties)
        return judge(members, labelled, explored, criteria)

    found = seconds(
        {
            "predict": lambda: spread_over(members, explored),
            "measure": lambda: spread_over(members, explored, uncertainties=[distance]),
            "judge": lambda: judged([]),
            "judge, measure": lambda: judged([distance]),
            "judge, fit, measure": lambda: judged(["FeatureDistance"]),
        }
    )
    predicting = found["measure"] / found["predict"]
    judging = found["judge, measure"] / found["judge"]
    fitting = found["judge, fit, measure"] / found["judge"]
    record_property("predicting", predicting)
    record_property("judging", judging)
    print(
        f"\n{found}\nwith the feature uncertainty: {predicting:.2f} of predicting, "
        f"{judging:.2f} of judging, {fitting:.2f} where it is fitted first"
    )
    assert judging < 1.25


def llpr_of_pet(sets: TrainingSets, folder: Path) -> Potential:
    """Train a small PET, and wrap it by llpr with an ensemble of 8."""

    def trained(maker, name):
        (folder / name).mkdir()
        maker.check()
        (found,) = train_members(maker, sets, [1], [None], Place(folder / name))
        assert found.failure is None, found.failure
        return found

    pet = MetatrainTrainingMaker(
        architecture="pet",
        hyperparameters={
            "model": PET,
            "training": {"num_epochs": 1, "batch_size": 4},
        },
        device="cpu",
    )
    llpr = MetatrainTrainingMaker(
        architecture="llpr",
        foundation_model=trained(pet, "pet").checkpoint,
        hyperparameters={"model": {"num_ensemble_members": {"energy": 8}}},
        device="cpu",
    )
    return load_potential(trained(llpr, "llpr").model, "cpu")


def test_what_an_ensemble_of_its_own_costs(members, record_property, tmp_path):
    """That of metatrain's llpr, beside predicting."""
    frames = silicon(30, 4, split=["train"] * 3 + ["val", "test"])
    columns = {"config_type": ["isolated_atom"], "split": ["train"]}
    atom = Dataset.from_atoms([Atoms("Si", [[0.0, 0, 0]])], labels=False).with_info(
        **{name: np.array(value, object) for name, value in columns.items()}
    )
    atom = atom.with_labels(energy=np.array([-100.0]), forces=np.zeros((1, 3)))
    labelled = Dataset.concatenate([labelled_by(members[0], frames), atom])
    model = llpr_of_pet(TrainingSets.load(labelled), tmp_path)
    explored = silicon(30, 5)
    found = seconds(
        {
            "predict": lambda: spread_over([model], explored),
            "measure": lambda: spread_over(
                [model], explored, uncertainties=[EnsembleSpread()]
            ),
        }
    )
    ratio = found["measure"] / found["predict"]
    record_property("llpr", ratio)
    print(f"\n{found}\nwith the spread of an ensemble of 8: {ratio:.1f} of predicting")
    assert ratio < 2 * 8

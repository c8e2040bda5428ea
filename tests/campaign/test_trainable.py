"""Campaigns whose trainings could not begin are refused before any label is paid."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from flowpot import (
    ActiveLearningMaker,
    CommitteeTrainingMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.augmentation import isolated_atoms
from flowpot.dataset import Artifact, Dataset
from flowpot.jobs import stage_job

CARBIDE = bulk("SiC", "zincblende", a=4.36)


@pytest.fixture(scope="module")
def silicon_model(random_mace, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "silicon.model"
    torch.save(random_mace(1), path)
    return path


def campaign(isolated=True, kind=MACETrainingMaker, **trainer):
    maker = ActiveLearningMaker.preset("smoke", name="x")
    augmentation = replace(maker.augmentation, isolated_atoms=isolated)
    training = CommitteeTrainingMaker(trainer=kind(**trainer), size=1)
    return replace(maker, augmentation=augmentation, training=training)


def labelled(*frames):
    for atoms in frames:
        forces = np.zeros((len(atoms), 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=forces)
    return Dataset.from_atoms(frames)


@stage_job(Artifact)
def other_job():
    """Return frames."""


def test_a_foundation_model_that_lacks_an_element(silicon_model):
    maker = campaign(foundation_model=str(silicon_model))
    message = "foundation_model knows Si, and the dataset has Ge: choose a foundation"
    with pytest.raises(ValueError, match=message):
        maker.make([bulk("Ge")])
    with pytest.raises(ValueError, match=message):
        maker.dry_run([bulk("Ge")])
    with pytest.raises(ValueError, match=message):
        maker.make([bulk("Ge")], other_job().output)
    assert maker.make([bulk("Si")])
    stored = campaign(foundation_model=Artifact.from_file(silicon_model))
    with pytest.raises(ValueError, match=message):
        stored.make(dataset=[bulk("Ge")])
    assert campaign(foundation_model="medium").make([bulk("Ge")])


def test_replay_without_data(silicon_model):
    maker = campaign(foundation_model=silicon_model, fine_tuning="replay")
    with pytest.raises(ValueError, match="'replay' from a model file, without data"):
        maker.make([bulk("Si")])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (MACETrainingMaker, {"E0s": {14: -150.0}}, "'E0s' without C, which the"),
        (
            MetatrainTrainingMaker,
            {"training": {"atomic_baseline": {"energy": {14: -150.0}}}},
            "'atomic_baseline' without C, which the dataset has",
        ),
    ],
)
def test_reference_energies_that_lack_an_element(kind, options, message):
    maker = campaign(kind=kind, hyperparameters=options)
    with pytest.raises(ValueError, match=message):
        maker.make([CARBIDE])
    assert maker.make([bulk("Si")])


@pytest.mark.parametrize("kind", [MACETrainingMaker, MetatrainTrainingMaker])
def test_without_isolated_atoms(kind):
    maker = campaign(isolated=False, kind=kind)
    message = (
        "augmentation.isolated_atoms is False, and no isolated atom of C, Si is .*: "
        "set it to True, give one, or choose the energies by hyperparameters="
    )
    with pytest.raises(ValueError, match=message):
        maker.make([CARBIDE])
    with pytest.raises(ValueError, match="no isolated atom of C, Si is among the fra"):
        campaign(kind=kind).make(dataset=[CARBIDE])
    ion = Atoms("C", info={"charge": 1})
    with pytest.raises(ValueError, match="no isolated atom of C is"):
        maker.make([CARBIDE], [Atoms("Si"), ion])
    assert campaign(kind=kind).make([CARBIDE])
    assert maker.make([CARBIDE], isolated_atoms(["Si", "C"]))


def test_what_is_not_known_may_supply_isolated_atoms():
    maker = campaign(isolated=False)
    assert maker.make([CARBIDE], other_job().output)
    assert maker.make(other_job().output)
    chosen = {**maker.training.trainer.hyperparameters, "E0s": "average"}
    assert campaign(isolated=False, hyperparameters=chosen).make([CARBIDE])


def test_without_labelling_only_labelled_frames_count():
    maker = replace(campaign(), labelling=None)
    frames = labelled(*(CARBIDE.copy() for _ in range(3)))
    with pytest.raises(ValueError, match="no isolated atom of C, Si"):
        maker.make(dataset=[frames, *isolated_atoms(["Si", "C"])])
    assert maker.make(dataset=[frames, labelled(*isolated_atoms(["Si", "C"]))])


def test_energies_without_forces_are_counted_where_nothing_is_labelled():
    maker = replace(campaign(hyperparameters={"E0s": "average"}), labelling=None)
    lacking = bulk("Si")
    lacking.calc = SinglePointCalculator(lacking, energy=-1.0)
    with pytest.warns(UserWarning, match=r"^1 frame\(s\) .* an energy and no forces"):
        maker.make(dataset=[labelled(bulk("Si")), lacking])
    with pytest.warns(UserWarning, match=r"^1 frame\(s\) .* an energy and no forces"):
        maker.make([lacking], dataset=[labelled(bulk("Si"))])
    with pytest.warns(UserWarning, match=r"^2 frame\(s\) .* no label"):
        maker.make(dataset=[labelled(bulk("Si")), bulk("Si"), bulk("Si", a=5.5)])


def test_a_committee_that_lacks_an_element(silicon_model):
    maker = campaign()
    message = "committee has a member 0 that knows Si, and structures has Ge: give one"
    with pytest.raises(ValueError, match=message):
        maker.make([bulk("Ge")], committee=[silicon_model])
    with pytest.raises(ValueError, match="knows Si, and explored has C"):
        maker.make([bulk("Si")], committee=[silicon_model], explored=[CARBIDE])
    assert maker.make([bulk("Si")], committee=[str(silicon_model)])

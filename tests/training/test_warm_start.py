"""Trainings that start from the weights of the last iteration."""

import numpy as np
import pytest
from jobflow import run_locally

from flowpot.potentials import load_potential
from flowpot.training import CommitteeTrainingMaker, MACETrainingMaker, PotentialDoc
from flowpot.training.document import predecessor, start_of
from flowpot.training.mace import MACETraining
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from .conftest import ATOM
from .metatrain.test_training import small as small_metatrain
from .test_restarts import options


def test_warm_start_goes_on_from_the_last_weights(silicon_set, member, tmp_path):
    training = MACETraining(options(max_num_epochs=1, lr=1e-4), device="cpu")
    sets = TrainingSets.load(silicon_set)
    starts = [member.model, None]
    warm, fresh = train_members(training, sets, [1, 2], starts, Place(tmp_path))
    before = member.metrics["test"]["forces"]
    assert warm.metrics["test"]["forces"] == pytest.approx(before, rel=0.2)
    assert fresh.metrics["test"]["forces"] > 2 * before
    assert warm.e0s == {"Si": ATOM}


@pytest.mark.slow
def test_metatrain_warm_start(silicon_set, tmp_path):
    """One epoch with a tiny learning rate leaves the model as it was."""
    sets = TrainingSets.load(silicon_set)
    maker = small_metatrain("pet", 3)
    place = Place(tmp_path / "first")
    (before,) = train_members(maker, sets, [1], [None], place)
    maker.hyperparameters["training"] |= {"num_epochs": 1, "learning_rate": 1e-7}
    starts, place = [before.checkpoint, None], Place(tmp_path / "second")
    warm, fresh = train_members(maker, sets, [1, 2], starts, place)
    old, same, other = (
        load_potential(each, "cpu").evaluate(sets.test).forces
        for each in (before, warm, fresh)
    )
    assert np.abs(other - old).max() > 0.1
    assert np.abs(same - old).max() < 1e-3 * np.abs(other - old).max()


def test_a_member_starts_from_its_own_predecessor(member):
    """A lost member starts afresh, as does one that was of another kind."""
    pet = PotentialDoc(backend="metatomic", checkpoint=member.checkpoint)
    committee = {"members": [member, pet], "ranks": [0, 2]}
    training = MACETraining()
    found = [start_of(predecessor(committee, rank), training) for rank in range(4)]
    assert found == [member.model, None, None, None]
    assert start_of(predecessor(member, 5), training) == member.model
    unranked = {"members": [pet.model_dump(), member.model_dump()]}
    assert start_of(predecessor(unranked, 1), training) == member.model
    assert predecessor(None, 0) is None


def test_warm_start_of_a_committee_that_lost_a_member(campaign, silicon_set, clean_dir):
    """The committee is referred to, and only the store knows what it has lost."""
    flow, store = campaign
    trainer = MACETrainingMaker(
        hyperparameters=options(max_num_epochs=1, lr=1e-4),
        warm_start=True,
        device="cpu",
    )
    again = CommitteeTrainingMaker(trainer=trainer, size=3, members_per_job=3).make(
        silicon_set, previous=flow.output, seed=6
    )
    run_locally(
        again,
        store=store,
        create_folders=True,
        ensure_success=True,
        allow_external_references=True,
    )
    first, second, new = again.output.members.resolve(store)
    old = flow.output.members.resolve(store)
    for warm, before in zip((first, second), old, strict=True):
        error = before.metrics["test"]["forces"]
        assert warm.metrics["test"]["forces"] == pytest.approx(error, rel=0.2)
        assert "foundation_model" in warm.hyperparameters
        assert new.metrics["test"]["forces"] > 2 * error
    assert "foundation_model" not in new.hyperparameters
    assert again.output.ranks.resolve(store) == [0, 1, 2]

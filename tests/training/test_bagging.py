"""Members that are trained on bootstrap samples."""

import numpy as np
from jobflow import run_locally

from flowpot.dataset import Dataset
from flowpot.training import CommitteeTrainingMaker, MACETrainingMaker
from flowpot.training.sets import TrainingSets

from .conftest import ATOM
from .test_restarts import options


def test_bagging(silicon_set):
    sets = TrainingSets.load(silicon_set)
    drawn, again, other = (sets.resampled(seed) for seed in (1, 1, 2))
    known = set(sets.train.fingerprints)
    assert len(drawn.train) == len(sets.train)
    assert set(drawn.train.fingerprints) < known
    # a bootstrap sample has 1 - 1/e of the frames on average
    assert len(set(drawn.train.fingerprints)) < 0.85 * len(known)
    assert np.array_equal(drawn.train.energy, again.train.energy)
    assert not np.array_equal(drawn.train.energy, other.train.energy)
    for name in ("val", "test"):
        assert getattr(drawn, name) is getattr(sets, name)
    assert drawn.reference_energies() == {14: ATOM}


def test_bagging_keeps_every_species(silicon_set):
    rare = silicon_set[0]
    rare.numbers[3] = 32
    rare.calc.atoms = rare.copy()  # its labels are as good as any
    frames = Dataset.concatenate([silicon_set[1:], Dataset.from_atoms([rare])])
    sets = TrainingSets.load(frames)
    for seed in range(12):
        assert 32 in sets.resampled(seed).train.numbers


def test_members_of_a_bagged_committee_see_different_frames(
    silicon_set, jobstore, clean_dir
):
    trainer = MACETrainingMaker(hyperparameters=options(max_num_epochs=1), device="cpu")
    flow = CommitteeTrainingMaker(
        trainer=trainer, size=2, members_per_job=2, bagging=True
    ).make(silicon_set)
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    files = sorted(clean_dir.rglob("train.xyz"))
    a, b = (set(Dataset.read(path).fingerprints) for path in files)
    assert a != b
    assert len(a) < 24
    assert len({path.read_text() for path in clean_dir.rglob("val.xyz")}) == 1
    members = flow.output.members.resolve(jobstore)
    assert [each.n_frames["train"] for each in members] == [24, 24]

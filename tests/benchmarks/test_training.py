"""
What a training costs and gives: its figures, printed with ``-s``.

The teacher is Stillinger and Weber's silicon, and the frames are distorted cells of
8 atoms; each study trains real committees, so that a test takes minutes.
"""

import time
from functools import partial

import numpy as np
import pytest
from scipy.stats import spearmanr

from flowpot.dataset import Dataset
from flowpot.evaluation.disagreement import disagreement, error
from flowpot.evaluation.prediction import CommitteePrediction
from flowpot.potentials import evaluate_members, load_potential
from flowpot.training import MACETrainingMaker, members
from flowpot.training.committee import committee_document
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from ..training.conftest import distorted, label, make_silicon  # noqa: TID252

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# ruff: noqa: T201 - the figures are to be seen

SIZE = 3
LONG, SHORT = 32, 8
"""Epochs: of a training from scratch, and a quarter of them."""


def small(epochs):
    return MACETrainingMaker.small(max_num_epochs=epochs, hidden_irreps="8x0e")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    import torch

    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def early():
    """What a first iteration has."""
    return make_silicon(train=32, val=4, test=4, seed=1)


@pytest.fixture(scope="module")
def late(early):
    """What a second one has: as many frames again, further from the crystal."""
    splits = ["train"] * 32 + ["val"] * 4 + ["test"] * 4
    found = [
        label(atoms, split)
        for atoms, split in zip(distorted(40, 2, rattle=0.2), splits, strict=True)
    ]
    return Dataset.concatenate([early, Dataset.from_atoms(found)])


@pytest.fixture(scope="module")
def explored():
    """Frames to judge a committee by: as the late ones, and in no set."""
    frames = [label(atoms, "test") for atoms in distorted(60, 3, rattle=0.2)]
    return Dataset.from_atoms(frames)


def train(maker, dataset, folder, seed, starts=(None,) * SIZE):
    folder.mkdir()
    seeds = range(seed, seed + SIZE)
    sets = TrainingSets.load(dataset)
    found = train_members(maker, sets, seeds, starts, Place(folder))
    assert [each.failure for each in found] == [None] * SIZE
    return found


@pytest.fixture(scope="module")
def first(early, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    return train(small(LONG), early, folder / "run", 1)


def test_overhead_over_the_program_alone(early, tmp_path, monkeypatch):
    """
    Everything that a training does but wait for ``mace_run_train``.

    It is held to its bound in processor time, so that other work does not matter.
    """
    maker = small(2)
    maker.check()  # imports MACE, once in a process
    inside = []

    def timed(*arguments, run):
        begun = time.perf_counter()
        found = run(*arguments)
        inside.append(time.perf_counter() - begun)
        return found

    run = partial(timed, run=members.run_programs)
    monkeypatch.setattr(members, "run_programs", run)
    sets = TrainingSets.load(early)
    begun, cpu = time.perf_counter(), time.process_time()
    (found,) = train_members(maker, sets, [1], [None], Place(tmp_path))
    total, cpu = time.perf_counter() - begun, time.process_time() - cpu
    assert found.failure is None
    alone = sum(inside)
    print(
        f"\n{total - alone:.2f} s over mace_run_train's {alone:.1f} s, {cpu:.2f} s CPU"
    )
    assert cpu < 3.0


def test_a_committees_mean_against_its_members(first, early):
    """The mean is no worse than the members are on average (Jensen's inequality)."""
    found, _ = committee_document(first, early, SIZE)
    for name, unit in (("energy", "eV/atom"), ("forces", "eV/A"), ("stress", "eV/A^3")):
        single = [each["test"][name] for each in found["member_metrics"]]
        mean = found["metrics"]["test"][name]
        each = ", ".join(f"{value:.2e}" for value in single)
        print(f"\n{name}: mean {mean:.2e}, members {each} {unit}", end="")
        assert mean <= np.sqrt(np.mean(np.square(single)))
    print()


def judged(found, late, explored):
    """Accuracy on the test set and on explored frames, and what the spread tells."""
    test, _ = committee_document(found, late, SIZE)
    potentials = [load_potential(each, "cpu") for each in found]
    predicted = evaluate_members(potentials, explored)
    predicted = CommitteePrediction(
        predicted.energy, predicted.forces, predicted.stress
    )
    spread = disagreement(predicted, explored)["forces"]
    wrong = error(predicted, explored)["forces"]
    return {
        "energy (meV/atom)": 1000 * test["metrics"]["test"]["energy"],
        "forces (meV/A)": 1000 * test["metrics"]["test"]["forces"],
        "forces, explored (meV/A)": 1000 * np.sqrt(np.mean(wrong**2)),
        "spread/error": np.sqrt(np.mean(spread**2) / np.mean(wrong**2)),
        "rank correlation": spearmanr(spread, wrong).statistic,
        "seconds": sum(each.seconds for each in found),
    }


def test_warm_against_fresh(first, late, explored, tmp_path):
    """After an iteration: fresh weights, or the last ones, for as long or a quarter."""
    models = [each.model for each in first]
    runs = {
        f"fresh, {LONG} epochs": (LONG, (None,) * SIZE),
        f"warm, {LONG} epochs": (LONG, models),
        f"warm, {SHORT} epochs": (SHORT, models),
    }
    table = {}
    for name, (epochs, starts) in runs.items():
        folder = tmp_path / name.replace(", ", "-")
        found = train(small(epochs), late, folder, 11, starts)
        table[name] = judged(found, late, explored)
    table = {"before": judged(first, late, explored), **table}
    print()
    for column in table["before"]:
        values = "  ".join(f"{name}: {row[column]:.3g}" for name, row in table.items())
        print(f"{column:26s}{values}")
    for name in runs:
        row, before = table[name], table["before"]
        assert row["forces, explored (meV/A)"] < before["forces, explored (meV/A)"]

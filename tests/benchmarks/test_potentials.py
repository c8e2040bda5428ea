"""How fast a committee is evaluated: against ASE frame by frame, and the bare model.

CPU time on one thread, so that what else the machine does matters little.
"""

import time

import numpy as np
import pytest
import torch
from ase.build import bulk
from mace.calculators import MACECalculator

from flowpot.dataset import Dataset
from flowpot.potentials import evaluate_members, load_potential
from flowpot.potentials.base import batches

pytestmark = pytest.mark.slow

MEMBERS = 4


@pytest.fixture(scope="module")
def paths(random_mace, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    for seed in range(MEMBERS):
        torch.save(random_mace(seed), folder / f"{seed}.model")
    return sorted(folder.glob("*.model"))


def silicon(count, repeat):
    rng = np.random.default_rng(1)
    made = []
    for _ in range(count):
        atoms = bulk("Si", "diamond", a=5.43, cubic=True) * repeat
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        made.append(atoms)
    return made


def seconds(function):
    """Best CPU time of three calls, after one that warms up."""
    function()
    times = []
    for _ in range(3):
        begun = time.process_time()
        function()
        times.append(time.process_time() - begun)
    return min(times)


@pytest.mark.parametrize(
    ("count", "repeat", "least_gain"),
    [(200, (1, 1, 1), 6.0), (100, (2, 2, 1), 2.5)],
    ids=["8 atoms", "32 atoms"],
)
def test_committee(paths, count, repeat, least_gain, record_property):
    frames = silicon(count, repeat)
    dataset = Dataset.from_atoms(frames)
    potentials = [load_potential(path, "cpu") for path in paths]
    ours = seconds(lambda: evaluate_members(potentials, dataset))

    calculators = [MACECalculator(model_paths=str(p), device="cpu") for p in paths]
    few = frames[:20]
    one_by_one = (
        count
        / len(few)
        * seconds(lambda: [c.calculate(atoms) for c in calculators for atoms in few])
    )

    pieces = [dataset[batch] for batch in batches(dataset.n_atoms, 256)]
    graphs = [potentials[0].build_graph(p) for p in pieces]
    inputs = [potentials[0]._tensors(graph) for graph in graphs]

    def bare():
        for potential in potentials:
            for given in inputs:
                fresh = {**given, "positions": given["positions"].clone()}
                potential.model(fresh, compute_stress=True)

    forward = seconds(bare)
    gain, overhead = one_by_one / ours, ours / forward
    record_property("frames per second", count / ours)
    record_property("gain over ASE frame by frame", gain)
    record_property("over the bare forward passes", overhead)
    found = f"{count / ours:.0f} frames/s, {gain:.1f} x ASE, {overhead:.2f} x bare"
    print(f"\n{found}")  # noqa: T201, the figures are the point
    assert gain > least_gain
    assert overhead < 1.15

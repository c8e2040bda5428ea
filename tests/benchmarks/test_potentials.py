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
from flowpot.potentials.base import default_batch_size
from flowpot.potentials.batching import batches
from flowpot.potentials.mace import MACEPotential

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


def one_pass(potential, tensors):
    """Run the model and the derivative that `evaluate_graph` needs, nothing else."""
    fresh = {**tensors, "positions": tensors["positions"].clone()}
    potential.model(fresh, compute_force=False, compute_edge_forces=True)


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

    size = default_batch_size(potentials)
    pieces = [dataset[batch] for batch in batches(dataset.n_atoms, size)]
    graphs = [potentials[0].build_graph(p) for p in pieces]
    inputs = [potentials[0]._tensors(graph) for graph in graphs]

    def bare():
        for potential in potentials:
            for given in inputs:
                one_pass(potential, given)

    forward = seconds(bare)
    gain, overhead = one_by_one / ours, ours / forward
    record_property("frames per second", count / ours)
    record_property("gain over ASE frame by frame", gain)
    record_property("over the bare forward passes", overhead)
    found = f"{count / ours:.0f} frames/s, {gain:.1f} x ASE, {overhead:.2f} x bare"
    print(f"\n{found}")  # noqa: T201, the figures are the point
    assert gain > least_gain
    assert overhead < 1.15


DEFAULT_SIZE = {
    "hidden_irreps": "128x0e + 128x1o",
    "max_ell": 3,
    "correlation": 3,
    "r_max": 4.5,
    "avg_num_neighbors": 21.6,  # of silicon within 4.5 A
}


@pytest.mark.parametrize("repeat", [(1, 1, 1), (2, 2, 1)], ids=["8", "32 atoms"])
@pytest.mark.parametrize("options", [{}, DEFAULT_SIZE], ids=["small", "default"])
def test_one_model_in_float64(options, repeat, random_mace, record_property):
    """In turns, so that what else the machine does changes all of them alike."""
    torch.set_num_threads(1)
    model = random_mace(1, dtype="float64", **options)
    potential = MACEPotential(model, "cpu")
    frames = silicon(48 if not options else 8, repeat)
    few, dataset = frames[:8], Dataset.from_atoms(frames)
    calculator = MACECalculator(models=model, device="cpu", default_dtype="float64")
    size = default_batch_size([potential])
    inputs = [
        potential._tensors(potential.build_graph(dataset[batch]))
        for batch in batches(dataset.n_atoms, size)
    ]

    def bare():
        for given in inputs:
            one_pass(potential, given)

    calls = {
        "batched": lambda: potential.evaluate(dataset),
        "ASE": lambda: [calculator.calculate(atoms) for atoms in few],
        "bare": bare,
    }
    best = dict.fromkeys(calls, np.inf)
    for turn in range(6):
        for name, call in calls.items():
            begun = time.process_time()
            call()
            if turn:  # the first one warms up
                best[name] = min(best[name], time.process_time() - begun)
    per_frame = best["batched"] / len(frames)
    of_ase = per_frame / (best["ASE"] / len(few))
    of_bare = best["batched"] / best["bare"]
    record_property("of ASE's time", of_ase)
    record_property("of the bare passes", of_bare)
    found = f"{1e3 * per_frame:.1f} ms a frame, {of_ase:.2f} of ASE's, {of_bare:.2f}"
    print(f"\n{found} of the bare passes, batches of {size} atoms")  # noqa: T201
    assert of_ase <= 1.0
    assert of_bare < 1.15

"""
What batched molecular dynamics saves, printed with ``-s`` and held to its bounds.

In processor time of one thread, so that other work on the machine changes it little.
"""

import io
import time

import pytest
import torch
from ase.build import bulk

from flowpot.exploration.batched.dynamics import Dynamics
from flowpot.exploration.batched.forces import PotentialForces
from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.driver import main
from flowpot.exploration.lammps.run import Run, read_outcome, write_run
from flowpot.exploration.sampling import Output
from flowpot.potentials.mace import MACEPotential

pytestmark = pytest.mark.slow

REPLICAS = 20

# ruff: noqa: T201 - the figures are to be seen


@pytest.fixture(scope="module")
def small_mace(random_mace):
    """A model of the size of `MACETrainingMaker.small`, with random weights."""
    torch.set_num_threads(1)
    return random_mace(1, atomic_inter_scale=0.05)


def silicon(repeat, seed):
    atoms = bulk("Si", "diamond", a=5.47, cubic=True) * ((repeat,) * 3)
    atoms.rattle(0.02, seed=seed)
    return atoms


def conditions(n_steps, seed=1):
    return Conditions("npt", 300, n_steps=n_steps, timestep=0.5, seed=seed)


def batched_seconds(model, repeat, n_steps, device="cpu"):
    """Processor time of a batch, and what of it is spent in the model's passes."""
    potential = MACEPotential(model, device)
    evaluate, inside = potential.evaluate_graph, [0.0]

    def timed(graph):
        started = time.process_time()
        found = evaluate(graph)
        inside[0] += time.process_time() - started
        return found

    potential.evaluate_graph = timed
    for n in (5, n_steps):  # TorchScript compiles as it goes
        replicas = [
            Replica.begin(silicon(repeat, i), conditions(n, i + 1), "parent")
            for i in range(REPLICAS)
        ]
        dynamics = Dynamics(PotentialForces([potential]), Output(n))
        inside[0], started = 0.0, time.process_time()
        done = dynamics.run(replicas)
        total = time.process_time() - started
    assert all(replica.outcome.halted is None for replica in done)
    assert all(replica.outcome.error is None for replica in done)
    return total, inside[0]


def lammps_seconds(model, repeat, n_steps, folder):
    """Processor time that one replica takes in LAMMPS, without its start-up."""
    buffer = io.BytesIO()
    torch.save(model, buffer)
    file = folder / "small.model"
    file.write_bytes(buffer.getvalue())
    seconds = []
    for n in (5, n_steps):
        place = folder / f"run-{n}"
        member = {"model": str(file)}
        write_run(place, Run(conditions(n), Output(n), [member]), silicon(repeat, 0))
        started = time.process_time()
        main([place])
        seconds.append(time.process_time() - started)
        assert read_outcome(place).n_steps == n
    return (seconds[1] - seconds[0]) * n_steps / (n_steps - 5)


@pytest.mark.parametrize(("repeat", "least"), [(1, 8.0), (2, 1.3)])
def test_against_lammps_and_the_bare_passes(repeat, least, small_mace, tmp_path):
    n_steps = 60 // repeat**2 + 10
    total, inside = batched_seconds(small_mace, repeat, n_steps)
    theirs = lammps_seconds(small_mace, repeat, n_steps + 60, tmp_path)
    ours = 1e3 * total / n_steps / REPLICAS
    theirs = 1e3 * theirs / (n_steps + 60)
    atoms = len(silicon(repeat, 0))
    print(
        f"\n{atoms} atoms, {REPLICAS} replicas: {ours:.2f} ms a replica-step, LAMMPS "
    )
    print(f"{theirs:.2f} ({theirs / ours:.1f}x); over the passes {total / inside:.3f}")
    assert theirs / ours >= least
    assert total / inside <= 1.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu(small_mace):
    for repeat in (1, 2):
        total, inside = batched_seconds(small_mace, repeat, 50, "cuda")
        step = 1e3 * total / 50 / REPLICAS
        print(f"\n{8 * repeat**3} atoms on a GPU: {step:.3f} ms a replica-step, ")
        print(f"over the passes {total / inside:.3f}")
        assert total >= inside > 0

"""What it costs to judge many frames and to choose among them; figures with ``-s``."""

import time
import tracemalloc

import numpy as np
import pytest
import torch
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    disagreement,
    evaluate_committee,
    farthest_points,
    spread_over,
)
from flowpot.potentials import Potential, Prediction
from flowpot.potentials.mace import MACEPotential

# ruff: noqa: T201 - the figures are to be seen

pytestmark = pytest.mark.slow

FRAMES = 10_000


def silicon(count, repeat) -> Dataset:
    """Rattled cells of silicon."""
    rng = np.random.default_rng(0)
    cell = bulk("Si", cubic=True) * repeat
    frames = []
    for _ in range(count):
        atoms = cell.copy()
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        frames.append(atoms)
    return Dataset.from_atoms(frames)


def test_a_thousand_diverse_frames_of_twenty_thousand(record_property):
    """With as many descriptors as a model of 128 channels and 2 layers has."""
    rng = np.random.default_rng(1)
    decay = np.geomspace(1, 1e-3, 256)
    points, known = (rng.normal(size=(n, 256)) * decay for n in (20_000, 5_000))
    start, cpu = time.perf_counter(), time.process_time()
    chosen = farthest_points(points, 1000, known)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    record_property("seconds", wall)
    print(f"\n1000 of 20000 frames, 256 descriptors: {wall:.1f} s, {cpu:.1f} s of CPU")
    assert len(set(chosen)) == 1000
    assert cpu < 10
    tracemalloc.start()
    farthest_points(points, 10, known)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * points.nbytes  # the full matrix of distances is 80 times that


@pytest.mark.parametrize("repeat", [(1, 1, 1), (2, 2, 2)])
def test_descriptors_cost_a_part_of_the_prediction(
    random_mace, record_property, repeat
):
    torch.set_num_threads(1)
    member = MACEPotential(random_mace(1), "cpu")
    frames = silicon(2000 // np.prod(repeat), repeat)
    member.descriptors(frames[:20])
    start = time.process_time()
    member.descriptors(frames)
    describing = time.process_time() - start
    start = time.process_time()
    member.evaluate(frames)
    predicting = time.process_time() - start
    rate = len(frames) / describing
    record_property("frames described per second", rate)
    print(
        f"\n{rate:.0f} frames/s of {frames.n_atoms[0]} atoms described, "
        f"{describing / predicting:.2f} of one member's prediction"
    )
    assert describing < predicting


class Noise(Potential):
    """Random predictions: memory does not depend on what they are."""

    backend = "noise"
    device = "cpu"
    species = ("Si",)
    cutoff = 5.0
    graph_key = "noise"

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def build_graph(self, geometry):
        return len(geometry.cell), len(geometry.positions)

    def describe_graph(self, graph):
        return self.rng.normal(size=(graph[1], 8))

    def evaluate_graph(self, graph):
        n, atoms = graph
        normal = self.rng.normal
        return Prediction(
            normal(size=n), normal(size=(atoms, 3)), normal(size=(n, 3, 3))
        )


def peak_of(judge) -> float:
    tracemalloc.start()
    judge()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def test_ten_thousand_frames_in_the_memory_of_a_few(record_property):
    members = [Noise(seed) for seed in range(4)]
    frames = silicon(FRAMES, (2, 2, 2))

    def at_once():
        prediction = evaluate_committee(members, frames)
        return prediction.mean, disagreement(prediction, frames)

    whole = peak_of(at_once)
    streamed = peak_of(lambda: spread_over(members, frames))
    twice = peak_of(lambda: spread_over(members, [frames, frames]))
    record_property("MB at once", whole)
    record_property("MB streamed", streamed)
    print(
        f"\n{FRAMES} frames of 64 atoms, 4 members: {whole:.0f} MB at once, "
        f"{streamed:.0f} MB in chunks; twice the frames: {twice:.0f} MB"
    )
    assert streamed < 50
    assert twice < 1.2 * streamed + 5
    assert whole > 5 * streamed


def test_ten_thousand_frames_by_a_real_committee(random_mace, record_property):
    torch.set_num_threads(1)
    members = [MACEPotential(random_mace(seed), "cpu") for seed in range(4)]
    frames = silicon(FRAMES, (1, 1, 1))
    start = time.process_time()
    peak = peak_of(lambda: spread_over(members, frames))
    seconds = time.process_time() - start
    record_property("seconds", seconds)
    print(f"\n{FRAMES} frames of 8 atoms: {seconds:.0f} s of CPU, {peak:.0f} MB")
    assert peak < 50

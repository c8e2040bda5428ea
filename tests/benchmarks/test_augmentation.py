"""
The cost of the augmentation stage.

Rates are per second of processor time, all threads of the process counted: on idle
cores the wall time is no longer, and other work on a shared machine does not disturb
the figure. `pytest -s` prints wall times too.
"""

from time import perf_counter, process_time

import numpy as np
import pytest
from ase.build import bulk, graphene, molecule, mx2
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore

from flowpot.augmentation import AugmentationDoc, AugmentationMaker, Distortions

FRAMES_PER_SECOND = 500
"""The reference's whole stage makes 29 a second (its bare distortion loop 800)."""

pytestmark = pytest.mark.slow


def whole_job(n_frames: int) -> tuple[AugmentationDoc, float, float]:
    """Run the default augmentation of four structures as a job, writing included."""
    inputs = [
        bulk("C", "diamond", a=3.567),
        graphene(),
        mx2("MoS2", vacuum=None),
        molecule("C60"),
    ]
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    wall, processor = perf_counter(), process_time()
    maker = AugmentationMaker(distortion=Distortions(n_frames=n_frames))
    job = maker.make(inputs, seed=1)
    responses = run_locally(job, store=store, log=False, ensure_success=True)
    doc = responses[job.uuid][1].output
    return doc, perf_counter() - wall, process_time() - processor


def best_of(runs: int, n_frames: int) -> tuple[AugmentationDoc, float, float]:
    """Return the fastest of several runs."""
    made = [whole_job(n_frames) for _ in range(runs)]
    doc = made[0][0]
    return doc, min(run[1] for run in made), min(run[2] for run in made)


@pytest.fixture(autouse=True)
def _warm(clean_dir):
    """Leave what is imported at the first call out of the figures."""
    whole_job(1)


def test_500_frames_a_second_as_a_whole_job():
    doc, wall, processor = best_of(4, 50)
    rate = doc.n_frames / processor
    print(  # noqa: T201
        f"\n{doc.n_frames} frames, {doc.n_atoms} atoms: {rate:.0f} frames/s of "
        f"processor time ({processor:.2f} s), {doc.n_frames / wall:.0f} of wall time"
    )
    assert doc.counts["distorted"] + doc.counts["vacancy"] == 200
    assert {"slab", "cluster", "substituted", "isolated_atom"} <= doc.counts.keys()
    assert rate >= FRAMES_PER_SECOND


def test_cost_is_linear_in_frames():
    sizes = (100, 300, 900)
    runs = [best_of(3, size) for size in sizes]
    frames = np.array([run[0].n_frames for run in runs])
    seconds = np.array([run[2] for run in runs])
    marginal = np.diff(seconds) / np.diff(frames)
    print(f"\n{frames} frames: {seconds.round(3)} s, {1e3 * marginal} ms more")  # noqa: T201
    assert marginal[1] < 2 * marginal[0]
    assert frames[-1] / seconds[-1] > FRAMES_PER_SECOND

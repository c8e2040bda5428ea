"""
What a label costs beyond pw.x itself.

Two figures each: processor time of this process, which other work on the machine does
not disturb and which is what a busy machine loses; and the wall time over bare pw.x,
run by hand in turns with the jobs. `pytest -s` prints them.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore

from flowpot.dataset import Dataset
from flowpot.labelling import EspressoStaticMaker, LabellingMaker

pytestmark = [pytest.mark.slow, pytest.mark.qe]

MOST_SECONDS = 0.15  # beyond pw.x, a job
N_JOBS = int(os.environ.get("FLOWPOT_BENCHMARK_JOBS", "200"))


@pytest.fixture
def maker() -> EspressoStaticMaker:
    """pw.x takes a quarter of a second: what surrounds it shows."""
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=2.0,
        user_settings={"SYSTEM": {"ecutwfc": 8.0}},
    )


def frame(seed: int) -> Atoms:
    """A rattled pair of silicon atoms."""
    atoms = bulk("Si", "diamond", a=5.43)
    atoms.rattle(0.05, seed=seed)
    return atoms


def bare(maker: EspressoStaticMaker, atoms: Atoms, folder: Path) -> float:
    """Time pw.x run by hand on the same input, in the same environment (s)."""
    folder.mkdir(exist_ok=True)
    maker.get_input_set(atoms).write(folder)
    alone = {"ess_singleton_isolated": "1", "pml": "ob1", "btl": "self"}
    settings = {f"OMPI_MCA_{name}": value for name, value in alone.items()}
    start = perf_counter()
    with (folder / "pw.out").open("wb") as output:
        subprocess.run(
            ["pw.x", "-in", "pw.in"],
            cwd=folder,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **settings, "OMP_NUM_THREADS": "1"},
            check=True,
        )
    return perf_counter() - start


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall time and this process's processor time of some work (s)."""
    wall, processor = perf_counter(), process_time()
    work()
    return perf_counter() - wall, process_time() - processor


def store() -> JobStore:
    """A JobStore in memory."""
    made = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    made.connect()
    return made


def report(what: str, wall: float, processor: float) -> None:
    """Print one line of the table."""
    print(f"\n{what:40}{1e3 * processor:7.0f} ms{1e3 * wall:9.0f} ms")  # noqa: T201


def run_one(maker: EspressoStaticMaker, atoms: Atoms) -> None:
    """Run a `qe static` job as a user does."""
    job = maker.make(atoms)
    run_locally(job, store=store(), create_folders=True, log=False, ensure_success=True)


def test_one_job(maker, clean_dir):
    run_one(maker, frame(0))  # imports
    walls, processors, alone = [], [], []
    for seed in range(10):
        alone.append(bare(maker, frame(seed), clean_dir / "bare"))
        wall, processor = timed(lambda seed=seed: run_one(maker, frame(seed)))
        walls.append(wall)
        processors.append(processor)
    middle = len(walls) // 2
    over = sorted(w - a for w, a in zip(walls, alone, strict=True))[middle]
    report("one job: processor, wall over pw.x", over, sorted(processors)[middle])
    assert sorted(processors)[middle] < MOST_SECONDS


@pytest.mark.parametrize(
    "batch", [{}, {"batch_size": 20}, {"batch_size": 20, "parallel": 2}], ids=str
)
def test_200_jobs(maker, clean_dir, batch):
    run_one(maker, frame(0))
    frames = [frame(seed) for seed in range(N_JOBS)]
    alone = [bare(maker, atoms, clean_dir / "bare") for atoms in frames[::10]]
    flow = LabellingMaker(static_maker=maker, **batch).make(Dataset.from_atoms(frames))
    wall, processor = timed(
        lambda: run_locally(
            flow, store=store(), create_folders=True, log=False, ensure_success=True
        )
    )
    ideal = N_JOBS * sum(alone) / len(alone) / batch.get("parallel", 1)
    what = f"{N_JOBS} frames {batch or 'a job each'}"
    report(what, (wall - ideal) / N_JOBS, processor / N_JOBS)
    assert processor / N_JOBS < MOST_SECONDS

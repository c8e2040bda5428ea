"""Trajectories that run out of time go on in other jobs until their steps are done."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from jobflow import run_locally

from flowpot.dataset import Dataset
from flowpot.exploration import ExplorationMaker, LammpsMDMaker
from flowpot.exploration.lammps.launch import run_drivers


@pytest.fixture
def explore(clean_dir, jobstore, emt):
    """Explore from two cells of copper; return the document and the jobs' names."""
    frames = [bulk("Cu", cubic=True) * (2, 1, 1) for _ in range(2)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.03, seed=seed)

    def run(n_steps=40, **fields):
        maker = ExplorationMaker(
            md_maker=LammpsMDMaker(n_steps=n_steps, sample_interval=10, **fields),
            n_starts=2,
            temperatures=(300, 600),
            runs_per_job=2,
        )
        flow = maker.make(emt, Dataset.from_atoms(frames), seed=3)
        before = jobstore.count()
        run_locally(flow, store=jobstore, create_folders=True)
        names = [doc["name"] for doc in jobstore.query(properties=["name"])][before:]
        return flow.output.resolve(jobstore), Counter(names)

    return run


def test_with_a_walltime_the_steps_and_frames_are_those_without(explore):
    whole, _ = explore()
    cut, jobs = explore(walltime=0.3 * whole.md_seconds)
    assert jobs["lammps md"] > 1
    assert cut.n_steps == whole.n_steps == 80
    assert (cut.n_short, cut.n_steps_missing, cut.failures) == (0, 0, [])
    assert (cut.n_runs, cut.n_frames) == (2, whole.n_frames)
    one, other = (Dataset.load(document) for document in (whole, cut))
    for name in ("trajectory", "md_step", "temperature", "parent"):
        assert one.info[name].tolist() == other.info[name].tolist()
    np.testing.assert_allclose(one.cell, other.cell, atol=1e-7)
    for atoms, twin in zip(one, other, strict=True):
        # When LAMMPS wraps an atom into its box, a restart may change.
        moved = atoms.cell.scaled_positions(atoms.positions - twin.positions)
        np.testing.assert_allclose(moved, moved.round(), atol=1e-8)


def test_what_comes_no_further_is_counted(explore):
    document, jobs = explore(walltime=1e-9)
    assert jobs["lammps md"] == 1
    assert (document.n_short, document.n_steps_missing) == (2, 80)
    assert document.n_failed == 0
    assert ["walltime" in each.reason for each in document.failures] == [True, True]


@pytest.mark.slow
def test_a_killed_job_s_trajectories_go_on_from_the_cache(
    clean_dir, explore, monkeypatch
):
    """The worker dies in the middle; the job in its place does only the rest."""
    begun = []

    def dying(folders, **options):
        if begun:
            return run_drivers(folders, **options)
        begun.append(Path(folders[0]).resolve())
        outcomes = run_drivers(folders[:1], **options)
        assert outcomes[0].n_steps == 40
        raise KeyboardInterrupt

    monkeypatch.setattr("flowpot.exploration.lammps.makers.run_drivers", dying)
    cache = clean_dir / "cache"
    with pytest.raises(KeyboardInterrupt):
        explore(cache=str(cache))
    log = begun[0] / "log.lammps"
    written = log.stat().st_mtime_ns
    assert cache in log.parents
    document, _ = explore(cache=str(cache))
    assert (document.n_steps, document.n_failed) == (80, 0)
    [found] = clean_dir.glob("job_*/run-000/log.lammps")
    assert found.stat().st_mtime_ns == written, "it was not run again"
    assert not begun[0].exists()

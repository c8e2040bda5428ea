"""
What running a campaign costs beside its engines: wall time when no engine is at work.

An iteration of 200 labels that take a second each, with training, MD and evaluation,
two jobs at a time. FLOWPOT_BENCHMARK_LABELS=N takes another number.
"""

import os
import time

import pytest
from ase import Atoms
from ase.build import bulk
from jobflow_remote import submit_flow
from jobflow_remote.jobs.state import JobState
from logged_emt import LoggedEMTMaker, label_intervals
from remote_runner import RemoteRunner

from flowpot import Campaign, Dataset
from flowpot.campaign import ResumableRun, embedded_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(7200),
]

N_LABELS = int(os.environ.get("FLOWPOT_BENCHMARK_LABELS", "200"))
ENGINES = ("mace train", "lammps md", "evaluate committee")


@pytest.fixture
def flow(copper_campaign, tmp_path):
    """One iteration, with frames to label."""
    frames = [bulk("Cu", cubic=True) for _ in range(N_LABELS - 1)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
    kinds = ["distorted"] * len(frames) + ["isolated_atom"]
    frames.append(Atoms("Cu", cell=[15.0] * 3))
    dataset = Dataset.from_atoms(frames).with_info(config_type=kinds)
    labeller = LoggedEMTMaker(log=str(tmp_path / "labels.log"), seconds=1.0)
    campaign = copper_campaign(labeller, augmentation=None, max_iterations=1)
    return campaign.make(dataset=dataset)


def covered(intervals: list[tuple[float, float]]) -> float:
    """Length of the union of intervals (s)."""
    total, end = 0.0, float("-inf")
    for begin, stop in sorted(intervals):
        total += max(0.0, stop - max(begin, end))
        end = max(end, stop)
    return total


def report(where: str, wall: float, engines: float, n_jobs: int) -> None:
    overhead = wall - engines
    print(  # noqa: T201
        f"\noverhead, {where}: {N_LABELS} labels, {n_jobs} jobs, {wall:.0f} s in all, "
        f"{engines:.0f} s with an engine at work, {overhead:.0f} s without "
        f"({overhead / n_jobs:.2f} s a job, {overhead / wall:.0%})"
    )


def test_overhead_local(flow, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    started, intervals, n_jobs = {}, [], []

    def watch(event, job, response):
        if event == "started":
            started[job.uuid, job.index] = time.time()
            return
        n_jobs.append(job.name)
        if job.name in ENGINES:
            intervals.append((started[job.uuid, job.index], time.time()))

    begin = time.time()
    store = embedded_store(tmp_path / "db")
    ResumableRun(tmp_path / "run", store, watch).run(flow)
    wall = time.time() - begin
    assert Campaign.from_store(store, "copper").doc.stop_kind == "max_iterations"
    labels = label_intervals(tmp_path / "labels.log")
    assert len(labels) == N_LABELS
    report("one process", wall, covered([*intervals, *labels]), len(n_jobs))


@pytest.mark.parametrize("kind", ["shell", "batch"])
def test_overhead_remote(flow, kind, new_project, mongo_uri, local_worker, tmp_path):
    worker = dict(local_worker)
    if kind == "batch":
        worker["batch"] = {
            "jobs_handle_dir": str(tmp_path / "handles"),
            "work_dir": str(tmp_path / "batches"),
            "max_wait": 10,
            "sleep_time": 0.5,
        }
    runner = RemoteRunner(new_project(mongo_uri, {"main": worker}))
    submit_flow(flow, worker="main")
    begin = time.time()
    runner.start()
    states = runner.finish(7000)
    assert set(states) == {JobState.COMPLETED}
    campaign = Campaign.from_store(runner.project.get_jobstore(), "copper")
    assert campaign.doc.stop_kind == "max_iterations"
    infos = runner.controller.get_jobs_info()
    wall = max(info.end_time.timestamp() for info in infos) - begin
    labels = label_intervals(tmp_path / "labels.log")
    intervals = [
        (info.start_time.timestamp(), info.end_time.timestamp())
        for info in infos
        if info.name in ENGINES
    ]
    report(
        f"jobflow-remote, {kind} worker, two at a time",
        wall,
        covered([*intervals, *labels]),
        len(infos),
    )

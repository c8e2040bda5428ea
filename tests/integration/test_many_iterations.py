"""What the loop itself costs: a hundred iterations whose stages do nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import pytest
from ase.build import bulk
from atomate2.forcefields.jobs import ForceFieldStaticMaker
from jobflow_remote import submit_flow
from jobflow_remote.jobs.state import JobState
from monty.json import MontyEncoder
from remote_runner import RemoteRunner

from flowpot import Campaign, Dataset, LabellingMaker
from flowpot.campaign import ResumableRun, embedded_store, ensure_indexes
from trivial_campaign import trivial_campaign

N = 100
EARLY, LATE = range(9, 25), range(84, 100)
"""Iterations: with eight of them joined, and with 64."""
N_REMOTE = 11


@dataclass
class Meter:
    """Notes the size of each job as it is stored, and when each iteration began."""

    clock: Callable[[], float] = time.perf_counter
    sizes: dict = field(default_factory=dict)
    began: dict = field(default_factory=dict)

    def watch(self, event, job, _):
        iteration = job.metadata.get("iteration")
        if event == "started" and iteration is not None:
            self.began.setdefault(iteration, self.clock())
            size = len(MontyEncoder().encode(job))
            self.sizes.setdefault(job.name, {})[iteration] = size

    def seconds(self, iterations):
        return median(self.began[i + 1] - self.began[i] for i in iterations)


def largest(sizes, iterations):
    """Most bytes of each kind of job in some iterations."""
    return {
        name: max(
            size for iteration, size in by_iteration.items() if iteration in iterations
        )
        for name, by_iteration in sizes.items()
    }


@pytest.fixture
def jobstore(open_mongo_store):
    """A JobStore in MongoDB, with the indexes that jobflow-remote gives it."""
    store = open_mongo_store()
    ensure_indexes(store)
    store.additional_stores["data"].ensure_index("blob_uuid")
    return store


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_they_are_all_alike(jobstore, clean_dir):
    """
    No document grows, and an iteration takes no longer, once eight of them were joined.

    (The CampaignDoc that ends it all has a record of each iteration, by reference.)
    """
    meter = Meter()
    run = ResumableRun(clean_dir / "run", jobstore, meter.watch)
    flow = run.run(trivial_campaign(N).make([bulk("Cu")]))
    campaign = Campaign.from_store(jobstore, flow.output.uuid)
    assert len(campaign.doc.iterations) == N, campaign.doc.stop_reason

    outputs = sizes_of_outputs(jobstore)
    # A job has a line for each joined shard that it reads; outputs have none.
    for what, sizes, most in (("jobs", meter.sizes, 1.25), ("outputs", outputs, 1.02)):
        early, late = largest(sizes, EARLY), largest(sizes, LATE)
        print(f"bytes of {what}: {early} at first, {late} at last")  # noqa: T201
        for name in early:
            assert late[name] <= most * early[name], name
    first, last = meter.seconds(EARLY), meter.seconds(LATE)
    print(f"seconds per iteration: {first:.3f} at first, {last:.3f} at last")  # noqa: T201
    assert last < 2 * first


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_so_they_are_without_a_server(clean_dir):
    """CPU of an iteration in the store that `flowpot run` uses, within 25 %."""
    meter = Meter(clock=time.process_time)
    store = embedded_store(clean_dir / "db")
    run = ResumableRun(clean_dir / "run", store, meter.watch)
    run.run(trivial_campaign(N).make([bulk("Cu")]))
    first, last = meter.seconds(EARLY), meter.seconds(LATE)
    print(f"CPU seconds per iteration: {first:.3f} at first, {last:.3f} at last")  # noqa: T201
    assert last < 1.25 * first


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_so_are_two_thousand_labels(clean_dir):
    """CPU of a label in the same store, within 25 %."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(2000):
        frames.append(bulk("Cu", cubic=True))
        frames[-1].positions += rng.normal(0, 0.05, (4, 3))
    name = {"@module": "ase.calculators.emt", "@callable": "EMT"}
    maker = ForceFieldStaticMaker(force_field_name=name)
    ended = []

    def watch(event, job, _):
        if event == "finished" and job.name == maker.name:
            ended.append(time.process_time())

    run = ResumableRun(clean_dir / "run", embedded_store(clean_dir / "db"), watch)
    run.run(LabellingMaker(static_maker=maker).make(Dataset.from_atoms(frames)))
    seconds = np.diff(ended)
    first, last = median(seconds[50:250]), median(seconds[-200:])
    print(f"CPU seconds per label: {first:.4f} at first, {last:.4f} at last")  # noqa: T201
    assert last < 1.25 * first


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_so_they_are_under_jobflow_remote(new_project, mongo_uri, local_worker):
    project = new_project(mongo_uri, {"main": local_worker})
    flow = trivial_campaign(N_REMOTE).make([bulk("Cu")])
    submit_flow(flow, worker="main")
    runner = RemoteRunner(project)
    runner.start()
    assert set(runner.finish()) == {JobState.COMPLETED}
    with project.get_jobstore() as store:
        campaign = Campaign.from_store(store, flow.output.uuid)
        assert len(campaign.dataset()) == len(campaign.iteration_docs) == N_REMOTE
        assert len(campaign.doc.dataset) < N_REMOTE / 2
        records = store.query({"name": "record iteration"}, sort={"completed_at": 1})
        found = [(len(each["hosts"]), each["completed_at"]) for each in records]
    hosts, ended = zip(*found, strict=True)
    assert max(hosts) == 2
    ended = np.array(ended, dtype="datetime64[ms]")
    seconds = np.diff(ended).astype(float) / 1000
    first, last = median(seconds[:3]), median(seconds[-3:])
    print(f"seconds per iteration: {first:.1f} at first, {last:.1f} at last")  # noqa: T201


def sizes_of_outputs(jobstore):
    """Bytes of each iteration's last output without blobs, by job name."""
    found = {}
    for document in jobstore.query(load=False, sort={"index": 1}):
        iteration = document["metadata"].get("iteration")
        if iteration is not None and document["name"] != "active learning":
            size = len(MontyEncoder().encode(document["output"]))
            found.setdefault(document["name"], {})[iteration] = size
    return found

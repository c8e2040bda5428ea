"""Labels and training as Slurm jobs, each kind with resources of its own."""

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow
from jobflow_remote import set_run_config, submit_flow
from jobflow_remote.jobs.state import JobState
from logged_emt import LoggedEMTMaker
from remote_runner import RemoteRunner
from slurm_cluster import OneNodeSlurm, missing_for_slurm

from flowpot import (
    CommitteeTrainingMaker,
    Dataset,
    LabellingMaker,
    MACETrainingMaker,
)
from flowpot.labelling import LabellingDoc

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(
        missing_for_slurm() is not None, reason=f"Slurm: {missing_for_slurm()}"
    ),
]


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A running one-node cluster, which `sbatch` and `squeue` talk to."""
    cluster = OneNodeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("SLURM_CONF", str(cluster.config))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def distorted_copper(n_frames: int) -> Dataset:
    frames = [bulk("Cu", cubic=True) for _ in range(n_frames)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
    return Dataset.from_atoms(frames)


def test_each_kind_of_job_gets_its_resources(
    slurm, new_project, mongo_uri, local_worker, tmp_path
):
    project = new_project(
        mongo_uri, {"slurm": local_worker | {"scheduler_type": "slurm", "max_jobs": 4}}
    )
    labeller = LoggedEMTMaker(log=str(tmp_path / "labels.log"), seconds=1.0)
    labelling = LabellingMaker(static_maker=labeller).make(distorted_copper(6))
    training = CommitteeTrainingMaker(
        trainer=MACETrainingMaker.small(max_num_epochs=1, E0s="average"),
        size=2,
        members_per_job=2,
    ).make(labelling.output.dataset)
    flow = Flow([labelling, training])
    kinds = {
        "qe static": {"ntasks": 2, "time": "00:07:00"},
        "mace train": {"ntasks": 1, "cpus_per_task": 4, "time": "02:00:00"},
    }
    for name, resources in kinds.items():
        set_run_config(flow, name_filter=name, resources=resources, dynamic=True)
    submit_flow(flow, worker="slurm", resources={"ntasks": 1, "time": "00:03:00"})
    runner = RemoteRunner(project)
    runner.start()
    # The first label dies with its node, as far as Slurm's user can tell.
    first = runner.wait_for(lambda: runner.jobs("qe static", JobState.RUNNING))[0]
    slurm.command("scancel", "--signal=KILL", "--full", first.remote.process_id)
    assert runner.finish() == {JobState.COMPLETED: 11, JobState.FAILED: 1}

    given = {"qe_static": ("2", "7"), "mace_train": ("4", "120")}
    jobs = slurm.completed()
    assert len(jobs) == 12
    for job in jobs:
        expected = given.get(job["Name"], ("1", "3"))
        assert (job["ProcCnt"], job["TimeLimit"]) == expected, job["Name"]
    with project.get_jobstore() as store:
        document = LabellingDoc.model_validate(
            store.get_output(labelling.output.uuid, load=True)
        )
    assert document.n_labelled == 6
    assert np.isfinite(Dataset.load(document).forces).all()

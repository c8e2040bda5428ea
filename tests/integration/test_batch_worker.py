"""Many small labels in few processes: a `batch` worker of jobflow-remote."""

import pytest
from ase.build import bulk
from jobflow_remote import set_run_config, submit_flow
from jobflow_remote.jobs.state import JobState
from logged_emt import LoggedEMTMaker, n_recomputed
from remote_runner import RemoteRunner

from flowpot import Dataset, LabellingMaker
from flowpot.labelling import LabellingDoc

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_labels_share_batch_processes(
    new_project, mongo_uri, local_worker, tmp_path, monkeypatch
):
    batch = {
        "jobs_handle_dir": str(tmp_path / "handles"),
        "work_dir": str(tmp_path / "batches"),
        "max_jobs_per_batch": 6,
        "max_wait": 5,
        "sleep_time": 0.5,
    }
    workers = {
        "main": local_worker,
        "batch": local_worker | {"batch": batch, "work_dir": str(tmp_path / "labels")},
    }
    project = new_project(mongo_uri, workers)
    frames = [bulk("Cu", cubic=True) for _ in range(12)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.05, seed=seed)
    log = tmp_path / "labels.log"
    maker = LabellingMaker(static_maker=LoggedEMTMaker(log=str(log)))
    flow = maker.make(Dataset.from_atoms(frames))
    set_run_config(flow, name_filter="qe static", worker="batch", dynamic=True)
    submit_flow(flow, worker="main")
    runner = RemoteRunner(project)
    runner.start()
    assert runner.finish() == {JobState.COMPLETED: 14}

    batches = runner.controller.get_batches()
    assert 2 <= len(batches) <= 4
    assert sum(len(each.jobs) for each in batches) == 12
    with project.get_jobstore() as store:
        document = LabellingDoc.model_validate(
            store.get_output(flow.output.uuid, load=True)
        )
    assert document.n_labelled == 12
    assert n_recomputed(log) == 0

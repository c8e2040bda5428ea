"""
The same Flow on MongoDB, in this process and by jobflow-remote's runner.

Copper labelled by ASE's EMT; MACE trains and LAMMPS explores as ever. The runner with
atomate2's own static Maker is in `test_tutorial_cluster`.
"""

import pytest
from ase.build import bulk
from jobflow import JobStore, run_locally
from jobflow_remote import set_run_config, submit_flow
from jobflow_remote.jobs.runner import Runner
from logged_emt import LoggedEMTMaker

from flowpot import Campaign, Dataset, LabellingMaker

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def copper_flow(copper_campaign, tmp_path_factory):
    """Make the campaign's Flow, with labels that cost nothing, six in a job."""
    log = tmp_path_factory.mktemp("labels") / "labels.log"
    labelling = LabellingMaker(static_maker=LoggedEMTMaker(log=str(log)), batch_size=6)
    campaign = copper_campaign(labelling.static_maker, labelling=labelling)
    return lambda: campaign.make([bulk("Cu", cubic=True)])


def selected_frames(store: JobStore) -> list[list[str]]:
    """Fingerprints of what each iteration chose."""
    store.connect()
    criteria = {"name": "evaluate committee", "metadata.campaign": "copper"}
    documents = store.query(criteria, sort={"metadata.iteration": 1}, load=True)
    return [
        Dataset.load(document["output"]["dataset"]).fingerprints.tolist()
        for document in documents
    ]


@pytest.fixture(scope="module")
def local_run(copper_flow, open_mongo_store, tmp_path_factory):
    """The campaign, run in this process on MongoDB over TCP."""
    patch = pytest.MonkeyPatch()
    patch.setenv("OMP_NUM_THREADS", "1")
    store = open_mongo_store()
    folder = tmp_path_factory.mktemp("copper")
    try:
        run_locally(
            copper_flow(),
            store=store,
            root_dir=folder,
            create_folders=True,
            ensure_success=True,
        )
    finally:
        patch.undo()
    return store


def test_mongodb(local_run):
    campaign = Campaign.from_store(local_run, "copper")
    assert [doc.iteration for doc in campaign.doc.iterations] == [1, 2]
    assert campaign.doc.stop_kind == "max_iterations"
    frames = campaign.dataset()
    assert len(frames) == campaign.doc.iterations[-1].n_dataset
    assert set(frames.info["split"]) == {"train", "val", "test"}
    assert len(campaign.committee().members) == 2


def test_jobflow_remote(copper_flow, local_run, remote_project):
    """
    The runner executes the campaign, and the workers chosen at submission hold.

    The same seed selects the same frames, whoever runs the jobs.
    """
    flow = copper_flow()
    set_run_config(flow, name_filter="qe static", worker="dft", dynamic=True)
    submit_flow(flow, worker="main")
    Runner("flowpot").run_all_jobs(max_seconds=800)

    controller = remote_project.get_job_controller()
    jobs = controller.get_jobs_info()
    states = {(job.name, job.state.value) for job in jobs}
    assert {state for _, state in states} == {"COMPLETED"}, states
    second = controller.get_jobs_info(metadata={"iteration": 2})
    assert {job.worker for job in second if job.name == "qe static"} == {"dft"}
    assert {job.worker for job in second if job.name != "qe static"} == {"main"}

    store = remote_project.get_jobstore()
    campaign = Campaign.from_store(store, "copper")
    assert campaign.doc.stop_kind == "max_iterations"
    assert selected_frames(store) == selected_frames(local_run)

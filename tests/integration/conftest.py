"""A real jobflow-remote project on a real MongoDB-wire server."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import jobflow_remote
import numpy as np
import pytest
from ase.build import bulk
from jobflow import JobStore, run_locally
from jobflow_remote.config import ConfigManager
from maggma.stores import MemoryStore

from flowpot import (
    ActiveLearningMaker,
    AugmentationMaker,
    Campaign,
    CommitteeTrainingMaker,
    Dataset,
    EvaluationMaker,
    ExplorationMaker,
    LabellingMaker,
    LammpsMDMaker,
    MACETrainingMaker,
)
from flowpot.augmentation import Distortions
from flowpot.evaluation import SelectionRules

HERE = str(Path(__file__).parent)
sys.path.append(HERE)  # for the modules that workers import too

from logged_emt import LoggedEMTMaker, n_recomputed  # noqa: E402
from remote_runner import RemoteRunner, kill_project  # noqa: E402


def stores_of(uri: str) -> dict:
    """Specification of a JobStore in a database of its own, as jobflow writes it."""
    common = {"uri": uri, "database": f"flowpot_{uuid.uuid4().hex}"}
    return {
        "docs_store": {
            "type": "MongoURIStore",
            "collection_name": "docs",
            **common,
        },
        "additional_stores": {
            "data": {"type": "GridFSURIStore", "collection_name": "data", **common}
        },
    }


@pytest.fixture(scope="session")
def open_mongo_store(mongo_uri):
    """Open JobStores of MongoDB and GridFS over TCP, each with its own database."""

    def open_store() -> JobStore:
        spec = stores_of(mongo_uri)
        store = JobStore.from_dict_spec(spec)
        store.connect()
        return store

    return open_store


@pytest.fixture
def local_worker(tmp_path) -> dict:
    """The settings of a worker on this machine."""
    bin_folder = Path(sys.executable).parent
    return {
        "type": "local",
        "scheduler_type": "shell",
        "work_dir": str(tmp_path / "work"),
        "pre_run": f"export PATH={bin_folder}:$PATH OMP_NUM_THREADS=1\n"
        f"export PYTHONPATH={HERE}:{Path(HERE).parent}:$PYTHONPATH",
        "timeout_execute": 60,
        "max_jobs": 2,
    }


@pytest.fixture
def new_project(tmp_path, monkeypatch):
    """
    Set up a jobflow-remote project with given workers on a given server.

    jobflow-remote's settings, here and in `jf`, point to it while the test runs.
    """

    def set_up(uri: str, workers: dict[str, dict], **runner) -> object:
        spec = stores_of(uri)
        config = {
            "name": "flowpot",
            "base_dir": str(tmp_path / "jf"),
            "workers": workers,
            "queue": {"store": spec["docs_store"] | {"collection_name": "jobs"}},
            "jobstore": spec,
            "runner": {
                "delay_checkout": 0.5,
                "delay_check_run_status": 0.5,
                "delay_advance_status": 0.5,
                "delay_refresh_limited": 1,
                "delay_update_batch": 1,
                "max_step_attempts": 1,
                **runner,
            },
        }
        folder = tmp_path / "projects"
        folder.mkdir()
        (folder / "flowpot.json").write_text(json.dumps(config))
        # jobflow-remote reads its environment once, when it is imported.
        monkeypatch.setattr(jobflow_remote.SETTINGS, "projects_folder", str(folder))
        monkeypatch.setattr(jobflow_remote.SETTINGS, "project", "flowpot")
        monkeypatch.setenv("JFREMOTE_PROJECTS_FOLDER", str(folder))
        monkeypatch.setenv("JFREMOTE_PROJECT", "flowpot")
        bin_folder = Path(sys.executable).parent
        monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
        project = ConfigManager(warn=True).get_project("flowpot")
        project.get_job_controller().reset(max_limit=0)
        return project

    yield set_up
    kill_project(tmp_path / "projects")


@pytest.fixture
def remote_project(mongo_uri, new_project, local_worker, tmp_path):
    """A jobflow-remote project with two local workers, `main` and `dft`."""
    workers = {
        name: local_worker | {"work_dir": str(tmp_path / name)}
        for name in ("main", "dft")
    }
    return new_project(mongo_uri, workers)


@pytest.fixture
def runner(remote_project):
    """jobflow-remote's runner in a process of its own, not started yet."""
    return RemoteRunner(remote_project)


@pytest.fixture(scope="session")
def copper_campaign():
    """Configure two iterations on copper with given labels: everything is small."""

    def configure(labeller, **fields) -> ActiveLearningMaker:
        given = {
            "name": "copper",
            "augmentation": AugmentationMaker(
                supercell=None,
                distortion=Distortions(n_frames=9, fraction=0.1, strain=(-0.03, 0.05)),
                clusters=None,
                slabs=None,
            ),
            "labelling": LabellingMaker(static_maker=labeller),
            "training": CommitteeTrainingMaker(
                trainer=MACETrainingMaker.small(max_num_epochs=3),
                size=2,
                members_per_job=2,
            ),
            "exploration": ExplorationMaker(
                md_maker=LammpsMDMaker(n_steps=40, sample_interval=10, processes=2),
                n_starts=2,
                temperatures=(300.0, 900.0),
                pressures=(0.0,),
                sampling="grid",
                runs_per_job=4,
            ),
            "evaluation": EvaluationMaker(
                rules=SelectionRules(max_selected=4, audit_min=1, audit_max=2)
            ),
            "max_iterations": 2,
            "seed": 11,
        }
        return ActiveLearningMaker(**(given | fields))

    return configure


@pytest.fixture(scope="session")
def run_undisturbed(copper_campaign, tmp_path_factory):
    """Run the campaign on copper when nothing breaks, and give its dataset."""

    def run(**fields) -> Dataset:
        folder = tmp_path_factory.mktemp("undisturbed")
        log = folder / "labels.log"
        campaign = copper_campaign(LoggedEMTMaker(log=str(log)), **fields)
        store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            run_locally(
                campaign.make([bulk("Cu", cubic=True)]),
                store=store,
                root_dir=folder,
                create_folders=True,
                ensure_success=True,
            )
        assert n_recomputed(log) == 0
        return Campaign.from_store(store, "copper").dataset()

    return run


@pytest.fixture(scope="session")
def undisturbed(run_undisturbed) -> Dataset:
    """The dataset of two iterations."""
    return run_undisturbed()


@pytest.fixture(scope="session")
def assert_same():
    """Compare two datasets: frames, labels, sets and metadata."""

    def compare(found: Dataset, expected: Dataset) -> None:
        assert found.fingerprints.tolist() == expected.fingerprints.tolist()
        for name in ("energy", "forces", "stress"):
            given, wanted = getattr(found, name), getattr(expected, name)
            assert np.array_equal(given, wanted, equal_nan=True), name
        assert found.info.keys() == expected.info.keys()
        for name in found.info:
            np.testing.assert_array_equal(found.info[name], expected.info[name])

    return compare


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of a given size."""
    folder = tmp_path / "small"

    def mount(size: str) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        there = shutil.which("mount") is not None
        if not there or subprocess.run(command, check=False).returncode:
            pytest.skip("mounting a tmpfs needs root")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "-l", str(folder)], check=True)

"""A real jobflow-remote project on a real MongoDB-wire server."""

import json
import sys
import uuid
from pathlib import Path

import jobflow_remote
import pytest
from jobflow import JobStore
from jobflow_remote.config import ConfigManager


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
def remote_project(mongo_uri, tmp_path, monkeypatch):
    """
    A jobflow-remote project with two local workers, `main` and `dft`.

    jobflow-remote's settings point to it while the test runs.
    """
    spec = stores_of(mongo_uri)
    bin_folder = Path(sys.executable).parent
    worker = {
        "type": "local",
        "scheduler_type": "shell",
        "pre_run": f"export PATH={bin_folder}:$PATH OMP_NUM_THREADS=1",
        "timeout_execute": 60,
        "max_jobs": 2,
    }
    config = {
        "name": "flowpot",
        "base_dir": str(tmp_path / "jfremote"),
        "workers": {
            name: worker | {"work_dir": str(tmp_path / name)}
            for name in ("main", "dft")
        },
        "queue": {
            "store": spec["docs_store"] | {"collection_name": "jobs"},
        },
        "jobstore": spec,
        "runner": {
            "delay_checkout": 0.5,
            "delay_check_run_status": 0.5,
            "delay_advance_status": 0.5,
            "delay_refresh_limited": 1,
            "max_step_attempts": 1,
        },
    }
    folder = tmp_path / "projects"
    folder.mkdir()
    (folder / "flowpot.json").write_text(json.dumps(config))
    # jobflow-remote reads its environment once, when it is imported.
    monkeypatch.setattr(jobflow_remote.SETTINGS, "projects_folder", str(folder))
    monkeypatch.setattr(jobflow_remote.SETTINGS, "project", "flowpot")
    project = ConfigManager(warn=True).get_project("flowpot")
    project.get_job_controller().reset(max_limit=0)
    return project

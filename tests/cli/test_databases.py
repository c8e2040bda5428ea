"""A database that is down, or that refuses the user: one message, in seconds."""

import json
import time

import pytest
import yaml
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from flowpot.campaign import embedded_store
from flowpot.cli import app

PASSWORD = "s3cr3t-Passw0rd"


def call(*words, code=1):
    began = time.perf_counter()
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert time.perf_counter() - began < 25
    assert result.exit_code == code, result.output
    assert not isinstance(result.exception, Exception) or code == 0, result.exception
    return " ".join(result.output.split())


@pytest.fixture(params=["URI", "fields"])
def store_file(request, tmp_path):
    """Write the file of a JobStore on a server with a user who does not exist."""

    def write_down(port):
        place = {
            "URI": {
                "uri": f"mongodb://ada:{PASSWORD}@127.0.0.1:{port}/?directConnection=true"
            },
            "fields": {
                "host": "127.0.0.1",
                "port": port,
                "username": "ada",
                "password": PASSWORD,
            },
        }[request.param]

        def store(kind, **more):
            return {"type": kind, "database": "x", **place, **more}

        path = tmp_path / "store.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "docs_store": store("MongoStore", collection_name="docs"),
                    "additional_stores": {
                        "data": store("GridFSStore", collection_name="d")
                    },
                }
            )
        )
        return path

    return write_down


COMMANDS = [["status"], ["report"], ["export", "--models", "models"]]


@pytest.mark.parametrize("command", COMMANDS[:1])
def test_it_is_down(store_file, command, clean_dir):
    said = call(*command, "--store", store_file(1))
    assert "the database does not answer (127.0.0.1:1" in said
    assert "start it" in said
    assert PASSWORD not in said
    assert len(said) < 500


@pytest.mark.parametrize("command", COMMANDS)
def test_it_refuses_the_user(store_file, command, mongo_uri, clean_dir):
    port = int(mongo_uri.partition("127.0.0.1:")[2].partition("/")[0])
    said = call(*command, "--store", store_file(port))
    assert "the database refuses the user (authentication failed" in said
    assert PASSWORD not in said
    assert len(said) < 500


def test_doctor_hides_the_password(store_file, mongo_uri, monkeypatch):
    """Also where all is well: the store's name is its URI."""
    from flowpot.cli import doctor

    others = ["_pw", "_pseudopotentials", "_lammps", "_binaries", "_trainer", "_device"]
    for name in [*others, "_project"]:
        monkeypatch.setattr(doctor, name, lambda *_: doctor.Check("x", "ok", ""))
    port = int(mongo_uri.partition("127.0.0.1:")[2].partition("/")[0])
    said = call("doctor", "--store", store_file(port))
    assert "the database refuses the user" in said
    assert PASSWORD not in said


def test_a_project_whose_database_is_down(tmp_path, clean_dir, monkeypatch):
    import jobflow_remote

    store = {
        "type": "MongoStore",
        "database": "x",
        "uri": f"mongodb://ada:{PASSWORD}@127.0.0.1:1",
    }
    config = {
        "name": "flowpot",
        "base_dir": str(tmp_path / "jf"),
        "workers": {
            "main": {
                "type": "local",
                "scheduler_type": "shell",
                "work_dir": str(tmp_path / "work"),
            }
        },
        "queue": {"store": store | {"collection_name": "jobs"}},
        "jobstore": {
            "docs_store": store | {"collection_name": "docs"},
            "additional_stores": {"data": store | {"collection_name": "data"}},
        },
    }
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / "flowpot.json").write_text(json.dumps(config))
    monkeypatch.setattr(
        jobflow_remote.SETTINGS, "projects_folder", str(tmp_path / "projects")
    )
    said = call("status", "--project", "flowpot")
    assert "the database does not answer" in said
    assert PASSWORD not in said
    write("cell.cif", bulk("Cu"))
    (clean_dir / "c.yaml").write_text("structures: cell.cif\n")
    said = call("run", "c.yaml", "--submit", "--project", "flowpot")
    assert "the database does not answer" in said
    assert PASSWORD not in said


def test_brackets_of_a_remedy(clean_dir, monkeypatch):
    """They are no markup: what is to be installed is named whole."""
    monkeypatch.setattr("shutil.which", lambda *_: None)
    embedded_store(clean_dir / "store").connect()
    monkeypatch.setitem(__import__("sys").modules, "montydb", None)
    monkeypatch.setitem(
        __import__("sys").modules, "flowpot.campaign.local.indexed_store", None
    )
    said = call("status", "--store", "store")
    assert "pip install 'flowpot[localdb]'" in said

"""`flowpot status` and `export`: what they say, and what they refuse."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import read
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore
from typer.testing import CliRunner

from flowpot import Campaign
from flowpot.campaign import embedded_store
from flowpot.cli import app
from flowpot.dataset.io import deepmd
from flowpot.dataset.io.files import EXTXYZ_SUFFIXES, HDF5_SUFFIXES
from flowpot.report.next_steps import next_steps
from trivial_campaign import trivial_campaign


def call(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_status_of_a_finished_campaign(stores):
    said = call("status", "--store", stores["finished"])
    assert "Campaign 'synthetic' not converged" in said
    assert "Stopped, max_iterations: 3 of them done" in said
    assert "3 failed" in said


def test_status_of_a_running_campaign(stores):
    said = call("status", "synthetic", "--store", stores["running"])
    assert "running" in said
    assert "iteration 3, 60 labelled frames" in said
    assert "left in this iteration" in said
    assert "if all 10 run" in said
    assert "0 of 3 jobs waiting" in said


def test_watching_ends_with_the_campaign(stores):
    said = call("status", "--watch", "--store", stores["finished"])
    assert "not converged" in said


@pytest.mark.parametrize("option", ["--dataset", "--models"])
@pytest.mark.parametrize("place", ["a-file/x.xyz", "/proc/none/x.xyz"])
def test_export_to_where_nothing_can_be(stores, tmp_path, option, place):
    (tmp_path / "a-file").touch()
    path = str(tmp_path / place)
    command = ["export", "--store", str(stores["finished"]), option, path]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert f"{path!r} cannot be written" in said
    assert "give another place" in said


def test_export(stores, tmp_path):
    frames, models = tmp_path / "frames.xyz", tmp_path / "models"
    store = stores["finished"]
    said = call("export", "--store", store, "--dataset", frames, "--models", models)
    assert "60 frames" in said
    assert len(read(frames, ":")) == 60
    assert {path.name for path in models.iterdir()} == {
        "member_0.model",
        "member_1.model",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status", "--store", "no-such-folder"), "does not exist"),
        (("status", "--store", "a", "--project", "b"), "give one"),
        (("status", "--project", "no-such-project"), "jf project list"),
        (("export",), "give --dataset, --models or --unlabelled"),
        (("status", "--project", "no-such-project"), "flowpot init"),
        (("status", "--interval", "5"), "--interval goes with --watch"),
        (("status", "gold", "--store", "FINISHED"), "it has ['synthetic']"),
    ],
)
def test_what_cannot_be_done_is_said(words, message, stores):
    words = [stores["finished"] if word == "FINISHED" else word for word in words]
    assert message in call(*words, code=1)


def test_a_file_that_specifies_no_store(tmp_path):
    (tmp_path / "store.yaml").write_text("frames: 3\n")
    said = call("status", "--store", tmp_path / "store.yaml", code=1)
    assert "specifies no JobStore" in said


def test_a_forgotten_store_is_looked_for(clean_dir, monkeypatch):
    """Who says no store is told which folders hold one."""
    monkeypatch.setattr("jobflow.SETTINGS.JOB_STORE", JobStore(MemoryStore()))
    assert "--store FOLDER/store" in call("status", code=1)
    embedded_store(clean_dir / "my campaign/store").connect()
    assert "(here: 'my campaign/store')" in call("status", code=1)


@pytest.mark.parametrize(
    ("selected", "program"),
    [([], "jf flowpot"), (["-p", "my project"], "jf -p 'my project' flowpot")],
)
def test_commands_to_paste_are_called_as_the_one_that_prints_them(
    stores, selected, program
):
    from jobflow_remote import SETTINGS
    from jobflow_remote.cli.jf import app as jf

    from flowpot.cli.jf import setup_jf_plugin

    if "flowpot" not in [group.name for group in jf.registered_groups]:
        setup_jf_plugin()
    before = SETTINGS.project
    try:
        words = ["flowpot", "status", "--store", str(stores["finished"])]
        result = CliRunner().invoke(jf, [*selected, *words], prog_name="jf")
    finally:
        SETTINGS.project = before
    assert result.exit_code == 0, result.output
    assert f"    {program} export synthetic --store" in result.output
    plain = call("status", "--store", stores["finished"])
    assert "error bars: flowpot export synthetic --store" in plain


@pytest.mark.parametrize("name", ["-dash", "--help", "it's $HOME", "日" * 300])
def test_suggested_commands_work_whatever_the_name(name, clean_dir):
    store = embedded_store(clean_dir / "a store")
    flow = replace(trivial_campaign(1), name=name).make(structures=[bulk("Cu")])
    run_locally(flow, store=store, log=False)
    steps = next_steps(Campaign.from_store(store), "--store 'a store'")
    _, *words = shlex.split(steps[-1].command)
    assert "1 frames in" in call(*words)


@pytest.mark.parametrize(
    "content", [b"a: [1, 2\nb: }", b"a:\n\t- b\n", b"\xff\x00" * 999]
)
def test_a_damaged_file_of_a_store(tmp_path, content):
    (tmp_path / "store.yaml").write_bytes(content)
    said = call("status", "--store", tmp_path / "store.yaml", code=1)
    assert "specifies no JobStore" in said
    assert len(said) < 600 + len(str(tmp_path))


@pytest.mark.parametrize("command", ["status", "report", "export"])
def test_reading_makes_no_database_of_a_folder(command, clean_dir):
    """And says where one is."""
    (clean_dir / "empty").mkdir()
    words = ["--models", "models"] if command == "export" else []
    said = call(command, *words, "--store", "empty", code=1)
    assert "--store is 'empty', a folder that holds no embedded store" in said
    embedded_store(clean_dir / "my run/store").connect()
    said = call(command, *words, "--store", "my run", code=1)
    assert "give --store 'my run/store'" in said
    assert {path.name for path in clean_dir.iterdir()} == {"empty", "my run"}
    assert not list((clean_dir / "empty").iterdir())
    assert [path.name for path in (clean_dir / "my run").iterdir()] == ["store"]


@pytest.mark.parametrize("interval", ["-1", "0", "nan", "inf", "1e10"])
def test_an_interval_that_cannot_be_waited(stores, interval):
    words = ["status", "--watch", "--interval", interval]
    said = call(*words, "--store", stores["running"], code=1)
    assert f"--interval is {float(interval):g}: give seconds" in said


def test_a_report_into_a_file(stores, tmp_path):
    (tmp_path / "a-file").touch()
    words = ["report", "--store", stores["finished"], "--output", tmp_path / "a-file"]
    said = call(*words, code=1)
    assert f"--output: {str(tmp_path / 'a-file')!r} cannot be written" in said
    assert "give another place" in said


@pytest.mark.parametrize("place", [".", "a-file/figures.pdf"])
def test_a_pdf_where_none_can_be(stores, clean_dir, place):
    Path("a-file").touch()
    words = ["report", "--store", stores["finished"], "--output", "report"]
    said = call(*words, "--pdf", place, code=1)
    assert f"--pdf: {place!r} cannot be written" in said
    assert "give another place" in said
    assert not Path("report/report.html").exists()


def test_the_help_of_export_names_all_kinds_of_files():
    said = call("export", "--help")
    for suffix in (*EXTXYZ_SUFFIXES, *HDF5_SUFFIXES, deepmd.SUFFIX):
        assert suffix in said


def test_from_python_by_the_same_path(stores, clean_dir):
    (clean_dir / "my run").mkdir()
    (clean_dir / "my run/store").symlink_to(stores["finished"])
    assert Campaign.from_store("my run/store").name == "synthetic"
    assert Campaign.from_store(stores["finished"], "synthetic").finished
    wrong = {
        "my run": "a folder that holds no embedded store: give store 'my run/store'",
        "none": "store is 'none', which does not exist: give a JobStore's file",
        None: "store is a NoneType: give a JobStore, or the path of one",
    }
    for path, message in wrong.items():
        with pytest.raises(ValueError, match=message):
            Campaign.from_store(path)

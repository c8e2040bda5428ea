"""A run that is stopped anywhere goes on where it was, on toy jobs."""

from pathlib import Path

import pytest
from jobflow import Flow, JobStore, Response, job
from maggma.stores import MemoryStore

from flowpot.campaign import ResumableRun, embedded_store


@job
def append(log, text, value=0, interrupt_unless=None):
    """Note that it ran; be interrupted, as by Ctrl-C, until a file is there."""
    if interrupt_unless and not Path(interrupt_unless).exists():
        raise KeyboardInterrupt
    with Path(log).open("a") as file:
        file.write(text + "\n")
    return value + 1


@job
def fan_out(log, values, interrupt_unless):
    """Replace itself by a chain of jobs."""
    with Path(log).open("a") as file:
        file.write("fan out\n")
    first = append(log, "first", values)
    second = append(log, "second", first.output, interrupt_unless)
    return Response(replace=Flow([first, second], output=second.output))


@pytest.fixture
def toy(tmp_path):
    log, go_on = str(tmp_path / "log"), str(tmp_path / "go-on")
    start = append(log, "start")
    fan = fan_out(log, start.output, go_on)
    end = append(log, "end", fan.output)
    return Flow([start, fan, end], output=end.output), Path(log), Path(go_on)


def test_an_interrupted_run_repeats_nothing(tmp_path, toy):
    flow, log, go_on = toy
    with pytest.raises(KeyboardInterrupt):
        ResumableRun(tmp_path / "run", embedded_store(tmp_path / "db")).run(flow)
    assert log.read_text().split("\n")[:-1] == ["start", "fan out", "first"]

    go_on.touch()
    events = []
    store = embedded_store(tmp_path / "db")  # a new process would open it anew
    again = ResumableRun(
        tmp_path / "run", store, lambda event, job, _: events.append((event, job.name))
    )
    assert again.started
    ran = again.run()
    assert log.read_text().split("\n")[:-1] == [
        "start",
        "fan out",
        "first",
        "second",
        "end",
    ]
    assert ran.output.resolve(store) == 4
    assert events.count(("reused", "append")) == 2

    ResumableRun(tmp_path / "run", store).run()
    assert log.read_text().count("\n") == 5


def test_a_failed_job_is_tried_again(tmp_path):
    missing = tmp_path / "later" / "log"
    flow = Flow([append(str(missing), "only")])
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    run = ResumableRun(tmp_path / "run", store)
    run.run(flow)
    assert not missing.exists()
    assert "FileNotFoundError" in run.failures[flow.jobs[0].uuid]
    missing.parent.mkdir()
    run.run()
    assert run.failures == {}
    assert missing.read_text() == "only\n"


def test_skipped_jobs_leave_no_empty_folders(tmp_path, toy):
    flow, _, go_on = toy
    go_on.touch()
    store = embedded_store(tmp_path / "db")
    for _ in range(2):
        ResumableRun(tmp_path / "run", store).run(flow)
    assert list((tmp_path / "run" / "jobs").iterdir()) == []


def test_the_folder_may_be_relative(clean_dir, toy, jobstore):
    """Jobs run in folders of their own, and what they leave lies beside these."""
    flow, log, go_on = toy
    go_on.touch()
    ResumableRun(Path("run"), jobstore).run(flow)
    assert log.read_text().split("\n")[-2] == "end"
    assert len(list((clean_dir / "run" / "responses").iterdir())) == 6


@job
def leave_a_file(fail_unless=None):
    Path("left").touch()
    if fail_unless and not Path(fail_unless).exists():
        raise RuntimeError
    return str(Path.cwd())


def test_folders_say_which_job_ran_in_them(tmp_path, jobstore):
    """Number, iteration, name; a resumed run counts on, and old folders stay."""
    old = tmp_path / "run/jobs/job_2026-01-01-00-00-00-000000-12345"
    old.mkdir(parents=True)
    (old / "left").touch()
    go_on = tmp_path / "go-on"
    jobs = [leave_a_file(), leave_a_file(), leave_a_file(str(go_on))]
    jobs[0].name, jobs[1].name, jobs[2].name = "augment", "1/2: \u03b1-Fe", "qe static"
    jobs[2].metadata["iteration"] = 1
    flow = Flow(jobs, order="linear")
    ResumableRun(tmp_path / "run", jobstore).run(flow)
    left = ["0001_start_augment", "0002_start_1-2-Fe", "0003_iteration-1_qe-static"]
    assert sorted(path.name for path in old.parent.iterdir()) == [*left, old.name]
    where = jobstore.get_output(jobs[1].uuid)
    assert Path(where).samefile(old.parent / left[1])  # documents say where it is

    go_on.touch()
    ResumableRun(tmp_path / "run", jobstore).run()
    names = {path.name for path in old.parent.iterdir()}
    assert names == {*left, "0004_iteration-1_qe-static", old.name}

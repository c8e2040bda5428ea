"""A local campaign and what befalls it: other processes, signals, power cuts."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from flowpot import Campaign
from flowpot.campaign import ResumableRun, embedded_store
from flowpot.campaign.local.guards import FolderInUseError, locked
from flowpot.dataset.io.checksum import checked_text
from flowpot.dataset.where import Where
from trivial_campaign import trivial_campaign

TESTS = Path(__file__).parents[2]
N = 2

HOLDER = """
import sys, time
from pathlib import Path
from flowpot.campaign.local.guards import locked
with locked(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""

SLOW_CAMPAIGN = """
import sys, time
from pathlib import Path
from ase.build import bulk
from flowpot.campaign import ResumableRun, embedded_store
from flowpot.processes import Command, run
import trivial_campaign

original = trivial_campaign.CommitteeDoc
def trained(**fields):
    sleeping = [sys.executable, "-c", "import time; time.sleep(120)"]
    run(Command(sleeping, Path.cwd(), Path(sys.argv[1]) / "trainer"))
    return original(**fields)
trivial_campaign.CommitteeDoc = trained
folder = Path(sys.argv[1])
flow = trivial_campaign.trivial_campaign(2).make([bulk("Cu")])
ResumableRun(folder / "run", embedded_store(folder / "db")).run(flow)
"""


def run(folder, n=N, watch=None):
    """Run the trivial campaign in a folder, or take it up."""
    store = embedded_store(folder / "db")
    flow = trivial_campaign(n).make([bulk("Cu")])
    ran = ResumableRun(folder / "run", store, watch).run(flow)
    return Campaign.from_store(store, ran.output.uuid)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"))


def assert_same(campaign, other):
    """The same frames in order, labels, metadata, and numbers of each iteration."""
    one, two = campaign.dataset(), other.dataset()
    assert one.fingerprints.tolist() == two.fingerprints.tolist()
    for name in ("energy", "forces", "stress"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.info.keys() == two.info.keys()
    for name in one.info:
        np.testing.assert_array_equal(one.info[name], two.info[name])
    assert campaign.doc.stop_reason == other.doc.stop_reason
    assert len(campaign.doc.committee.members) == len(other.doc.committee.members)
    volatile = {"seconds", "evaluation_job"}
    iterations = [
        [doc.model_dump(exclude=volatile) for doc in each.iteration_docs]
        for each in (campaign, other)
    ]
    assert iterations[0] == iterations[1]


@pytest.fixture
def holder(tmp_path):
    """Another process in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "run"], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"in\n"
    yield process
    process.kill()
    process.wait()


def test_two_runs_in_one_folder(tmp_path, holder, undisturbed):
    """The second is refused, with who is there; a killed one is in nobody's way."""
    with pytest.raises(FolderInUseError) as refused:
        run(tmp_path)
    assert f"process {holder.pid} on " in str(refused.value)
    assert "another folder" in str(refused.value)
    assert not (tmp_path / "run" / "flow.json").exists()
    holder.kill()
    holder.wait()
    assert_same(run(tmp_path), undisturbed)


def test_the_lock_says_nothing_where_nobody_is(tmp_path):
    with locked(tmp_path), pytest.raises(FolderInUseError), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
    assert (tmp_path / "lock").read_text() == ""


@pytest.fixture
def at_work(tmp_path, monkeypatch):
    """A process whose campaign has come to the first training."""
    path = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_CAMPAIGN, tmp_path], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "trainer").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def children(pid):
    """Ids of the processes in the tree under one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            words = entry.read_text().rpartition(")")[2].split()
            if int(words[1]) == pid and words[0] != "Z":
                found += [int(entry.parent.name), *children(int(entry.parent.name))]
    return found


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP"])
def test_told_to_stop(tmp_path, at_work, undisturbed, how):
    """As Slurm does when the time is up: nothing is left behind, and it goes on."""
    there = children(at_work.pid)
    assert len(there) >= 2
    at_work.send_signal(getattr(signal, how))
    _, said = at_work.communicate(timeout=30)
    assert f"StoppedBySignal: stopped by {how}" in said.decode()
    assert not any(Path(f"/proc/{pid}").exists() for pid in there)
    reused = Counter()
    assert_same(run(tmp_path, watch=lambda e, *_: reused.update([e])), undisturbed)
    assert reused["reused"] >= 2


CUTS = {
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
}
"""What a power cut leaves of a file that was not on the disk yet."""


@pytest.fixture(scope="module")
def half_way(tmp_path_factory):
    """Folder of a campaign that was stopped in its second iteration."""
    folder = tmp_path_factory.mktemp("half")

    def stop(event, job, _):
        second = job.metadata.get("iteration") == 2
        if event == "started" and second and job.name == "evaluate committee":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, watch=stop)
    return folder


def is_database(path):
    return path.suffix in (".collection", ".cfg") or path.parent.name == "db"


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(900)]), 5]
)
@pytest.mark.parametrize("what", CUTS)
def test_a_power_cut(tmp_path, half_way, undisturbed, what, step):
    """Of every file of a run in turn: what was lost is done again, and said."""
    files = [
        path.relative_to(half_way)
        for path in half_way.rglob("*")
        if path.is_file() and not is_database(path)
    ]
    assert len(files) > step
    for name in [*sorted(files)[::step], Path("run/flow.json")]:
        folder = tmp_path / name.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(half_way, folder)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(CUTS[what](content))
        events = Counter()
        taken_up = run(folder, watch=lambda e, *_, c=events: c.update([e]))
        assert_same(taken_up, undisturbed)
        if "responses" in name.parts:
            assert events["lost"] == 1
            assert events["reused"] > 0
        again = Counter()
        run(folder, watch=lambda e, *_, c=again: c.update([e]))
        assert set(again) == {"reused"}


@pytest.mark.parametrize("collection", ["docs", "data"])
def test_a_store_that_has_lost_something(tmp_path, half_way, undisturbed, collection):
    """The job whose output is gone runs again, though its response is there."""
    folder = tmp_path / "copy"
    shutil.copytree(half_way, folder)
    [file] = (folder / "db").rglob(f"{collection}.collection")
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM documents WHERE rowid % 3 = 0")
    events = Counter()
    assert_same(run(folder, watch=lambda e, *_: events.update([e])), undisturbed)
    assert events["lost"] > 0


def test_responses_are_whole_files(tmp_path, undisturbed):
    run(tmp_path)
    for path in (tmp_path / "run" / "responses").iterdir():
        assert path.suffix == ".json"
        json.loads(checked_text(path.read_text(), Where(path.name)))

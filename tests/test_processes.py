"""Child programs end when they should, with all that they have started."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Timer

import pytest

from flowpot.processes import Command, run, run_together

SETTLE = 20.0
"""Seconds within which what is to be gone must be gone."""

NOTE = "import os, pathlib; pathlib.Path(f'pid-{os.getpid()}').touch(); "
SLEEP = NOTE + "import time; time.sleep(120)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
PARENT = """
import sys
from pathlib import Path
from flowpot.processes import Command, run
run(Command(sys.argv[1:], Path.cwd(), Path("output")))
"""


def python(code):
    return [sys.executable, "-c", code]


def shell(line, code=SLEEP):
    """A shell that puts `"$0" -c "$1"`, a Python program, where the line says."""
    return ["sh", "-c", line, sys.executable, code]


LAUNCHERS = {
    "itself": python(SLEEP),
    "ignores SIGTERM": python(STUBBORN),
    "shell in front": shell('"$0" -c "$1"; exit'),
    "shell that forks": shell('"$0" -c "$1" & "$0" -c "$1" & wait'),
    "other session": shell('setsid "$0" -c "$1" & setsid "$0" -c "$1" & wait'),
    "orphan": shell('(setsid "$0" -c "$1" &) & "$0" -c "$1"; exit'),
    "Open MPI": [
        *("mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-np", "2"),
        *python(SLEEP),
    ],
}
"""How the sleeping program is started; the last five are two processes of it."""


def started(folder):
    """Ids of the sleeping programs that have begun."""
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


def alive(pid):
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def wait_for(condition, seconds=SETTLE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def launched(clean_dir, request):
    """Start a parent that runs the launcher, and wait for its programs."""
    argv = LAUNCHERS[request.param]
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not here")
    alone = ("itself", "ignores SIGTERM", "shell in front")
    expected = 1 if request.param in alone else 2
    parent = subprocess.Popen([*python(PARENT), *argv])
    try:
        wait_for(lambda: len(started(clean_dir)) == expected)
        yield parent, started(clean_dir)
    finally:
        parent.kill()
        parent.wait()
        for pid in filter(alive, started(clean_dir)):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("launched", LAUNCHERS, indirect=True)
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_nothing_outlives_its_parent(launched, how):
    parent, pids = launched
    assert all(map(alive, pids))
    parent.send_signal(getattr(signal, how))
    parent.wait(SETTLE)
    wait_for(lambda: not any(map(alive, pids)))


def test_nothing_outlives_a_killed_launcher(clean_dir):
    """As where the kernel is out of memory: the launcher dies, its children not."""
    line = 'setsid "$0" -c "$1" & "$0" -c "$1" & '
    kill_itself = (
        'while [ "$(ls pid-* | wc -l)" -lt 2 ]; do sleep 0.05; done; kill -9 $$'
    )
    end = run(Command(shell(line + kill_itself), clean_dir, clean_dir / "output"))
    assert (end.returncode, end.was_killed) == (-9, True)
    assert len(started(clean_dir)) == 2
    assert not any(map(alive, started(clean_dir)))


def test_time_runs_out(clean_dir):
    command = Command(python(SLEEP), clean_dir, clean_dir / "output")
    end = run(command, timeout=1.0)
    assert (end.timed_out, end.was_killed) == (True, False)
    assert end.status == "out of time"
    assert not any(map(alive, started(clean_dir)))


def test_another_thread_stops_it(clean_dir):
    stop = Event()
    Timer(0.5, stop.set).start()
    with pytest.raises(InterruptedError, match="stopped by its batch"):
        run(Command(python(SLEEP), clean_dir, clean_dir / "output"), stop=stop)
    assert not any(map(alive, started(clean_dir)))


def test_side_by_side_until_a_deadline(clean_dir):
    codes = ("import sys; print('a'); sys.exit(3)", SLEEP)
    commands = [
        Command(python(code), clean_dir, clean_dir / f"{i}.log")
        for i, code in enumerate(codes)
    ]
    quick, late = run_together(commands, time.monotonic() + 1.5)
    assert (quick.returncode, quick.timed_out, quick.last_lines) == (3, False, "a")
    assert late.timed_out
    assert "exit status 3" in str(quick)
    assert str(clean_dir) in str(quick)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("exit 0", "exit status 0"),
        ("kill -SEGV $$", "SIGSEGV"),
        ("exit 137", "SIGKILL, often: out of memory"),
    ],
)
def test_how_it_ended(clean_dir, line, status):
    end = run(Command(["sh", "-c", line], clean_dir, clean_dir / "output"))
    assert end.status == status


def test_what_it_reads_and_prints(clean_dir):
    line = 'cat; echo "$WORD" >&2'
    output, errors = clean_dir / "output", clean_dir / "errors"
    command = Command(
        ["sh", "-c", line], clean_dir, output, errors, {"WORD": "hello"}, b"given"
    )
    run(command)
    assert (output.read_text(), errors.read_text()) == ("given", "hello\n")


def test_a_program_that_is_not_there(clean_dir):
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        run(Command(["no-such-program"], clean_dir, clean_dir / "output"))

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowpot.training.program import Program, find_program, run_programs

SLEEPER = """
import sys
from pathlib import Path
from flowpot.training.program import Program, run_programs
child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
run_programs([Program([sys.executable, "-c", child], Path.cwd())])
"""


def python(code, folder, **environment):
    return Program([sys.executable, "-c", code], folder, environment)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_programs_run_side_by_side_and_log(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    code = (  # each waits for the other to have begun
        "import os, sys, time; open('begun', 'w').close(); end = time.time() + 60\n"
        "while not os.path.exists(os.environ['OTHER']) and time.time() < end:\n"
        "    time.sleep(0.01)\n"
        "print(os.environ['X']); sys.exit(3 if time.time() < end else 4)"
    )
    programs = [
        python(code, folder, X=folder.name, OTHER=str(other / "begun"))
        for folder, other in zip(folders, reversed(folders), strict=True)
    ]
    ends = run_programs(programs)
    assert [end.returncode for end in ends] == [3, 3]
    assert [end.last_lines for end in ends] == ["a", "b"]


def test_a_signal_is_a_negative_status(tmp_path):
    code = "import os; os.kill(os.getpid(), 9)"
    [end] = run_programs([python(code, tmp_path)])
    assert end.returncode == -9
    assert end.was_killed


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_nothing_outlives_its_parent(tmp_path, name):
    parent = subprocess.Popen([sys.executable, "-c", SLEEPER], cwd=tmp_path)
    log = tmp_path / "train.log"
    while not (log.exists() and log.read_text().strip()):
        time.sleep(0.05)
    child = int(log.read_text())
    assert alive(child)
    parent.send_signal(getattr(signal, name))
    parent.wait(10)
    deadline = time.time() + 5
    while alive(child) and time.time() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def test_a_program_that_is_not_installed():
    with pytest.raises(FileNotFoundError, match=r"pip install flowpot\[mace\]"):
        find_program("mace_run_nothing", "mace")

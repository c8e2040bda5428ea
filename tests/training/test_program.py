import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
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
    with pytest.raises(FileNotFoundError, match=r"pip install 'flowpot\[mace\]'"):
        find_program("mace_run_nothing", "mace")


@pytest.fixture
def two_gpus(monkeypatch):
    """As torch would report; there are none where these tests run."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")


SAYS_GPU = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"


def test_programs_get_the_gpus_in_turn(two_gpus, tmp_path):
    programs = [python(SAYS_GPU, tmp_path / name) for name in "abc"]
    programs.append(replace(programs[0], folder=tmp_path / "d", all_gpus=True))
    for program in programs:
        program.folder.mkdir()
    ends = run_programs(programs, device="cuda")
    shown = [end.last_lines for end in ends]
    assert shown == ["GPU-a", "GPU-b", "GPU-a", "GPU-a,GPU-b"]
    ends = run_programs(programs[:2], device="cuda:1")
    assert [end.last_lines.split()[-1] for end in ends] == ["GPU-b", "GPU-b"]


def test_programs_keep_freed_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_TOP_PAD_", "7")
    code = (
        "import os; print([os.environ[f'MALLOC_{name}_'] for name in "
        "('TRIM_THRESHOLD', 'TOP_PAD', 'MMAP_THRESHOLD')])"
    )
    [end] = run_programs([python(code, tmp_path)])
    assert end.last_lines == str([str(512 * 2**20), "7", str(32 * 2**20)])

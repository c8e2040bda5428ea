"""What jobs and commands import as they start: every one of thousands pays for it."""

import os
import subprocess
import sys

from flowpot.campaign import embedded_store
from trivial_campaign import run_trivial_campaign

ALLOWED = 2.9  # times jobflow's own import: some 1.2 s
ALLOWED_STATUS = 3.6  # some 1.5 s, with reading the store
_IMPORT = (
    "import time; t = time.process_time(); import {}; print(time.process_time() - t)"
)
_STATUS = """
import sys, time
from flowpot.cli import app

try:
    app(["status", "--store", {!r}])
except SystemExit as end:
    assert not end.code
heavy = ("pandas", "torch", "matplotlib", "scipy.stats", "flowpot.labelling.makers")
print([name for name in heavy if name in sys.modules])
print(time.process_time())
"""


def run(code):
    """Run a program in a fresh process, and return the lines that it prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.splitlines()


def cpu_seconds(module):
    """CPU time of an import, the least of three."""
    return min(float(run(_IMPORT.format(module))[-1]) for _ in range(3))


def test_a_label_job_starts_quickly():
    assert cpu_seconds("flowpot.labelling") < ALLOWED * cpu_seconds("jobflow")


def test_a_label_job_does_without_what_it_does_not_use():
    """Each of these takes longer to import than some labels take."""
    heavy = ("emmet.core.structure", "pandas", "torch", "matplotlib", "scipy.signal")
    code = "import sys, flowpot.labelling; print([m for m in %s if m in sys.modules])"
    assert run(code % repr(heavy)) == ["[]"]


def test_the_status_of_a_campaign_is_shown_quickly(tmp_path, clean_dir):
    """CPU time of the whole command, imports included, on a small embedded store."""
    store = embedded_store(tmp_path / "store")
    store.connect()
    run_trivial_campaign(store, 2)
    store.close()
    lines = [run(_STATUS.format(str(tmp_path / "store"))) for _ in range(3)]
    assert "trivial" in lines[0][0]
    assert {heavy for *_, heavy, _ in lines} == {"[]"}
    seconds = min(float(last) for *_, last in lines)
    assert seconds < ALLOWED_STATUS * cpu_seconds("jobflow")

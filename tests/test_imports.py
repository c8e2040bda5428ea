"""What jobs import as they start: every one of thousands pays for it."""

import os
import subprocess
import sys

ALLOWED = 2.9  # times jobflow's own import: some 1.2 s
_CODE = (
    "import time; t = time.process_time(); import {}; print(time.process_time() - t)"
)


def cpu_seconds(module):
    """CPU time of an import in a fresh process, the least of three."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _CODE.format(module)]
    times = [
        subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment
        ).stdout
        for _ in range(3)
    ]
    return min(map(float, times))


def test_a_label_job_starts_quickly():
    assert cpu_seconds("flowpot.labelling") < ALLOWED * cpu_seconds("jobflow")


def test_a_label_job_does_without_what_it_does_not_use():
    """Each of these takes longer to import than some labels take."""
    heavy = ("emmet.core.structure", "pandas", "torch", "matplotlib", "scipy.signal")
    code = "import sys, flowpot.labelling; print([m for m in %s if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code % repr(heavy)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == "[]"

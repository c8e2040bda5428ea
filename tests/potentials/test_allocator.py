"""Freed memory stays in the process, page faults and all."""

import resource
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
if sys.argv[1] == "keep":
    from flowpot.potentials.allocator import keep_freed_memory
    if not keep_freed_memory():
        print("unknown"); raise SystemExit
torch.set_num_threads(1)
def work():
    for _ in range(20):
        torch.ones(2**20).exp()  # 4 MiB each
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode):
    command = [sys.executable, "-c", FAULTS, mode]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_pages_are_not_mapped_anew():
    kept = faults("keep").strip()
    if kept == "unknown":
        pytest.skip("no glibc here")
    pages = 2 * 20 * 4 * 2**20 / resource.getpagesize()
    assert int(kept) < pages / 20

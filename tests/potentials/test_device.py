"""The memory of a batch, and freed memory that stays in the process."""

import os
import subprocess
import sys

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from flowpot.dataset import Dataset
from flowpot.potentials.base import default_batch_size
from flowpot.potentials.device import (
    allocator_variables,
    batch_atoms,
    keep_freed_memory,
)
from flowpot.potentials.mace import MACEPotential
from flowpot.validation import device

FAULTS = """
import resource, torch
{}
torch.set_num_threads(1)
faults = []
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    batch = [torch.ones(2**21) for _ in range(16)]  # 8 MiB each
    while batch:
        batch.pop()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sum(faults[1:]))
"""
LOADED = "from flowpot.potentials import load_potential; load_potential({!r}, 'cpu')"
FEW = 60_000  # pages, of seven times 32,768: huge ones are mapped as it comes
CALCULATORS = """
from flowpot.exploration.members import Calculators
Calculators()({"calculator": "ase.calculators.emt.EMT", "kwargs": {}})
"""


def faults(code, **variables):
    """Pages that the kernel maps anew for tensors like those that were freed."""
    command = [sys.executable, "-c", FAULTS.format(code)]
    environment = os.environ | variables
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    )
    return int(done.stdout.splitlines()[-1])


needs_glibc = pytest.mark.skipif(
    not keep_freed_memory(), reason="there is no glibc here"
)


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:7", "mps", "xpu:0"])
def test_devices_of_other_machines_may_be_named(name):
    device(device=name)
    assert name == "auto" or str(torch.device(name)) == name


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:01", "cuda:", "auto:0", "Cpu"])
def test_what_no_machine_has_is_refused_by_its_name(name):
    with pytest.raises(RuntimeError):
        torch.device(name)
    with pytest.raises(ValueError, match=f"device is {name!r}: use 'auto', 'cpu', "):
        device(device=name)


@needs_glibc
def test_freed_tensors_stay_mapped(random_mace, tmp_path):
    """Wherever torch runs on a CPU: by a call or, in children, by variables."""
    torch.save(random_mace(1), tmp_path / "a.model")
    assert faults(LOADED.format(str(tmp_path / "a.model"))) < FEW
    assert faults("", **allocator_variables()) < FEW


@needs_glibc
@pytest.mark.slow
def test_calculators_of_others_keep_freed_memory_too():
    assert faults("") > FEW  # as glibc is by default
    assert faults(CALCULATORS) < FEW


def test_variables_that_are_set_stay(monkeypatch):
    monkeypatch.setenv("MALLOC_TOP_PAD_", "0")
    assert sorted(allocator_variables()) == [
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
    ]


SIZES = [
    {"dtype": "float32"},
    {"dtype": "float64", "hidden_irreps": "32x0e", "max_ell": 3, "correlation": 3},
    {"dtype": "float64", "hidden_irreps": "32x0e + 32x1o", "max_ell": 3}
    | {"correlation": 3},
]


@pytest.mark.parametrize("size", SIZES, ids=["small", "32x0e", "32x0e+32x1o"])
def test_the_memory_of_a_batch_is_foreseen(size, random_mace, silicon):
    """By the model's sizes alone, compared with what torch allocates."""
    torch.set_num_threads(1)
    potential = MACEPotential(random_mace(1, **size), "cpu")
    frames = Dataset.from_atoms([silicon * (2, 2, 1)] * 2)
    graph = potential.build_graph(frames)
    potential.evaluate_graph(graph)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        potential.evaluate_graph(graph)
    events = profiled.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    used = peak = 0
    for _, change in sorted(changes):
        used += change
        peak = max(peak, used)
    foreseen = potential.bytes_per_atom * len(frames.numbers)
    assert 0.6 < peak / foreseen < 1.4


def test_batches_by_memory():
    """At most 256 MiB on a CPU, less where less is available; at most 4,096 atoms."""
    assert batch_atoms("cpu", None) == 256
    assert batch_atoms("cuda", None) == 4096
    assert batch_atoms("cpu", 2.0**20) in range(1, 257)
    assert batch_atoms("cpu", 1e15) == 1
    assert batch_atoms("cpu", 1.0) == 4096


def test_the_largest_member_of_a_committee_decides(random_mace):
    small = MACEPotential(random_mace(1), "cpu")
    large = MACEPotential(random_mace(1, hidden_irreps="64x0e", max_ell=3), "cpu")
    assert default_batch_size([small, large]) == default_batch_size([large])
    assert default_batch_size([large]) < default_batch_size([small])

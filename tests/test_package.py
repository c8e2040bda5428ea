"""The public names are there, and importing them costs no more than it must."""

import subprocess
import sys

import pytest

import flowpot


@pytest.mark.parametrize("name", flowpot.__all__)
def test_public_names_can_be_imported(name):
    assert getattr(flowpot, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Flowpot'"):
        _ = flowpot.Flowpot


def test_a_worker_loads_torch_only_to_use_a_model():
    """pw.x jobs and the loop run on machines, and in times, that want no torch."""
    names = [f"flowpot.{name}" for name in ("campaign", "report", "cli")]
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

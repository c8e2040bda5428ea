"""The public names are there, and importing them costs no more than it must."""

import re
import subprocess
import sys
from pathlib import Path

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


def test_how_long_the_slow_tests_take_is_said_once():
    """By `make help`, and by the guide for contributors."""
    root = Path(__file__).parents[1]
    said = [
        re.search(r"make test-all +(?:# )?(.+)", (root / file).read_text())[1]
        for file in ("Makefile", "CONTRIBUTING.md")
    ]
    times = [re.search("more than an hour|an hour", each)[0] for each in said]
    assert times[0] == times[1]

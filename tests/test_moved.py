"""What earlier versions have stored is still read: no class or job function is lost."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import flowpot
from flowpot.moved import MOVED

STORED = json.loads((Path(__file__).parent / "stored_names.json").read_text())
"""Modules whose classes and job functions are in stores, as of version 0.1."""


@pytest.mark.parametrize("module", STORED)
def test_stored_names_are_still_found(module):
    found = [getattr(import_module(module), name, None) for name in STORED[module]]
    assert None not in found


@pytest.mark.parametrize("module", MOVED)
def test_old_modules_are_gone_and_their_names_are_where_it_says(module):
    path = Path(flowpot.__file__).parent.joinpath(*module.split(".")[1:])
    assert not path.with_suffix(".py").exists()
    assert not path.is_dir()
    for name, home in MOVED[module].items():
        assert getattr(import_module(home), name).__module__ == home


def test_a_fresh_process_decodes_an_old_address():
    """A worker that has imported nothing yet is handed a stored document."""
    code = (
        "import json, sys; from monty.json import MontyDecoder;"
        "print(type(MontyDecoder().process_decoded(json.loads(sys.argv[1]))).__name__)"
    )
    old = {"@module": "flowpot.campaign.makers", "@class": "ActiveLearningMaker"}
    command = [sys.executable, "-c", code, json.dumps(old)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "ActiveLearningMaker"


def test_functions_with_the_name_of_a_module_that_is_gone_stay_functions():
    import_module("flowpot.augmentation.alloy")
    import_module("flowpot.augmentation.cluster")
    assert callable(flowpot.augmentation.alloy)
    assert callable(flowpot.augmentation.cluster)


def test_a_name_that_never_was_is_an_import_error():
    with pytest.raises(ModuleNotFoundError):
        import_module("flowpot.never_was")

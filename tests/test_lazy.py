"""Packages whose public names are imported when they are asked for."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

LAZY = ["flowpot", "flowpot.campaign", "flowpot.properties", "flowpot.report"]


@pytest.mark.parametrize("package", LAZY)
def test_no_public_name_is_that_of_a_module(package):
    """Else the module hides what it defines, as soon as anybody has imported it."""
    module = import_module(package)
    modules = {entry.name for entry in iter_modules(module.__path__)}
    assert modules.isdisjoint(module.__all__)


@pytest.mark.parametrize("package", LAZY)
def test_all_public_names_are_found(package):
    module = import_module(package)
    assert set(dir(module)) == set(module.__all__)
    assert None not in [getattr(module, name) for name in module.__all__]


def test_an_unknown_name_is_an_attribute_error():
    module = import_module("flowpot.campaign")
    with pytest.raises(AttributeError, match=r"'flowpot\.campaign' has no .* 'Loop'"):
        _ = module.Loop

"""Packages whose public names are imported when they are asked for."""

from importlib import import_module

import pytest


@pytest.mark.parametrize("package", ["flowpot", "flowpot.campaign", "flowpot.report"])
def test_all_public_names_are_found(package):
    module = import_module(package)
    assert set(dir(module)) == set(module.__all__)
    assert None not in [getattr(module, name) for name in module.__all__]


def test_an_unknown_name_is_an_attribute_error():
    module = import_module("flowpot.campaign")
    with pytest.raises(AttributeError, match=r"'flowpot\.campaign' has no .* 'Loop'"):
        _ = module.Loop

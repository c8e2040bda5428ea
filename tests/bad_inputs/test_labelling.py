"""Labelling stages and labellers that cannot be meant: see conftest.py."""

import pytest
from ase.build import bulk

from flowpot import EspressoStaticMaker, LabellingMaker

ROWS = [
    (lambda: LabellingMaker(static_maker=LabellingMaker()), ["static_maker", "single"]),
    (lambda: LabellingMaker(static_maker="pw.x"), ["static_maker is 'pw.x'", "Maker"]),
    (lambda: LabellingMaker(batch_size=0), ["batch_size is 0", "1 or more"]),
    (lambda: LabellingMaker(batch_size=1.5), ["batch_size is 1.5", "whole"]),
    (lambda: LabellingMaker(max_labels=-1), ["max_labels is -1", "0 or more"]),
    (lambda: LabellingMaker(max_force=0), ["max_force is 0", "positive"]),
    (lambda: LabellingMaker(vacuum=(60, 5)), ["vacuum is (60, 5)", "a smaller and"]),
    (lambda: LabellingMaker(vacuum=5), ["vacuum is 5", "two numbers"]),
    (
        lambda: LabellingMaker(volume_per_atom=(-1, 5)),
        ["volume_per_atom is -1"],
    ),
    (
        lambda: LabellingMaker(min_success_fraction=2),
        ["min_success_fraction is 2"],
    ),
    (lambda: LabellingMaker(split_fractions=(1, 2)), ["are (1, 2)", "train, val"]),
    (
        lambda: LabellingMaker(split_fractions="all"),
        ["split_fractions is 'all'"],
    ),
    (lambda: LabellingMaker(split_by=3), ["split_by is 3", "a text"]),
    (lambda: LabellingMaker().make(bulk("Cu"), seed=1.5), ["seed is 1.5", "whole"]),
    (lambda: EspressoStaticMaker(protocol="quick"), ["'quick'", "balanced"]),
    (lambda: EspressoStaticMaker(kspacing=-0.1), ["kspacing is -0.1"]),
]


@pytest.mark.parametrize(("call", "words"), ROWS)
def test_refusals(call, words, check_refusal):
    check_refusal(call, words)

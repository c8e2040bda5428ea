"""Augmentations that cannot be meant: see conftest.py."""

import pytest
from ase.build import bulk

from flowpot import AugmentationMaker
from flowpot.augmentation import Clusters, Distortions, Slabs

ROWS = [
    (lambda: AugmentationMaker(distortion=True), ["distortion is True", "Distortions"]),
    (lambda: AugmentationMaker(slabs=Clusters()), ["slabs is a Clusters", "Slabs"]),
    (lambda: AugmentationMaker(inputs="no"), ["inputs is 'no'", "True or False"]),
    (lambda: AugmentationMaker(vacuum=-1), ["vacuum is -1", "positive"]),
    (lambda: AugmentationMaker(vacuum="15"), ["vacuum is '15'", "a number"]),
    (lambda: AugmentationMaker(min_distance=2.0), ["min_distance is 2.0", "below 1"]),
    (lambda: AugmentationMaker(name=""), ["name is ''", "a text"]),
    (lambda: AugmentationMaker.preset("acuracy"), ["'acuracy'", "use one of"]),
    (lambda: AugmentationMaker().make([bulk("Cu")], seed="a"), ["seed is 'a'", "0 or"]),
    (lambda: AugmentationMaker().make([bulk("Cu")], seed=-1), ["seed is -1", "0 or"]),
    (lambda: Distortions(n_frames=-1), ["n_frames is -1", "or more"]),
    (lambda: Clusters(n_frames="many"), ["n_frames is 'many'", "a number"]),
    (lambda: Slabs(min_thickness=float("nan")), ["min_thickness is nan", "a number"]),
]


@pytest.mark.parametrize(("call", "words"), ROWS)
def test_refusals(call, words, check_refusal):
    check_refusal(call, words)

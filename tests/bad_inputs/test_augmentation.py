"""Augmentations that cannot be meant: see conftest.py."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot import AugmentationMaker
from flowpot.augmentation import (
    Alloys,
    Clusters,
    Dimers,
    Distortions,
    RandomStructures,
    Slabs,
    Strains,
    Substitution,
    Supercells,
    ThermalDisplacements,
    Vacancies,
    augment,
    dimer_curve,
    remove_atoms,
    slabs,
    supercell,
)

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
    (lambda: Clusters(n_frames="many"), ["n_frames is 'many'", "a whole number"]),
    (lambda: Slabs(min_thickness=float("nan")), ["min_thickness is nan", "a number"]),
    (lambda: AugmentationMaker(min_distance="1"), ["min_distance is '1'", "a number"]),
    (
        lambda: AugmentationMaker.preset("alloy_run", "MoW"),
        ["alloy_species is 'MoW'", "a list of element symbols"],
    ),
    (lambda: augment(bulk("Cu"), [], seed=1.5), ["seed is 1.5", "a whole number"]),
    (
        lambda: augment(bulk("Cu"), [], without="input"),
        ["without is 'input'", "a list"],
    ),
    (lambda: dimer_curve(("H",)), ["pair is ('H',)", "two elements"]),
    (lambda: dimer_curve(("H", "Xx")), ["pair is ['Xx']", "element symbols"]),
    (lambda: remove_atoms(bulk("Cu"), None, n=1.0), ["n is 1.0", "a whole number"]),
    (lambda: slabs(bulk("Cu"), (1.5, 0, 0)), ["miller_index", "(1.5, 0, 0)", "three"]),
    (lambda: supercell(bulk("Cu"), max_atoms=9.5), ["max_atoms is 9.5", "whole"]),
]
MOW = {"alloy_species": ("Mo", "W")}
WHOLE = [
    (Alloys, "n_frames", MOW),
    (Alloys, "iterations", MOW),
    (Clusters, "n_frames", {}),
    (Clusters, "min_atoms", {}),
    (Clusters, "max_atoms", {}),
    (Dimers, "n_points", {}),
    (Distortions, "n_frames", {}),
    (Distortions, "n_vacancies", {}),
    (RandomStructures, "n_frames", {}),
    (RandomStructures, "max_atoms", {}),
    (Slabs, "max_atoms", {}),
    (Strains, "n_frames", {}),
    (Supercells, "max_atoms", {}),
    (ThermalDisplacements, "n_frames", {}),
    (Vacancies, "n_frames", {}),
    (Vacancies, "n_vacancies", {}),
]
FIELDS = [
    (Alloys, "alloy_species", 3, "a list of element symbols", {}),
    (Alloys, "compositions", {"Mo": 0.5, "W": 0.5}, "a list", MOW),
    (Alloys, "compositions", (0.5,), "a dictionary", MOW),
    (Alloys, "compositions", ({"Mo": "0.5", "W": 0.5},), "a number for each", MOW),
    (Alloys, "distortion", 0.1, "a Distortions", MOW),
    (Alloys, "end_members", {"Mo": "15", "W": 16}, "a number for each", MOW),
    (Alloys, "end_members", 15.0, "a dictionary", MOW),
    (Alloys, "quasirandom", "no", "True or False", MOW),
    (Dimers, "longest", "3", "a number", {}),
    (Distortions, "strain", 0.1, "two numbers", {}),
    (Distortions, "strain", (-0.1, float("inf")), "two numbers", {}),
    (Distortions, "strain", (-0.1, "0.1"), "two numbers", {}),
    (Distortions, "strain_modes", "isotropic", "a list", {}),
    (Distortions, "strain_modes", {"isotropic": 1}, "a list", {}),
    (Distortions, "n_vacancies", "12", "a list", {}),
    (Distortions, "vacancy_species", {"Cu": 1}, "a list of element symbols", {}),
    (Distortions, "vacancy_species", 29, "a list of element symbols", {}),
    (RandomStructures, "compositions", {"Si": 1}, "a list", {}),
    (RandomStructures, "compositions", ({"Si": 1.5},), "a whole number", {}),
    (RandomStructures, "compositions", ({"Xx": 1},), "element symbols", {}),
    (RandomStructures, "dimensions", 3, "a list", {}),
    (RandomStructures, "dimensions", (2.0,), "a whole number", {}),
    (RandomStructures, "volume_factor", 1.0, "two numbers", {}),
    (RandomStructures, "volume_factor", (0, 1), "above 0", {}),
    (Slabs, "miller_indices", (1, 1, 1), "three whole numbers for each", {}),
    (Slabs, "miller_indices", ((1, 0.5, 0),), "three whole numbers", {}),
    (Slabs, "miller_indices", 111, "a list", {}),
    (Slabs, "miller_indices", (), "one value at least", {}),
    (Strains, "limits", 0.1, "two numbers", {}),
    (Strains, "limits", (-1.5, 0.1), "above -1", {}),
    (Strains, "modes", "shear", "a list", {}),
    (Substitution, "switches_fraction", None, "give a value", {}),
    (ThermalDisplacements, "temperatures", 300, "a list of numbers", {}),
    (Vacancies, "n_vacancies", (1, "a"), "a whole number", {}),
]


@pytest.mark.parametrize(("call", "words"), ROWS)
def test_refusals(call, words, check_refusal):
    check_refusal(call, words)


@pytest.mark.parametrize(("kind", "field", "others"), WHOLE)
@pytest.mark.parametrize("value", [2.5, 3.0, True, "3", float("inf"), None, -1])
def test_whole_numbers(kind, field, others, value, check_refusal):
    def call():
        kind(**{**others, field: value})

    remedy = "give a value" if value is None else ""
    check_refusal(call, [f"{field} is {value!r}", remedy])


@pytest.mark.parametrize(("kind", "field", "value", "remedy", "others"), FIELDS)
def test_fields(kind, field, value, remedy, others, check_refusal):
    check_refusal(lambda: kind(**{**others, field: value}), [field, remedy])


def test_numbers_of_numpy_are_numbers():
    plan = Distortions(
        np.int64(3), n_vacancies=np.array([1, 2]), strain=np.array([-0.1, 0.1])
    )
    assert plan == Distortions(3, n_vacancies=(1, 2), strain=(-0.1, 0.1))
    indices = np.array([[1, 0, 0], [1, 1, 1]])
    assert Slabs(indices).miller_indices == ((1, 0, 0), (1, 1, 1))

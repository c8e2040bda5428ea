"""Random structure search, with PyXtal where it is installed."""

import sys

import numpy as np
import pytest

from flowpot.augmentation import (
    RandomStructures,
    augment,
    closest_contact,
    random_structure,
)


def test_random_crystals_of_the_inputs_composition(zoo):
    pytest.importorskip("pyxtal")
    plan = RandomStructures(n_frames=3, max_atoms=6)
    one, same = (augment(zoo["MoS2"], [plan], seed=3).frames for _ in range(2))
    assert (one.fingerprints == same.fingerprints).all()
    frames = one[one.info["config_type"] == "random_structure"]
    assert len(frames) == 3
    for atoms in frames:
        assert (atoms.numbers == 16).sum() == 2 * (atoms.numbers == 42).sum()
        assert atoms.pbc.all()
        assert closest_contact(atoms) >= 0.5


@pytest.mark.parametrize("dimension", [0, 1, 2])
def test_other_dimensions_have_their_vacuum(dimension):
    pytest.importorskip("pyxtal")
    atoms = random_structure({"C": 6}, np.random.default_rng(1), dimension=dimension)
    assert atoms.pbc.sum() == dimension
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell), axis=0)
    spans = np.ptp(atoms.get_scaled_positions(wrap=False), axis=0) * heights
    assert ((heights - spans)[~atoms.pbc] >= 15 - 1e-6).all()


def test_structures_that_are_not_found_are_counted(zoo, monkeypatch):
    pytest.importorskip("pyxtal")
    monkeypatch.setattr("flowpot.augmentation.kinds.random_structure._ATTEMPTS", 0)
    made = augment(zoo["MoS2"], [RandomStructures(n_frames=3)])
    assert "random_structure" not in made.counts
    assert "3 of 3 random structures are missing" in made.notes[-1]
    with pytest.raises(ValueError, match="raise volume_factor"):
        random_structure({"C": 6}, np.random.default_rng(1))


def test_its_absence_is_explained(monkeypatch, silicon):
    monkeypatch.setitem(sys.modules, "pyxtal", None)
    with pytest.raises(ImportError, match="pip install pyxtal"):
        augment(silicon, [RandomStructures()])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dimensions": (4,)}, "dimensions is 4"),
        ({"volume_factor": (2.0, 1.0)}, "volume_factor is"),
        ({"n_frames": 0}, "n_frames is 0"),
    ],
)
def test_parameters_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        RandomStructures(**changes)


def test_a_formula_unit_must_fit(zoo):
    with pytest.raises(ValueError, match="less than one formula unit"):
        augment(zoo["MoS2"], [RandomStructures(max_atoms=2)])


def test_formula_units_that_do_not_fit_are_named(silicon):
    pytest.importorskip("pyxtal")
    units = ({"Si": 1}, {"Si": 3, "O": 6})
    made = augment(
        silicon, [RandomStructures(n_frames=2, max_atoms=4, compositions=units)]
    )
    assert made.counts["random_structure"] == 2
    assert "no random structures of [{'Si': 3, 'O': 6}]" in made.notes[-1]

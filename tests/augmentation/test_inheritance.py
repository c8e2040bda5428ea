"""Moments, charge and multiplicity: what each kind of frames inherits of its parent."""

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixSymmetry
from pymatgen.core import Molecule

from flowpot.augmentation import (
    Alloys,
    Clusters,
    Dimers,
    Distortions,
    Slabs,
    Strains,
    Substitution,
    Supercells,
    ThermalDisplacements,
    Vacancies,
    alloy,
    augment,
    deform,
    distort,
    remove_atoms,
    slabs,
    strain,
    substitute,
    supercell,
    thermal_displacements,
)
from flowpot.dataset import Dataset

CHARGE = -2
COPIES = 2
"""Cells of eight atoms in a supercell of 6 A."""


@pytest.fixture
def antiferromagnet():
    """Iron monoxide in a cell of eight atoms, iron up and down, oxygen without."""
    atoms = bulk("FeO", "rocksalt", a=4.3, cubic=True)
    iron = atoms.numbers == 26
    moments = np.zeros(len(atoms))
    moments[iron] = [3.5, 3.5, -3.5, -3.5]
    atoms.set_initial_magnetic_moments(moments)
    return atoms


MOVES = {
    "distorted": Distortions(n_frames=4, fraction=0.1, strain=(-0.02, 0.02)),
    "strained": Strains(n_frames=4, limits=(-0.02, 0.02)),
    "thermal": ThermalDisplacements(temperatures=(50.0,), n_frames=3),
    "vacancy": Vacancies(n_frames=4),
    "slab": Slabs(miller_indices=((1, 0, 0), (1, 1, 1)), min_thickness=5),
    "cluster": Clusters(n_frames=5, max_atoms=5),
    "dimer": Dimers(n_points=3),
    "alloy": Alloys(("Fe", "Co"), ("O",), n_frames=5),
}
ALL = ["input", "isolated_atom", "substituted", *MOVES]


@pytest.fixture
def frames_of(antiferromagnet):
    """Make the frames of one kind."""

    def make(kind, **info):
        antiferromagnet.info.update(info)
        made = augment(
            antiferromagnet,
            [MOVES[kind]] if kind in MOVES else [],
            supercell=Supercells(6, 64) if kind != "slab" else None,
            substitution=Substitution(1.0, 0.5) if kind == "substituted" else None,
            min_distance=0.5,
        )
        frames = made.frames[made.frames.info["config_type"] == kind]
        assert len(frames)
        return frames

    return make


@pytest.mark.parametrize("kind", ALL)
def test_iron_keeps_its_moments_and_oxygen_has_none(kind, frames_of):
    frames = frames_of(kind)
    assert not np.isnan(frames.magmoms).any()
    assert (frames.magmoms[frames.numbers == 8] == 0).all()
    assert (np.abs(frames.magmoms[frames.numbers == 26]) == 3.5).all()
    assert (np.abs(frames.magmoms[frames.numbers == 27]) <= 3).all()  # free cobalt's


@pytest.mark.parametrize("kind", sorted(set(ALL) - {"isolated_atom"}))
def test_antiferromagnets_stay_so(kind, frames_of):
    frames = frames_of(kind)
    together = kind in {"cluster", "dimer"}  # of elements alone: parallel
    for atoms in frames:
        total = atoms.get_initial_magnetic_moments().sum()
        if together:
            assert total == 3.5 * (atoms.numbers == 26).sum()
        elif kind in {"vacancy", "slab"}:
            assert abs(total) <= 0.35 * np.sqrt(len(atoms)) * 3.5
        else:
            assert abs(total) < 1e-9 or kind == "alloy"


@pytest.mark.parametrize("kind", sorted(set(ALL) - {"slab"}))
def test_charge(kind, frames_of):
    frames = frames_of(kind, charge=CHARGE)
    if kind in {"cluster", "dimer", "isolated_atom"}:
        assert np.isnan(frames.charge).all()
    else:
        assert (frames.charge == COPIES * CHARGE).all()


@pytest.mark.parametrize("kind", sorted(set(ALL) - {"slab"}))
def test_multiplicity(kind, frames_of):
    """The total moment is that of all cells, and free where the electrons differ."""
    frames = frames_of(kind, spin=3)
    kept = {"input", "distorted", "strained", "thermal", "substituted"}
    expected = COPIES * (3 - 1) + 1 if kind in kept else np.nan
    if kind == "alloy":
        pure = np.array([(atoms.numbers != 27).all() for atoms in frames])
        assert np.isnan(frames.spin[~pure]).all()
    else:
        assert np.array_equal(
            frames.spin, np.full(len(frames), expected), equal_nan=True
        )


def test_charged_crystals_have_no_slabs(antiferromagnet):
    antiferromagnet.info["charge"] = CHARGE
    made = augment(antiferromagnet, [MOVES["slab"]], supercell=Supercells(6, 64))
    assert "slab" not in made.counts
    assert any("no slabs, since it is charged" in note for note in made.notes)
    assert any("its charge of -2 is that of each cell" in note for note in made.notes)
    with pytest.raises(ValueError, match="charge the slab"):
        slabs(antiferromagnet, (1, 0, 0))


def test_slabs_have_the_layers_of_their_crystal():
    """Layered antiferromagnet: each (001) plane has one sign, the next the other."""
    atoms = bulk("Cr", a=2.88, cubic=True)
    atoms.set_initial_magnetic_moments([1.1, -1.1])
    (slab,) = slabs(atoms, (0, 0, 1), min_thickness=8)
    heights, planes = np.unique(slab.positions[:, 2].round(3), return_inverse=True)
    moments = slab.get_initial_magnetic_moments()
    signs = [set(np.sign(moments[planes == plane])) for plane in range(len(heights))]
    assert all(len(each) == 1 for each in signs)
    assert all(one != other for one, other in pairwise(signs))


def test_an_atom_takes_its_moment_with_it(antiferromagnet):
    rng = np.random.default_rng(0)
    swapped = substitute(antiferromagnet, rng, fraction=0.5)
    before, after = (
        np.stack([atoms.numbers, atoms.get_initial_magnetic_moments()])
        for atoms in (antiferromagnet, swapped)
    )
    assert sorted(before.T.tolist()) == sorted(after.T.tolist())
    assert (swapped.numbers != antiferromagnet.numbers).any()


FUNCTIONS = {
    "deform": lambda atoms, _: deform(atoms, 1.01 * np.eye(3)),
    "distort": lambda atoms, rng: distort(atoms, rng, fraction=0.1),
    "strain": lambda atoms, rng: strain(atoms, rng, limits=(-0.01, 0.01)),
    "thermal": lambda atoms, rng: thermal_displacements(atoms, rng, temperature=50),
    "remove": lambda atoms, rng: remove_atoms(atoms, rng, n=1),
    "supercell": lambda atoms, _: supercell(atoms, min_length=6),
    "substitute": substitute,
    "alloy": lambda atoms, rng: alloy(
        atoms, rng, species=("Fe", "Co"), fixed_species=("O",)
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_atoms(name, antiferromagnet):
    antiferromagnet.info.update(charge=1, spin=5)
    made = FUNCTIONS[name](antiferromagnet, np.random.default_rng(3))
    copies = len(made) // (len(antiferromagnet) - 1)
    assert made.info["charge"] == copies
    moments = np.abs(made.get_initial_magnetic_moments())
    assert (moments[made.numbers == 26] == 3.5).all()
    if name in {"remove", "alloy"}:
        assert "spin" not in made.info
    else:
        assert made.info["spin"] == 4 * copies + 1


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("labels", ["arrays", "calculator"])
def test_no_function_hands_labels_on(name, labels, antiferromagnet):
    """What holds for a frame does not hold for those that are made of it."""
    atoms, forces = antiferromagnet, np.ones((8, 3))
    atoms.info["note"] = "relaxed"
    if labels == "arrays":  # as ASE reads them from an extxyz file
        atoms.info["REF_energy"] = -3.0
        atoms.set_array("REF_forces", forces)
    else:
        atoms.calc = SinglePointCalculator(atoms, energy=-3.0, forces=forces)
    assert len(Dataset.from_atoms([atoms]).labelled)
    made = FUNCTIONS[name](atoms, np.random.default_rng(3))
    assert not len(Dataset.from_atoms([made]).labelled)
    assert made.calc is None
    assert set(made.arrays) == {"numbers", "positions", "initial_magmoms"}
    assert set(made.info) <= {"charge", "spin"}
    assert len(supercell(atoms, min_length=1).arrays) == 3  # large enough as it is


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("is_symmetry", [True, False])
def test_constraints_of_the_parent_do_not_apply(name, is_symmetry, antiferromagnet):
    """Constraints of ASE change the cells and positions that are set."""
    held = antiferromagnet.copy()
    held.set_constraint(FixSymmetry(held) if is_symmetry else FixAtoms([0]))
    free, made = (
        FUNCTIONS[name](atoms, np.random.default_rng(3))
        for atoms in (antiferromagnet, held)
    )
    assert not made.constraints
    np.testing.assert_array_equal(made.positions, free.positions)
    np.testing.assert_array_equal(made.cell, free.cell)


def test_a_multiplicity_reaches_frames_of_elements_and_slabs():
    """Its unpaired electrons, divided among the atoms, are their moments."""
    oxygen = Molecule(["O", "O"], [[0, 0, 0], [0, 0, 1.21]], spin_multiplicity=3)
    kinds = [Dimers(n_points=3, shortest=0.9), Clusters(n_frames=2, max_atoms=3)]
    frames = augment(oxygen, kinds).frames
    of_elements = np.isin(
        frames.info["config_type"].astype(str), ["isolated_atom", "dimer", "cluster"]
    )
    assert of_elements.sum() == 6
    assert (frames[of_elements].magmoms == 1).all()
    copper, given = bulk("Cu", cubic=True), bulk("Cu")
    copper.info["spin"] = 9
    assert (slabs(copper, (1, 0, 0))[0].get_initial_magnetic_moments() == 2).all()
    given.set_initial_magnetic_moments([-3.0])
    (atom,) = augment([copper, given], [], without=["input"]).frames
    assert atom.get_initial_magnetic_moments() == [(4 * 2 + 3) / 5]


def test_a_singlet_polarises_nothing():
    water = molecule("H2O")
    water.info["spin"] = 1
    assert np.isnan(augment(water, [Dimers(n_points=2)]).frames.magmoms).all()


def test_a_fixed_multiplicity_becomes_moments_where_electrons_are_missing():
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    crystal.info["spin"] = 5
    made = remove_atoms(crystal, np.random.default_rng(0), n=1)
    assert made.get_initial_magnetic_moments().tolist() == [0.5] * 7
    mixed = alloy(
        crystal, np.random.default_rng(0), species=("Na", "Zn"), fixed_species=("Cl",)
    )
    moments = mixed.get_initial_magnetic_moments()
    assert {"Na", "Zn", "Cl"} == set(mixed.symbols)
    assert (moments == np.where(mixed.numbers == 30, 0.0, 0.5)).all()  # free zinc's


def test_inputs_without_a_state_have_children_without():
    made = augment(molecule("H2O"), [Distortions(n_frames=2)])
    for name in ("magmoms", "charge", "spin"):
        assert np.isnan(getattr(made.frames, name)).all()


def test_two_magnetic_orders_are_two_inputs(antiferromagnet):
    ferromagnet = antiferromagnet.copy()
    ferromagnet.set_initial_magnetic_moments(
        np.abs(antiferromagnet.get_initial_magnetic_moments())
    )
    bare = Atoms(
        antiferromagnet.numbers,
        antiferromagnet.positions,
        cell=antiferromagnet.cell,
        pbc=True,
    )
    made = augment([antiferromagnet, ferromagnet, bare], [])
    assert made.counts["input"] == 3
    assert isinstance(made.frames, Dataset)

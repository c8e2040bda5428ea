"""Vacancies."""

from itertools import combinations

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk, graphene, molecule, mx2
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor

from crystals import PEROVSKITE, RUTILE
from flowpot.augmentation import (
    Alloys,
    Distortions,
    Supercells,
    Vacancies,
    augment,
)
from flowpot.augmentation.kinds.vacancy import distinct_vacancies

CRYSTALS = {
    "C": bulk("C", "diamond", a=3.567),
    "Fe": bulk("Fe", "bcc", a=2.87, cubic=True),
    "Mg": bulk("Mg", "hcp", a=3.21, c=5.21),
    "NaCl": bulk("NaCl", "rocksalt", a=5.64),
    "MoS2": mx2("MoS2", vacuum=7.5),
    "graphene": graphene(vacuum=7.5),
    "perovskite": PEROVSKITE,
    "rutile": RUTILE,
}


def vacancies_of(atoms, generator, **options):
    """Frames of vacancies alone."""
    made = augment(
        atoms, [generator], without=("input", "isolated_atom"), seed=3, **options
    )
    return made.frames, made.notes


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("size", [None, Supercells(min_length=8, max_atoms=60)])
def test_single_vacancies_are_as_many_as_spglibs_orbits(name, size):
    atoms = CRYSTALS[name]
    parent = atoms if size is None else size.of(atoms)
    cell = (parent.cell[:], parent.get_scaled_positions(), parent.numbers)
    orbits = np.unique(spglib.get_symmetry_dataset(cell).equivalent_atoms)
    frames, notes = vacancies_of(atoms, Vacancies(n_frames=100), supercell=size)
    assert len(frames) == len(orbits)
    assert (frames.n_atoms == len(parent) - 1).all()
    assert f"{len(orbits)} frames with vacancies instead of 100" in notes[-1]
    whole = np.bincount(parent.numbers)
    removed = [int(np.argmax(whole - np.bincount(f.numbers, None, len(whole))))
               for f in frames]  # fmt: skip
    assert sorted(removed) == sorted(parent.numbers[orbits])


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("NaCl", 8),
        ("Fe", 8),
        ("Mg", 8),
        ("perovskite", 5),
        ("rutile", 6),
        ("MoS2", 12),
    ],
)
def test_pairs_are_the_classes_that_pymatgens_matcher_finds(name, size):
    """No two are the same structure, and no other choice is different from all."""
    atoms = Supercells(min_length=50, max_atoms=size).of(CRYSTALS[name])
    frames, _ = vacancies_of(atoms, Vacancies(n_frames=100, n_vacancies=2))
    exact = {"ltol": 1e-3, "stol": 1e-3, "angle_tol": 0.1}
    match = StructureMatcher(primitive_cell=False, scale=False, **exact)
    made = [AseAtomsAdaptor.get_structure(frame) for frame in periodic(frames)]
    assert not any(match.fit(*pair) for pair in combinations(made, 2))
    for gone in combinations(range(len(atoms)), 2):
        left = atoms.copy()
        del left[list(gone)]
        left.pbc = True
        other = AseAtomsAdaptor.get_structure(left)
        assert any(match.fit(other, each) for each in made)


def periodic(frames):
    """Tell pymatgen nothing of open directions."""
    for atoms in frames:
        atoms.pbc = True
        yield atoms


def n_distinct(atoms, n):
    """How many choices of n atoms symmetry tells apart."""
    everywhere = np.ones(len(atoms), bool)
    rng = np.random.default_rng(0)
    return len(distinct_vacancies(atoms, everywhere, [n], 100, rng))


@pytest.mark.parametrize(
    ("moments", "singles"),
    [
        (None, 1),
        ([2.2] * 4, 1),
        ([2.2, 2.2, -2.2, -2.2], 1),  # turned round, up is down
        ([2.2, 2.2, 1.0, 1.0], 2),
        ([3.0, 2.0, 1.0, 0.5], 4),
    ],
)
def test_sites_of_different_moments_are_different(moments, singles):
    """As an antiferromagnet's are not, and a ferrimagnet's are."""
    iron = Atoms(
        "Fe4",
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)],
        cell=[3.6] * 3,
        pbc=True,
        magmoms=moments,
    )
    assert n_distinct(iron, 1) == singles


def test_pairs_of_an_antiferromagnet_are_told_apart():
    """Nearest neighbours of fcc iron, with layers of up and down: two kinds."""
    iron = bulk("Fe", "fcc", a=3.6, cubic=True)
    iron.set_initial_magnetic_moments(None)
    plain = n_distinct(iron, 2)
    iron.set_initial_magnetic_moments([2, 2, -2, -2])
    assert n_distinct(iron, 2) > plain


def test_single_ones_come_before_pairs():
    frames, _ = vacancies_of(
        PEROVSKITE, Vacancies(n_frames=5, n_vacancies=(2, 1)), supercell=None
    )
    assert sorted(frames.info["n_vacancies"]) == [1, 1, 1, 2, 2]


def test_displaced_vacancies_take_turns():
    """With displacements no two are the same: each kind is made several times."""
    frames, notes = vacancies_of(
        PEROVSKITE * 2, Vacancies(n_frames=9, fraction=0.05), supercell=None
    )
    gone = [{"Sr": 8, "Ti": 8, "O": 24}] * 9
    lost = [
        next(s for s in each if (frame.symbols == s).sum() < each[s])
        for each, frame in zip(gone, frames, strict=True)
    ]
    assert sorted(lost) == ["O"] * 3 + ["Sr"] * 3 + ["Ti"] * 3
    assert not notes


@pytest.mark.parametrize("plan", [Vacancies, Distortions])
def test_only_the_wanted_elements_are_missing(plan):
    options = {} if plan is Vacancies else {"vacancy_fraction": 0.5}
    generator = plan(n_frames=12, vacancy_species=("O",), n_vacancies=1, **options)
    frames, _ = vacancies_of(PEROVSKITE * 2, generator, supercell=None)
    for atoms in frames:
        assert (atoms.symbols == "Sr").sum() == (atoms.symbols == "Ti").sum() == 8
        assert (atoms.symbols == "O").sum() == 24 - atoms.info["n_vacancies"]
    assert frames.info["n_vacancies"].max() == 1
    none, notes = vacancies_of(
        [PEROVSKITE * 2, bulk("C")], plan(n_frames=4, vacancy_species=("O",), **options)
    )
    assert any("(C): " in n and "cannot lose 1 of ['O']" in n for n in notes)
    assert (none.info["config_type"] == "vacancy").any()


def test_alloys_lose_the_elements_that_they_have():
    plan = Distortions(vacancy_fraction=1.0, vacancy_species=("Au",), n_vacancies=1)
    alloys = Alloys(
        ("Cu", "Au"),
        n_frames=4,
        compositions=({"Cu": 0.75, "Au": 0.25}, {"Cu": 1.0}),
        distortion=plan,
    )
    made = augment(bulk("Cu", cubic=True), [alloys], without=("input", "isolated_atom"))
    for atoms in made.frames:
        pure = atoms.info["composition"]["Cu"] == 1.0
        assert len(atoms) == (4 if pure else 3)
        assert "Au" not in atoms.symbols
    assert "2 frames have no vacancies" in made.notes[0]


@pytest.mark.parametrize("name", ["H2O", "CH4", "C60"])
@pytest.mark.parametrize(
    "generator",
    [
        Vacancies(n_frames=3),
        Vacancies(n_frames=3, fraction=0.1),
        Distortions(n_frames=9, vacancy_fraction=0.5),
    ],
)
def test_molecules_lose_no_atoms(name, generator):
    made = augment(molecule(name), [generator])
    assert "vacancy" not in made.counts
    whole = made.frames[made.frames.info["config_type"] != "isolated_atom"]
    assert (whole.n_atoms == len(molecule(name))).all()
    assert len(whole) == (1 if isinstance(generator, Vacancies) else 10)
    assert any("no vacancies, since it is a molecule" in note for note in made.notes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_vacancies": ()}, "n_vacancies is empty"),
        ({"n_vacancies": (0, 1)}, "n_vacancies is 0"),
        ({"vacancy_species": ()}, "vacancy_species is empty"),
        ({"vacancy_species": ("Xx",)}, "vacancy_species is"),
        ({"vacancy_species": "Cu"}, "give a list of element symbols"),
    ],
)
@pytest.mark.parametrize("plan", [Vacancies, Distortions])
def test_parameters_are_checked(plan, fields, message):
    with pytest.raises(ValueError, match=message):
        plan(**fields)

"""Slabs."""

from itertools import combinations, product

import numpy as np
import pytest
from ase.build import bulk, graphene
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.core.surface import (
    SlabGenerator,
    get_symmetrically_equivalent_miller_indices,
)
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from crystals import MONOCLINIC_ZIRCONIA, PEROVSKITE, RUTILE
from flowpot.augmentation import (
    AugmentationMaker,
    Slabs,
    Supercells,
    augment,
    nearest_distances,
    slabs,
)
from flowpot.augmentation.crystal import Crystal, surface_basis
from flowpot.augmentation.kinds.slab import is_bulk

DIAMOND = bulk("C", "diamond", a=3.567)


@pytest.mark.parametrize("index", [(1, 1, 1), (1, 1, 0), (1, 0, 0), (3, 1, 1)])
def test_surface_cells_have_the_area_of_the_plane(index):
    """An fcc plane's primitive cell has area V / d, d the distance of its planes."""
    made = slabs(DIAMOND, index)
    assert made
    odd = all(i % 2 for i in index)
    spacing = 3.567 / np.linalg.norm(index) * (1.0 if odd else 0.5)
    for slab in made:
        area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
        assert area == pytest.approx(3.567**3 / 4 / spacing)
        thickness = np.ptp(slab.positions[:, 2])
        assert 10 <= thickness < 10 + spacing + 2
        assert slab.cell[2, 2] - thickness == pytest.approx(15)
        np.testing.assert_allclose(slab.cell[2, :2], 0, atol=1e-9)
        assert slab.pbc.tolist() == [True, True, False]
        nearest = nearest_distances(slab)
        np.testing.assert_allclose(nearest, 3.567 * 3**0.5 / 4, atol=1e-6)


def test_any_cell_of_the_crystal_gives_the_same_slabs():
    conventional = bulk("C", "diamond", a=3.567, cubic=True)
    for index in [(1, 1, 1), (1, 0, 0)]:
        sizes = [[len(s) for s in slabs(a, index)] for a in (DIAMOND, conventional)]
        assert sizes[0] == sizes[1]


def test_terminations_are_those_of_pymatgen():
    perovskite = Structure.from_spacegroup(
        "Pm-3m",
        Lattice.cubic(3.9),
        ["Sr", "Ti", "O"],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]],
    )
    expected = SlabGenerator(perovskite, (0, 0, 1), 12, 10).get_slabs()
    atoms = perovskite.to_ase_atoms()
    made = slabs(atoms, (0, 0, 1), min_thickness=9)
    # One stoichiometric slab: the other termination is the same, upside down.
    assert len(made) == len(expected) == 1
    height = made[0].positions[:, 2]
    bottom = set(made[0].symbols[height < height.min() + 0.1])
    top = set(made[0].symbols[height > height.max() - 0.1])
    assert sorted(map(sorted, (bottom, top))) == [["O", "Sr"], ["O", "Ti"]]
    assert len(slabs(DIAMOND, (1, 1, 1))) == 2  # shuffle and glide planes


def test_hexagonal_crystals():
    made = slabs(bulk("Ti"), (0, 0, 1))
    assert len(made) == 1
    assert np.linalg.norm(made[0].cell[0]) == pytest.approx(bulk("Ti").cell[0, 0])


def test_only_bulk_is_cut():
    layer = graphene(vacuum=8)
    layer.pbc = True
    assert not is_bulk(layer)
    assert is_bulk(bulk("Cu"))
    with pytest.raises(ValueError, match="no bulk crystal"):
        slabs(layer, (1, 0, 0))
    made = augment(graphene(), [Slabs()])
    assert "slab" not in made.counts
    assert "no slabs" in made.notes[0]


def test_slabs_of_the_stage():
    """From the conventional cell, not from the supercell, as wide as atoms allow."""
    made = augment(DIAMOND, [Slabs(max_atoms=200)], supercell=Supercells())
    frames = made.frames[made.frames.info["config_type"] == "slab"]
    assert sorted(frames.info["miller"]) == ["1 0 0", "1 1 0", "1 1 1", "1 1 1"]
    assert frames.n_atoms.max() <= 200
    assert frames.n_atoms.min() > 100
    assert (frames.info["thickness"] >= 10).all()
    assert (frames.info["parent"] == made.frames.info["parent"][-1]).all()


def test_thinner_slabs_where_atoms_are_few():
    made = slabs(DIAMOND, (1, 1, 1), min_thickness=20, max_atoms=8)
    assert made
    assert max(len(slab) for slab in made) <= 8
    assert slabs(DIAMOND, (1, 1, 1), max_atoms=1) == []
    kept = augment(DIAMOND, [Slabs(max_atoms=1)])
    assert "the thinnest has more than max_atoms=1" in kept.notes[0]


@pytest.mark.parametrize("seed", range(20))
def test_surface_bases_are_unimodular(seed):
    index = np.random.default_rng(seed).integers(-5, 6, size=3)
    index = index // max(np.gcd.reduce(index), 1)
    if not index.any():
        index = np.array([0, 0, -1])
    basis = surface_basis(index)
    assert abs(np.linalg.det(basis)) == pytest.approx(1)
    np.testing.assert_array_equal(basis @ index, [0, 0, 1])


def test_layers_are_right_handed():
    layer = Crystal.of(bulk("NaCl", "rocksalt", a=5.64)).layer((1, 1, 1))
    assert np.linalg.det(layer.lattice.matrix) > 0
    assert layer.volume == pytest.approx(5.64**3 / 4)


@pytest.mark.parametrize("index", [(0, 0, 0), (1, 1), (1, 0, -1, 0)])
def test_indices_are_checked(index):
    with pytest.raises(ValueError, match="miller index"):
        Slabs(miller_indices=(index,))


CRYSTALS = {
    "C": DIAMOND,
    "Fe": bulk("Fe", "bcc", a=2.87),
    "Mg": bulk("Mg", "hcp", a=3.21, c=5.21),
    "NaCl": bulk("NaCl", "rocksalt", a=5.64),
    "ZnS": bulk("ZnS", "zincblende", a=5.41),
    "rutile": RUTILE,
    "perovskite": PEROVSKITE,
    "monoclinic": MONOCLINIC_ZIRCONIA,
}
ALL_TO_TWO = [h for h in product(range(-2, 3), repeat=3) if np.gcd.reduce(h) == 1]


@pytest.mark.parametrize("name", CRYSTALS)
def test_distinct_planes_are_those_of_pymatgen(name):
    """Every plane up to index 2, and both its sides, are of one kind each."""
    kinds = Crystal.of(CRYSTALS[name]).distinct(ALL_TO_TWO)
    structure = SpacegroupAnalyzer(
        AseAtomsAdaptor.get_structure(CRYSTALS[name])
    ).get_conventional_standard_structure()
    named = [index for first, same in kinds.items() for index in (first, *same)]
    assert sorted(named) == sorted(ALL_TO_TWO)
    for first, same in kinds.items():
        images = set(
            get_symmetrically_equivalent_miller_indices(
                structure, first, return_hkil=False
            )
        )
        images |= {tuple(-i for i in image) for image in images}
        assert {first, *same} == images & set(ALL_TO_TWO)


@pytest.mark.parametrize(
    ("name", "planes"), [("C", 3), ("Fe", 3), ("Mg", 4), ("NaCl", 3), ("rutile", 4)]
)
def test_each_distinct_plane_is_cut_once(name, planes):
    """The basal plane of hexagonal crystals is among the defaults."""
    made = augment(CRYSTALS[name], [Slabs(max_atoms=60)])
    frames = made.frames[made.frames.info["config_type"] == "slab"]
    cut = set(frames.info["miller"])
    assert len(cut) == planes
    assert ("0 0 1" in cut) == (planes == 4)
    said = [note for note in made.notes if "(0 0 1), the same as (1 0 0)" in note]
    assert len(said) == (planes == 3)


def test_seven_cubic_planes_are_three():
    made = augment(DIAMOND, [AugmentationMaker.preset("accuracy").slabs])
    frames = made.frames[made.frames.info["config_type"] == "slab"]
    assert set(frames.info["miller"]) == {"1 0 0", "1 1 0", "1 1 1"}
    assert len(made.notes) == 2


@pytest.mark.parametrize("name", ["C", "Mg", "NaCl", "ZnS", "rutile", "perovskite"])
def test_no_two_slabs_are_the_same_structure(name):
    """Neither of one plane, nor of two."""
    found = Crystal.of(CRYSTALS[name])
    made = [
        slab
        for index in found.distinct(Slabs().miller_indices)
        for slab in found.slabs(index, 6.0)
    ]
    exact = {"ltol": 1e-3, "stol": 0.05, "angle_tol": 0.1}
    match = StructureMatcher(primitive_cell=False, scale=False, **exact)
    assert not any(match.fit(*pair) for pair in combinations(made, 2))

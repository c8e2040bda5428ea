"""The stage as a whole: seeds, parents, duplicates, odd inputs."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from pymatgen.core import Molecule, Structure

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
    add_vacuum,
    augment,
    isolated_atoms,
)
from flowpot.dataset import Dataset, assign_splits

SMALL = Supercells(min_length=7.0, max_atoms=60)


def every_generator() -> list:
    return [
        Distortions(n_frames=6),
        Strains(n_frames=3),
        Vacancies(n_frames=2),
        ThermalDisplacements((300.0,), n_frames=2),
        Clusters(n_frames=4),
        Dimers(n_points=3),
        Slabs(max_atoms=80),
    ]


def test_the_whole_zoo_at_once(zoo):
    """Periodic, partly periodic, molecular; skewed, left-handed; 1 to 5 elements."""
    made = augment(
        list(zoo.values()),
        every_generator(),
        supercell=SMALL,
        substitution=Substitution(),
    )
    frames = made.frames
    assert made.n_inputs == len(zoo)
    assert len(set(frames.fingerprints)) == len(frames)
    assert np.isfinite(frames.positions).all()
    assert made.counts["input"] == len(zoo)
    assert made.counts["isolated_atom"] == len(made.species)
    assert not len(frames.labelled)
    for atoms in frames:
        i, j, d = neighbor_list("ijd", atoms, 3.0)
        radii = covalent_radii[atoms.numbers]
        assert (d / (radii[i] + radii[j])).min(initial=1) >= 0.5 - 1e-9
        if not atoms.pbc.all():
            heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell), axis=0)
            spans = np.ptp(atoms.get_scaled_positions(wrap=False), axis=0) * heights
            assert ((heights - spans)[~atoms.pbc] >= 15 - 1e-6).all()


def test_same_seed_same_frames_whatever_else_is_on(silicon):
    """The reference cannot be seeded at all."""
    alone = augment(silicon, [Distortions(n_frames=5)], seed=4)
    among = augment(
        [bulk("C"), silicon, molecule("H2O")], every_generator()[1:], seed=4
    )
    both = augment(
        [molecule("H2O"), silicon],
        [*every_generator()[1:], Distortions(n_frames=5)],
        substitution=Substitution(),
        seed=4,
    )
    assert set(alone.frames.fingerprints) <= set(both.frames.fingerprints)
    mine = among.frames[among.frames.info["parent"] == _parent(silicon)]
    shared = set(mine.fingerprints) & set(both.frames.fingerprints)
    assert len(shared) == len(mine)
    other = augment(silicon, [Distortions(n_frames=5)], seed=5)
    assert not set(alone.frames.fingerprints[2:]) & set(other.frames.fingerprints[2:])


def _parent(atoms: Atoms) -> str:
    return str(Dataset.load(atoms).fingerprints[0])


def test_children_name_their_parent(silicon):
    made = augment(silicon, [Distortions(n_frames=20)], supercell=SMALL)
    children = made.frames.info["config_type"] != "isolated_atom"
    assert set(made.frames.info["parent"][children]) == {_parent(silicon)}
    assert made.frames.info["parent"][~children].tolist() == [None]
    split = assign_splits(made.frames, seed=0)
    assert set(split.info["split"][:2]) == {"train"}


def test_repeated_inputs_and_repeated_frames_count_once(silicon):
    made = augment([silicon, silicon.copy()], [Vacancies(n_frames=20)])
    assert made.n_inputs == 1
    assert made.counts["vacancy"] == 1  # all sites are the same by symmetry
    cell = bulk("Si", cubic=True)
    alloys = Alloys(("Si", "Ge"), n_frames=5, compositions=({"Ge": 1.0},))
    repeated = augment(cell, [replace(alloys, distortion=None)])
    assert repeated.counts["alloy"] == 1
    assert repeated.rejected["duplicate"] == 4


def test_an_input_that_is_an_isolated_atom_is_one():
    made = augment([Atoms("H"), isolated_atoms(["O"])[0]], [])
    assert made.counts == {"isolated_atom": 2}


def test_vacuum_that_is_called_periodic_is_pointed_out():
    """Structures of pymatgen are periodic unless told otherwise."""
    sheet = graphene(vacuum=8)
    sheet.pbc = True
    notes = augment(sheet, []).notes
    assert "periodic along cell vectors [2] but empty there" in notes[0]
    assert not augment([graphene(), bulk("Si"), bulk("Cu")], []).notes


def test_isolated_atoms_are_one_an_element():
    oxygen, silicon = isolated_atoms(["O", "Si"], vacuum=12.0)
    np.testing.assert_allclose(oxygen.cell.lengths(), 12.0)
    assert not silicon.pbc.any()
    np.testing.assert_allclose(silicon.positions, 6.0)
    quartz = augment([bulk("Si"), molecule("O2"), molecule("CO")], [])
    assert quartz.counts == {"isolated_atom": 3, "input": 3}


def test_elements_that_only_alloys_bring_have_isolated_atoms(silicon):
    plan = Alloys(("Si", "Ge"), n_frames=3)
    assert augment(silicon, [plan]).counts["isolated_atom"] == 2


def test_pymatgen_structures_and_molecules(silicon):
    structure = Structure.from_ase_atoms(silicon)
    water = Molecule("OHH", [[0, 0, 0], [0, 0, 0.96], [0.93, 0, -0.24]])
    made = augment([structure, water], [Distortions(n_frames=2)])
    assert made.counts["input"] == 2
    inputs = made.frames[made.frames.info["config_type"] == "input"]
    assert inputs.pbc.tolist() == [[True] * 3, [False] * 3]


def test_slabs_that_straddle_the_boundary_are_whole_in_every_frame():
    slab = add_vacuum(bulk("Cu", cubic=True) * (2, 2, 2))
    slab.pbc = (True, True, False)
    slab.cell[2, 2] = 20
    slab.positions[:, 2] += 17
    slab.pbc = True
    slab.wrap()
    slab.pbc = (True, True, False)
    made = augment(slab, [Distortions(n_frames=5)], without=["isolated_atom"])
    for atoms in made.frames:
        assert np.ptp(atoms.positions[:, 2]) < 10
        assert atoms.cell[2, 2] - np.ptp(atoms.positions[:, 2]) >= 15 - 1e-9


@pytest.mark.parametrize(
    ("structures", "options", "message"),
    [
        (Atoms("Si2", [[0, 0, 0], [0, 0, 0.01]]), {}, "mend the structure"),
        ([], {}, "give at least one"),
        (bulk("Si"), {"vacuum": 0.0}, "vacuum is"),
        (bulk("Si"), {"min_distance": -0.1}, "min_distance is"),
        (bulk("Si"), {"seed": -1}, "seed is -1"),
        (bulk("Si"), {"without": ("slab",)}, "without is 'slab'"),
        (
            bulk("Si"),
            {"without": ("input", "isolated_atom")},
            "nothing was made",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(structures, options, message):
    with pytest.raises(ValueError, match=message):
        augment(structures, [], **options)

"""Frames that share positions share a set."""

from itertools import combinations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule, mx2
from ase.geometry import get_distances
from ase.spacegroup import crystal

from flowpot.augmentation import (
    Alloys,
    Distortions,
    Substitution,
    Supercells,
    ThermalDisplacements,
    Vacancies,
    augment,
)
from flowpot.dataset import Dataset, assign_splits
from flowpot.dataset.relatives import relatives

PEROVSKITE = crystal(
    ["Sr", "Ti", "O"],
    [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
    spacegroup=221,
    cellpar=[3.905] * 3 + [90] * 3,
)
PEROVSKITE.info.clear()
SLAB = fcc111("Cu", (2, 2, 4), vacuum=6)
SLAB.pbc = (True, True, False)
SLAB.symbols[::3] = "Au"
SYSTEMS = {
    "C": [bulk("C", cubic=True)],
    "NaCl": [bulk("NaCl", "rocksalt", a=5.64)],
    "MoS2": [mx2("MoS2", vacuum=None)],
    "perovskite": [PEROVSKITE],
    "slab": [SLAB],
    "molecules": [molecule("CH4"), molecule("H2O"), molecule("CH3CH2OH")],
    "mixture": [bulk("NaCl", "rocksalt", a=5.64), bulk("KCl", "rocksalt", a=5.64)],
}
MIXED = {
    "C": [("C", "Si"), ()],
    "NaCl": [("Na", "K"), ("Cl",)],
    "MoS2": [("Mo", "W"), ("S",)],
    "perovskite": [("Sr", "Ba"), ("Ti", "O")],
    "slab": [("Cu", "Au"), ()],
    "mixture": [("Na", "K"), ("Cl",)],
}
SMALL = Supercells(min_length=7, max_atoms=40)


def shared_positions(one: Atoms, other: Atoms) -> int:
    """Count by brute force the atoms of one frame that sit on the other's."""
    lattices = [np.where(each.pbc[:, None], each.cell, 0.0) for each in (one, other)]
    if (one.pbc != other.pbc).any() or abs(lattices[0] - lattices[1]).max() > 1e-5:
        return 0
    _, distances = get_distances(
        one.positions, other.positions, cell=one.cell, pbc=one.pbc
    )
    return int((distances.min(axis=1) < 1e-5).sum())


def are_relatives(one: Atoms, other: Atoms) -> bool:
    shared = shared_positions(one, other)
    smaller, larger = sorted((len(one), len(other)))
    if smaller == 1 and not one.pbc.any():
        return False
    part = shared == smaller and 2 * smaller >= larger
    parents = {each.info.get("parent") for each in (one, other)}
    return part or (shared > 0 and len(parents) == 1 and None not in parents)


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("without", [(), ("input",)])
def test_sets_of_an_augmented_dataset_share_no_positions(name, seed, without):
    """Substituted frames, defects of the perfect crystal, and what they come from."""
    alloys = [
        Alloys(*MIXED[name], n_frames=6, distortion=distortion)
        for distortion in (Distortions(), None)
        if name in MIXED
    ]
    frames = augment(
        SYSTEMS[name],
        [
            Distortions(n_frames=12),
            Vacancies(n_frames=4),
            Vacancies(n_frames=2, n_vacancies=2),
            ThermalDisplacements((300.0,), n_frames=6),
            *alloys,
        ],
        supercell=SMALL,
        substitution=Substitution(structures_fraction=0.5),
        seed=seed,
        without=without,
    ).frames
    split = assign_splits(frames, seed=seed)
    atoms = list(split)
    sets = split.info["split"]
    for one, other in combinations(range(len(atoms)), 2):
        if sets[one] != sets[other]:
            assert not are_relatives(atoms[one], atoms[other])
    families = np.bincount(relatives(frames, frames.info["parent"].astype(object)))
    for part in ("val", "test"):
        assert abs((sets == part).sum() - 0.1 * len(sets)) <= max(2, families.max())
        assert (sets == part).any()


def numbered(frames: list[Atoms], parents: list[str] | None = None) -> list[int]:
    names = np.array(parents or [""] * len(frames), object)
    return relatives(Dataset.from_atoms(frames), names).tolist()


def test_species_order_and_lattice_vectors_do_not_matter():
    one = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    one.rattle(0.1, seed=1)
    other = one[::-1]
    other.symbols[:3] = "K"
    other.positions[2] += 2 * one.cell[0] - one.cell[1]
    moved = one.copy()
    moved.positions[0, 0] += 0.01
    strained = one.copy()
    strained.set_cell(one.cell * 1.01)
    assert numbered([one, other, moved, strained]) == [0, 0, 1, 2]


def test_what_was_cut_from_a_frame_is_its_relative():
    whole = bulk("Cu", cubic=True) * (2, 1, 1)
    whole.rattle(0.1, seed=2)
    kept = [whole[[0, 1, 2, 4, 5, 7]], whole[[7, 1, 3, 4]]]
    assert numbered([*kept, whole]) == [0, 0, 0]
    # Without it, the parts are only known as relatives by their parent.
    assert numbered([whole[:6], whole[2:]]) == [0, 1]
    assert numbered([whole[:6], whole[2:]], ["a", "a"]) == [0, 0]
    assert numbered([whole[:6], whole[2:]], ["a", "b"]) == [0, 1]
    # A few atoms at the same places are no cut.
    assert numbered([whole, whole[:3]]) == [0, 1]


def test_layers_that_are_held_make_no_relatives():
    frames = []
    for seed in range(20):
        atoms = SLAB.copy()
        upper = atoms.positions[:, 2] > np.median(atoms.positions[:, 2])
        noise = np.random.default_rng(seed).normal(scale=0.1, size=(len(atoms), 3))
        atoms.positions += np.where(upper[:, None], noise, 0)
        frames.append(atoms)
    assert sorted(numbered(frames)) == list(range(20))


def test_isolated_atoms_have_no_relatives():
    """A molecule around the centre of the same box is not cut from by them."""
    box = molecule("CH4", cell=[15] * 3)
    box.center()
    atom = Atoms("C", [box.positions[0]], cell=[15] * 3)
    other = Atoms("Si", [box.positions[0]], cell=[15] * 3)
    hydrogen = Atoms("CH", box.positions[:2], cell=[15] * 3)
    assert len(set(numbered([box, atom, other]))) == 3
    assert len(set(numbered([atom, hydrogen]))) == 2


def test_later_shards_follow_their_relatives():
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(30):
        atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
        atoms.positions += rng.normal(scale=0.1, size=(8, 3))
        frames.append(atoms)
    known = assign_splits(Dataset.from_atoms(frames))
    later = []
    for atoms in frames:
        swapped, defect = atoms.copy(), atoms.copy()
        swapped.numbers = swapped.numbers[::-1]
        del defect[3]
        later += [swapped, defect]
    shard = assign_splits(Dataset.from_atoms(later), existing=known, seed=3)
    assert (shard.info["split"] == np.repeat(known.info["split"], 2)).all()

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from flowpot.dataset import Dataset
from flowpot.training.sets import TrainingSets

from .conftest import ATOM


def test_sets_by_the_split_column(silicon_set):
    sets = TrainingSets.load(silicon_set)
    assert [len(s) for s in (sets.train, sets.val, sets.test)] == [24, 4, 4]
    assert sets.atomic_energies == {14: ATOM}
    assert sets.reference_energies() == {14: ATOM}


def test_shards_unlabelled_frames_and_artifacts(silicon_set):
    shards = [silicon_set[:20].to_artifact(), silicon_set[20:]]
    unlabelled = silicon_set[:3].without_labels()
    sets = TrainingSets.load([*shards, unlabelled])
    assert [len(s) for s in (sets.train, sets.val, sets.test)] == [24, 4, 4]


def test_frames_without_a_set_are_given_one_that_all_members_share(silicon_set):
    bare = silicon_set.with_info(split=None)
    sets, again = TrainingSets.load(bare), TrainingSets.load(bare)
    assert len(sets.train) + len(sets.val) + len(sets.test) == 32
    assert np.array_equal(sets.test.fingerprints, again.test.fingerprints)


@pytest.mark.parametrize("missing", [None, ""])
def test_a_frame_without_a_set_is_not_left_out(silicon_set, missing):
    split = np.array(silicon_set.info["split"], dtype=object)
    split[np.flatnonzero(~silicon_set.is_isolated_atom)[0]] = missing
    sets = TrainingSets.load(silicon_set.with_info(split=split))
    assert sum(sets.sizes.values()) == 32


@pytest.mark.parametrize("name", ["validation", "nan"])
def test_a_set_of_another_name_is_refused(silicon_set, name):
    split = np.array(silicon_set.info["split"], dtype=object)
    split[np.flatnonzero(~silicon_set.is_isolated_atom)[0]] = name
    with pytest.raises(ValueError, match=f"split is '{name}': use one of"):
        TrainingSets.load(silicon_set.with_info(split=split))


@pytest.mark.parametrize("empty", ["val", "test", "train"])
def test_an_empty_set_is_an_error(silicon_set, empty):
    rest = silicon_set[silicon_set.info["split"] != empty]
    with pytest.raises(ValueError, match=f"no labelled frame in the set '{empty}'"):
        TrainingSets.load(rest)


def test_nothing_to_train_on(silicon_set):
    with pytest.raises(ValueError, match="no labelled frame but isolated atoms"):
        TrainingSets.load(silicon_set[silicon_set.is_isolated_atom])


def test_a_missing_isolated_atom_is_named_with_the_remedy(silicon_set):
    frames = silicon_set[~silicon_set.is_isolated_atom]
    with pytest.raises(ValueError, match=r"isolated atom .* of Si.*'E0s': 'average'"):
        TrainingSets.load(frames).reference_energies()


@pytest.mark.parametrize("kind", ["isolated_atom", "IsolatedAtom"])
def test_an_isolated_atom_in_a_periodic_box_is_pointed_out(silicon_set, kind):
    frames = silicon_set[~silicon_set.is_isolated_atom]
    alone = Atoms("Si", cell=[15] * 3, pbc=True)
    alone.calc = SinglePointCalculator(alone, energy=-100.0, forces=np.zeros((1, 3)))
    boxed = Dataset.from_atoms([alone]).with_info(config_type=kind, split="train")
    sets = TrainingSets.load([boxed, frames])
    with pytest.raises(ValueError, match="one of Si, which is periodic: set its pbc"):
        sets.reference_energies()


def test_isolated_atoms_are_told_from_one_atom_crystals(silicon_set):
    primitive = Dataset.from_atoms([silicon_set[0][:1]])
    assert primitive.pbc.all()
    assert not primitive.is_isolated_atom[0]


def test_ions_are_no_reference(silicon_set):
    ion = silicon_set[silicon_set.is_isolated_atom].with_state(charge=1)
    shifted = ion.with_labels(energy=ion.energy + 8.0)
    sets = TrainingSets.load([shifted, silicon_set])
    assert sets.atomic_energies == {14: ATOM}


def test_states_that_potentials_are_not_told_are_pointed_out(silicon_set):
    charge = np.zeros(len(silicon_set))
    charge[3] = -1
    with pytest.warns(UserWarning, match="charges from -1 to 0, which potentials are"):
        TrainingSets.load(silicon_set.with_state(charge=charge))
    parallel = silicon_set.with_state(magmoms=np.ones(len(silicon_set.numbers)))
    with pytest.warns(UserWarning, match="32 frames have the atoms of another one"):
        TrainingSets.load([silicon_set, parallel])


def atom_of(energy, **info):
    """An isolated atom of silicon with an energy and no forces."""
    atom = Atoms("Si", info=info)
    atom.calc = SinglePointCalculator(atom, energy=energy)
    return Dataset.from_atoms([atom])


def test_the_energy_of_an_isolated_atom_suffices(silicon_set):
    frames = silicon_set[~silicon_set.is_isolated_atom]
    sets = TrainingSets.load([frames, atom_of(-7.0)])
    assert sets.reference_energies() == {14: -7.0}
    assert not sets.remarks


def test_of_several_isolated_atoms_the_lowest_counts_and_is_told(silicon_set):
    frames = silicon_set[~silicon_set.is_isolated_atom]
    atoms = [atom_of(-7.0, spin=5), atom_of(-8.5, spin=3), atom_of(-9.0, charge=1)]
    expected = "isolated atoms of Si have energies from -8.5 to -7 eV: the lowest"
    with pytest.warns(UserWarning, match=expected):
        sets = TrainingSets.load([*atoms, frames])
    assert sets.atomic_energies == {14: -8.5}
    same = TrainingSets.load([atom_of(-7.0), atom_of(-7.0 + 1e-5), frames])
    assert not same.remarks


def test_frames_without_forces_are_counted(silicon_set):
    energies = [each.copy() for each in silicon_set[:3]]
    for atoms in energies:
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0)
    lacking = Dataset.from_atoms(energies)
    with pytest.warns(UserWarning, match=r"3 frame\(s\) have an energy and no forces"):
        sets = TrainingSets.load([silicon_set, lacking])
    assert sets.sizes == {"train": 24, "val": 4, "test": 4}
    assert len(sets.remarks) == 1

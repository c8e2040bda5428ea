"""The Dataset itself: immutable columns, selection, joining, labels, metadata."""

import copy
import dataclasses
import pickle
import tracemalloc

import numpy as np
import pytest
from ase.build import bulk, molecule
from monty.json import MontyDecoder, jsanitize

from flowpot.dataset import Dataset


def test_frames_come_back_as_atoms(random_dataset):
    dataset = random_dataset(5)
    frames = dataset.to_atoms()
    assert len(frames) == len(dataset) == 5
    start, end = dataset.offsets[2:4]
    atoms = dataset[2]
    assert np.array_equal(atoms.positions, dataset.positions[start:end])
    assert np.array_equal(atoms.get_forces(), dataset.forces[start:end])
    assert np.array_equal(atoms.get_stress(voigt=False), dataset.stress[2])
    assert atoms.get_potential_energy() == dataset.energy[2]
    assert atoms.info == {k: v[2] for k, v in dataset.info.items()}
    assert atoms == frames[2] == dataset[-3]


def test_iteration_gives_atoms(random_dataset):
    dataset = random_dataset(4)
    assert [len(atoms) for atoms in dataset] == dataset.n_atoms.tolist()


def test_nothing_can_be_changed(random_dataset):
    dataset = random_dataset(3)
    with pytest.raises(ValueError, match="read-only"):
        dataset.positions[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        dataset.info["temperature"][0] = 0
    with pytest.raises(TypeError):
        dataset.info["new"] = np.zeros(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.energy = np.zeros(3)
    with pytest.raises(ValueError, match="read-only"):
        dataset.fingerprints[0] = ""


def test_it_keeps_its_own_copy_of_what_is_given(random_dataset):
    dataset = random_dataset(3)
    forces, steps = np.zeros_like(dataset.forces), np.arange(3)
    new = dataset.with_labels(forces=forces).with_info(step=steps)
    forces += 1.0
    steps += 1
    assert not new.forces.any()
    assert new.info["step"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, 2), [0, 2, 4]),
        (slice(None, None, -1), [4, 3, 2, 1, 0]),
        (slice(4, 1), []),
        ([3, 0, 3], [3, 0, 3]),
        (np.array([-1]), [4]),
        ([], []),
        (np.array([True, False, False, True, False]), [0, 3]),
        ([False] * 5, []),
    ],
)
def test_selection_is_what_a_list_gives(random_dataset, index, expected, assert_same):
    dataset = random_dataset(5)
    frames = dataset.to_atoms()
    chosen = dataset[index]
    assert chosen.fingerprints.tolist() == [dataset.fingerprints[i] for i in expected]
    if expected:
        assert_same(chosen, Dataset.from_atoms([frames[i] for i in expected]))


@pytest.mark.parametrize(
    ("index", "error"),
    [
        (5, IndexError),
        (-6, IndexError),
        ([5], IndexError),
        (np.ones(4, bool), IndexError),
        ("energy", TypeError),
        ([0.5], TypeError),
    ],
)
def test_a_wrong_index_is_an_error(random_dataset, index, error):
    with pytest.raises(error):
        random_dataset(5)[index]


def test_a_slice_shares_memory(random_dataset):
    dataset = random_dataset(50)
    part = dataset[10:20]
    assert np.shares_memory(part.positions, dataset.positions)
    assert np.shares_memory(part.info["temperature"], dataset.info["temperature"])


def test_a_mask_copies_no_more_than_the_selection(random_dataset):
    dataset = random_dataset(2000, size=100)
    mask = np.zeros(2000, bool)
    mask[::100] = True
    tracemalloc.start()
    part = dataset[mask]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = sum(array.nbytes for array in part.fields.values() if hasattr(array, "size"))
    assert peak < 2 * size + 100_000


def test_concatenate_fills_missing_columns(assert_same):
    silicon = Dataset.from_atoms([bulk("Si")]).with_info(step=3, kind="md", good=True)
    carbon = Dataset.from_atoms([bulk("C")] * 2).with_info(kind=["cluster", None])
    joined = Dataset.concatenate([silicon, carbon])
    assert joined.info["kind"].tolist() == ["md", "cluster", None]
    assert np.array_equal(joined.info["step"], [3, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(joined.info["good"], [1, np.nan, np.nan], equal_nan=True)
    assert "step" not in joined[1].info
    # Parts that are empty have no say in the type of a column.
    again = Dataset.concatenate([silicon, carbon[:0], silicon])
    assert again.info["step"].dtype == np.int64
    assert_same(Dataset.concatenate([joined[:1], joined[1:]]), joined)


def test_no_datasets_join_to_an_empty_one(tmp_path):
    empty = Dataset.concatenate([])
    assert len(empty) == len(empty.labelled) == len(empty.deduplicate()) == 0
    assert empty.to_atoms() == Dataset.from_atoms([]).to_atoms() == []
    assert len(Dataset.from_bytes(empty.to_bytes())) == 0
    assert empty.fingerprints.shape == (0,)
    assert len(Dataset.read(empty.write(tmp_path / "empty.h5"))) == 0


def test_labels_are_per_property_and_frame(random_dataset):
    dataset = random_dataset(6).without_labels()
    assert not dataset.is_labelled.any()
    energy = np.array([1.0, np.nan, 3.0, 4.0, 5.0, np.nan])
    forces = np.zeros((len(dataset.numbers), 3))
    forces[dataset.offsets[3] : dataset.offsets[4]] = np.nan
    dataset = dataset.with_labels(energy=energy, forces=forces)
    # Energy and forces suffice; none of these frames has a stress.
    assert dataset.is_labelled.tolist() == [True, False, True, False, True, False]
    assert len(dataset.labelled) == len(dataset.unlabelled) == 3
    assert sorted(dataset[3].calc.results) == ["energy"]
    assert sorted(dataset[1].calc.results) == ["forces"]
    assert dataset.without_labels()[0].calc is None


def test_with_info_adds_replaces_and_removes(random_dataset):
    dataset = random_dataset(3)
    new = dataset.with_info(split="train", iteration=[1, 2, None], temperature=None)
    assert new.info["split"].tolist() == ["train"] * 3
    assert new.info["iteration"].dtype == float
    assert "temperature" not in new.info
    assert "temperature" in dataset.info
    with pytest.raises(ValueError, match=r"'split' has 2 entries for 3 frames"):
        dataset.with_info(split=["train", "val"])


def test_duplicates_are_dropped_but_never_labels(random_dataset):
    dataset = random_dataset(4)
    bare = dataset.without_labels()
    unique = Dataset.concatenate([bare[:2], dataset, dataset]).deduplicate()
    assert len(unique) == 4
    assert unique.is_labelled.all()
    assert set(unique.fingerprints) == set(dataset.fingerprints)


def test_it_survives_pickle_copy_and_a_jobs_arguments(random_dataset, assert_same):
    dataset = random_dataset(5)
    assert_same(pickle.loads(pickle.dumps(dataset)), dataset)
    assert_same(copy.deepcopy(dataset), dataset)
    encoded = jsanitize(dataset, strict=True)
    assert_same(MontyDecoder().process_decoded(encoded), dataset)


def test_it_says_what_it_is(random_dataset):
    dataset = Dataset.concatenate([random_dataset(2), Dataset.from_atoms([bulk("C")])])
    atoms = len(dataset.numbers)
    assert repr(dataset) == f"Dataset(3 frames, {atoms} atoms, 2 labelled)"


def test_molecules_and_crystals_share_a_dataset():
    dataset = Dataset.from_atoms([bulk("Si"), molecule("H2O")])
    assert dataset.pbc.all(axis=1).tolist() == [True, False]
    assert dataset[1] == molecule("H2O")

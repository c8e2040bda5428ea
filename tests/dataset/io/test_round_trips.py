"""Whatever a dataset holds, it comes back the same: property-based tests."""

import pickle

import ase.io
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monty.json import MontyDecoder, jsanitize

from flowpot.dataset import Dataset, LabelKeys
from flowpot.dataset.io.overlooked import _is_like
from flowpot.dataset.labels import PROPERTIES

LENGTHS = st.floats(-1e4, 1e4, allow_subnormal=False)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,9}", fullmatch=True).filter(
    lambda name: (
        name.lower() not in {"lattice", "uid", "pbc", "charge", "spin"}
        # Metadata that look like labels are refused where there is no such label.
        and not any(_is_like(name, label) for label in PROPERTIES)
    )
)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
COLUMNS = st.sampled_from(["text", "float", "int", "bool"])
ENTRIES = {
    "text": st.none() | TEXT,
    "float": st.none() | st.floats(allow_nan=False),
    "int": st.integers(-(2**63) + 1, 2**63 - 1),
    "bool": st.booleans(),
}
PLAIN = {"energy", "forces", "free_energy", "dipole", "magmom", "properties"}
PLAIN |= {"magmoms", "initial_magmoms"}
MOMENTS = st.sampled_from([0.0, -0.0, 2.2, -2.2]) | st.floats(-10, 10)
CHARGES = st.sampled_from([0.0, 1.0, -1.0]) | st.floats(-10, 10)
SPINS = st.sampled_from([1.0, 2.0, 3.0]) | st.floats(1, 50)


@st.composite
def datasets(draw):
    """Make frames of any size, periodicity, labels and metadata."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    n, atoms = len(sizes), sum(sizes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def numbers_of(strategy, *shape):
        size = int(np.prod(shape))
        values = draw(st.lists(strategy, min_size=size, max_size=size))
        return np.array(values, float).reshape(shape)

    def drop(values, keep):
        return np.where(
            np.reshape(keep, (-1,) + (1,) * (values.ndim - 1)), values, None
        )

    keep = {name: rng.random(n) < 0.7 for name in ("energy", "forces", "stress")}
    forces = numbers_of(NUMBERS, atoms, 3)
    stress = rng.normal(size=(n, 3, 3)) * 10.0 ** rng.integers(-9, 9)
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    info = {}
    for name in names:
        if name.lower() in PLAIN:
            continue
        entry = ENTRIES[draw(COLUMNS)]
        info[name] = draw(st.lists(entry, min_size=n, max_size=n))
    return Dataset(
        numbers=rng.integers(1, 119, atoms),
        positions=numbers_of(LENGTHS, atoms, 3),
        cell=np.where(rng.random() < 0.2, 0.0, 1) * rng.normal(size=(n, 3, 3))
        + 9 * np.eye(3),
        pbc=rng.random((n, 3)) < 0.5,
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        energy=drop(numbers_of(NUMBERS, n), keep["energy"]).astype(float),
        forces=drop(forces, np.repeat(keep["forces"], sizes)).astype(float),
        stress=drop(stress + stress.transpose(0, 2, 1), keep["stress"]).astype(float),
        info=info,
        magmoms=drop(
            numbers_of(MOMENTS, atoms), np.repeat(rng.random(n) < 0.5, sizes)
        ).astype(float),
        charge=drop(numbers_of(CHARGES, n), rng.random(n) < 0.5).astype(float),
        spin=drop(numbers_of(SPINS, n), rng.random(n) < 0.5).astype(float),
    )


def without_empty_columns(dataset):
    """Files of frames hold no column in which every frame's entry is missing."""
    empty = {k: None for k, column in dataset.info.items() if pd.isna(column).all()}
    return dataset.with_info(**empty)


quick = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@quick
@given(datasets())
def test_hdf5(assert_same, dataset):
    assert_same(Dataset.from_bytes(dataset.to_bytes()), dataset)


@quick
@given(datasets())
def test_job_arguments(assert_same, dataset):
    encoded = jsanitize(dataset, strict=True)
    assert_same(MontyDecoder().process_decoded(encoded), dataset)


@quick
@given(datasets())
def test_atoms(assert_same, dataset):
    expected = without_empty_columns(dataset)
    assert_same(Dataset.from_atoms(dataset.to_atoms()), expected)


@quick
@given(datasets(), st.booleans())
def test_extxyz(assert_same, tmp_path, dataset, fill):
    path = dataset.write(tmp_path / "a.xyz", fill=fill)
    assert_same(Dataset.read(path), without_empty_columns(dataset))


@quick
@given(datasets())
def test_extxyz_under_ases_own_names(assert_same, tmp_path, dataset):
    keys = LabelKeys("energy", "forces", "stress")
    path = dataset.write(tmp_path / "a.xyz", keys=keys)
    assert_same(Dataset.read(path), without_empty_columns(dataset))


@quick
@given(datasets())
def test_extxyz_as_ase_reads_it(assert_same, tmp_path, dataset):
    frames = ase.io.read(dataset.write(tmp_path / "a.xyz"), ":")
    assert_same(Dataset.from_atoms(frames), without_empty_columns(dataset))


@quick
@given(datasets())
def test_pymatgen(dataset):
    back = Dataset.from_structures(dataset.to_structures())
    assert np.allclose(back.positions, dataset.positions, rtol=1e-9, atol=1e-9)
    assert np.array_equal(back.numbers, dataset.numbers)
    assert np.array_equal(back.pbc, dataset.pbc)
    for name in ("magmoms", "charge", "spin"):
        assert np.array_equal(
            getattr(back, name), getattr(dataset, name), equal_nan=True
        )


@quick
@given(datasets())
def test_molecules(dataset):
    molecules = Dataset(
        **dataset.fields | {"cell": 0 * dataset.cell, "pbc": dataset.pbc & False}
    )
    back = Dataset.from_structures(molecules.to_structures())
    for name in ("magmoms", "charge", "spin"):
        assert np.array_equal(
            getattr(back, name), getattr(dataset, name), equal_nan=True
        )


@quick
@given(datasets())
def test_pickles(assert_same, dataset):
    assert_same(pickle.loads(pickle.dumps(dataset)), dataset)


@quick
@given(datasets(), datasets(), st.data())
def test_selecting_undoes_joining(assert_same, one, other, data):
    joined = Dataset.concatenate([one, other])
    left, right = joined[: len(one)], joined[len(one) :]
    assert np.array_equal(left.fingerprints, one.fingerprints)
    assert np.array_equal(right.forces, other.forces, equal_nan=True)
    order = data.draw(st.permutations(range(len(joined))))
    back = joined[order][np.argsort(order)]
    assert_same(back, joined)


@pytest.mark.parametrize("suffix", [".xyz", ".h5"])
@quick
@given(dataset=datasets(), frames=st.integers(1, 3))
def test_pieces(assert_same, tmp_path, suffix, dataset, frames):
    path = dataset.write(tmp_path / f"a{suffix}")
    pieces = Dataset.concatenate(Dataset.stream(path, frames=frames))
    assert np.array_equal(pieces.fingerprints, dataset.fingerprints)
    assert np.array_equal(pieces.energy, dataset.energy, equal_nan=True)

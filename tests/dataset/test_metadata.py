"""The rule of types of metadata columns."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.dataset.metadata import as_column


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([True, False], bool, [True, False]),
        ([1, 2], np.int64, [1, 2]),
        ([True, 2], np.int64, [1, 2]),
        ([1, 2.5], float, [1.0, 2.5]),
        ([np.float32(0.5), np.int8(2)], float, [0.5, 2.0]),
        (np.array([1, 2], np.uint8), np.int64, [1, 2]),
        (["a", None], object, ["a", None]),
        (["a", 1, True, None], object, ["a", "1", "True", None]),
        (np.array(["a", "b"]), object, ["a", "b"]),
        ([2**70], object, [str(2**70)]),
        ([[1, 2], {"a": 1}], object, ["_JSON [1, 2]", '_JSON {"a": 1}']),
        ([None, None], object, [None, None]),
        ([], object, []),
    ],
)
def test_types_of_columns(values, dtype, expected):
    column = as_column(values)
    assert column.dtype == dtype
    assert column.tolist() == expected


@pytest.mark.parametrize("values", [[1, None], [True, None], [1.0, None]])
def test_missing_numbers_are_nan(values):
    assert np.array_equal(as_column(values), [1.0, np.nan], equal_nan=True)


def test_values_of_other_types_come_back_in_info():
    atoms = bulk("Si")
    atoms.info = {"dipole": np.arange(3.0), "mapping": {"a": [1, "x"]}, "text": "_JSON"}
    (back,) = Dataset.from_atoms([atoms])
    assert np.array_equal(back.info["dipole"], [0.0, 1.0, 2.0])
    assert back.info["mapping"] == {"a": [1, "x"]}
    assert back.info["text"] == "_JSON"


def test_what_json_cannot_hold_is_dropped_with_a_warning():
    atoms = bulk("Si")
    atoms.info = {"thing": object(), "kept": 1}
    with pytest.warns(UserWarning, match="'thing' is dropped"):
        dataset = Dataset.from_atoms([atoms])
    assert list(dataset.info) == ["kept"]


@pytest.mark.parametrize("name", ["Formation energy (eV)", 3, ".", "", ("a", 1)])
def test_odd_names_of_frames_are_dropped_with_a_warning(name):
    """pymatgen's and ASE's frames may have any; the dataset can be stored without."""
    frames = [bulk("Si"), bulk("Ge"), bulk("Si")]
    for atoms in frames[1:]:
        atoms.info = {name: 1.0, "kept": 2}
    with pytest.warns(UserWarning, match="is dropped") as told:
        dataset = Dataset.from_atoms(frames)
    (warning,) = told
    expected = f"metadata {name!r} is dropped, which 2 frame(s) have: "
    assert str(warning.message).startswith(expected)
    assert list(dataset.info) == ["kept"]
    assert list(Dataset.from_bytes(dataset.to_bytes()).info) == ["kept"]


@pytest.mark.parametrize(
    "name", ["energy", "positions", "a b", "", 'a"b', "a=b", "a\t", "."]
)
def test_names_that_files_cannot_hold_are_refused(name, silicon):
    with pytest.raises(ValueError, match="metadata column"):
        Dataset.from_atoms([silicon]).with_info(**{name: 1})


def test_text_that_files_cannot_hold_is_refused(silicon):
    with pytest.raises(ValueError, match=r"frame 1: .*NUL"):
        Dataset.from_atoms([silicon] * 2).with_info(note=["a", "b\0"])

"""DeePMD's folders: read, written, and what they cannot hold is said."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from flowpot.dataset import Dataset


def emt_frame(scale=1.0, seed=0):
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[0] = "Au"
    atoms.set_cell(atoms.cell * scale, scale_atoms=True)
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    return atoms


def by_hand(folder, atoms, virial):
    """Write a system as DeePMD's documentation describes it, with nothing of ours."""
    data = folder / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text("1\n0\n0\n0\n")
    (folder / "type_map.raw").write_text("Cu\nAu\n")
    np.save(data / "coord.npy", atoms.positions.reshape(1, -1).astype(np.float32))
    np.save(data / "box.npy", atoms.cell.array.reshape(1, 9))
    np.save(data / "energy.npy", np.array([[atoms.get_potential_energy()]]))
    np.save(data / "force.npy", atoms.get_forces().reshape(1, -1))
    np.save(data / "virial.npy", virial.reshape(1, 9))


def numerical_virial(atoms, step=1e-4):
    """Return -dE/d(strain) by finite differences, in eV."""
    virial = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[i, j] += sign * step / 2
                strain[j, i] += sign * step / 2
                strained = atoms.copy()
                strained.set_cell(atoms.cell @ strain, scale_atoms=True)
                strained.calc = EMT()
                energies.append(strained.get_potential_energy())
            virial[i, j] = -(energies[0] - energies[1]) / (2 * step)
    return virial


@pytest.mark.parametrize("scale", [0.95, 1.05])
def test_a_set_written_by_hand(scale, tmp_path):
    """Compressed crystals have a positive virial and a negative stress."""
    atoms = emt_frame(scale)
    by_hand(tmp_path / "a", atoms, numerical_virial(atoms))
    frame = Dataset.read(tmp_path)[0]
    assert frame.get_chemical_symbols() == ["Au", "Cu", "Cu", "Cu"]
    assert frame.pbc.all()
    assert np.allclose(frame.positions, atoms.positions, atol=1e-6)
    assert frame.get_potential_energy() == pytest.approx(atoms.get_potential_energy())
    assert np.allclose(frame.get_forces(), atoms.get_forces())
    assert np.allclose(frame.get_stress(), atoms.get_stress(), atol=2e-5)
    assert np.sign(np.trace(numerical_virial(atoms))) == np.sign(1 - scale)


def test_round_trip(tmp_path, assert_same):
    """Systems are frames of the same atoms and labels; each keeps its order."""
    bare = molecule("H2O")
    boxed = Atoms("NO", [[0, 0, 0], [1.2, 0, 0]], cell=[9, 9, 9])
    frames = [emt_frame(1.0, 1), emt_frame(1.02, 2), bare, boxed, bulk("Si"), bulk("C")]
    frames.append(emt_frame(0.98, 3)[[1, 2, 3, 0]])
    dataset = Dataset.from_atoms([*frames])
    path = dataset.write(tmp_path / "new" / "set.deepmd")
    assert len(list(path.glob("*/type.raw"))) == 6
    assert (path / "H2O" / "nopbc").exists()
    assert not (path / "Si2" / "nopbc").exists()
    back = Dataset.read(path)
    order = [np.flatnonzero(dataset.fingerprints == p)[0] for p in back.fingerprints]
    assert sorted(order) == list(range(len(frames)))
    again = dataset[np.array(order)]
    assert np.allclose(back.stress, again.stress, equal_nan=True, rtol=1e-12)
    assert_same(
        Dataset(**(back.fields | {"stress": None})),
        Dataset(**(again.fields | {"stress": None})),
    )


def test_mixed_types(tmp_path):
    folder, data = tmp_path / "3", tmp_path / "3" / "set.000"
    data.mkdir(parents=True)
    (folder / "type.raw").write_text("0\n0\n0\n")
    (folder / "type_map.raw").write_text("C\nSi\n")
    np.save(data / "real_atom_types.npy", np.array([[0, 1, 1], [1, 0, -1]]))
    coord = np.arange(18.0).reshape(2, 9)
    np.save(data / "coord.npy", coord)
    np.save(data / "box.npy", np.tile(9 * np.eye(3).ravel(), (2, 1)))
    np.save(data / "force.npy", coord)
    np.save(data / "energy.npy", [1.0, 2.0])
    dataset = Dataset.read(folder)
    assert [str(atoms.symbols) for atoms in dataset] == ["CSi2", "SiC"]
    assert dataset.positions.ravel().tolist() == list(range(15))
    assert np.array_equal(dataset.forces, dataset.positions)


def test_what_has_no_place_is_said(tmp_path):
    dataset = Dataset.from_atoms([bulk("Si")]).with_info(config_type="md", step=3)
    with pytest.warns(UserWarning, match="no place for the columns config_type, step"):
        dataset.write(tmp_path / "a.deepmd")
    np.save(tmp_path / "a.deepmd/Si2/set.000/fparam.npy", np.ones(1))
    with pytest.warns(UserWarning, match="fparam are not read"):
        Dataset.read(tmp_path / "a.deepmd")
    slab = Atoms("Si", cell=[3, 3, 9], pbc=[True, True, False])
    with pytest.raises(ValueError, match="frame 0 is periodic along some axes only"):
        Dataset.from_atoms([slab]).write(tmp_path / "b.deepmd")
    assert not (tmp_path / "b.deepmd").exists()
    with pytest.raises(FileExistsError, match="not empty"):
        dataset.without_labels().write(tmp_path / "a.deepmd")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("type_map.raw", None, "it has no type_map.raw: write the chemical symbol"),
        ("type_map.raw", b"Si_1\n", "'Si_1' is no element"),
        ("type.raw", b"0\nx\n", "it is damaged"),
        ("type.raw", b"0\n7\n", "must lie between 0 and 0"),
        ("type.raw", b"0\n0\n0\n", "coord.npy: it is no array of"),
        ("set.000/coord.npy", None, "it has no coord.npy"),
        ("set.000/box.npy", None, "it has no box.npy"),
        ("set.000/box.npy", b"\x93NUMPY", "box.npy: it is no array of"),
        ("set.000/energy.npy", b"", "energy.npy: it is no array of"),
    ],
)
def test_damaged(file, content, message, tmp_path):
    atoms = bulk("Cu")
    atoms *= (2, 1, 1)
    atoms.calc = EMT()
    atoms.get_forces()
    path = Dataset.from_atoms([atoms]).write(tmp_path / "a.deepmd")
    target = path / "Cu2" / file
    target.unlink() if content is None else target.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Dataset.read(path)


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(ValueError, match=r"it has no type.raw: give a folder of"):
        Dataset.read(tmp_path)


def test_the_raw_format_is_told_from_a_lost_folder(tmp_path):
    """Systems of deepmd/raw have no set.000, which nobody has forgotten to copy."""
    Dataset.from_atoms([emt_frame()]).write(tmp_path / "a.deepmd")
    [system] = (tmp_path / "a.deepmd").iterdir()
    (system / "set.000").rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"no folder set\.000: copy it whole"):
        Dataset.read(tmp_path / "a.deepmd")
    (system / "coord.raw").touch()
    with pytest.raises(ValueError, match="convert it by dpdata"):
        Dataset.read(tmp_path / "a.deepmd")

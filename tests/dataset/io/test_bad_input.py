"""Whatever is wrong with a file is said with its name, the frame and the remedy."""

import re
import resource

import ase.io
import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from flowpot.dataset import Artifact, Dataset, LabelKeys
from flowpot.dataset.io.checksum import USER_BLOCK

GOOD = '2\nLattice="5 0 0 0 5 0 0 0 5"{extra} pbc="T T T"\nSi 0 0 0\nSi 1 1 1\n'
NO_AXES = '1\nLattice="5 0 0 0 5 0 0 0 5" pbc={}\nSi 0 0 0\n'
FORCED = (
    '2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:REF_forces:R:3 '
    "REF_energy=1.0\nSi 0 0 0 {a} 0 0\nSi 1 1 1 {b} 0 0\n"
)


def frame(extra=""):
    return GOOD.format(extra=extra)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no frames: write it again"),
        ("\n\n", "it has no frames: write it again"),
        (frame() + "2\ncomment\nSi 0 0 0\n", "frame 1: it has 1 of 2 atoms.*truncated"),
        (frame() + "2\n", "frame 1: it has 0 of 2 atoms.*truncated"),
        (frame() + "2\ncomment\nSi 0 0 0\nSi 1 1", "frame 1: line 8 has 3 columns"),
        (frame() + "3\nx\nSi 0 0 0\nSi 1 0 0\n" + frame(), "frame 1: line 9 has 1 col"),
        (
            frame() + "1\nx\nSi 0 0 0\nSi 1 0 0\n",
            "frame 2: line 8 should be its number",
        ),
        ("data_cif\n_cell 1\n", "frame 0: line 1 should be its number.*not extxyz"),
        ("-1\nx\nSi 0 0 0\n", "frame 0: line 1 should be its number"),
        ("1\nx\nSi 0 zero 0\n", "frame 0: line 3: .*'zero': correct it"),
        ("1\nx\nXx 0 0 0\n", "frame 0: 'Xx' is no element: use chemical symbols"),
        (frame() + "1\nx\nsi 0 0 0\n", "frame 1: 'si' is no element"),
        (
            "1\nProperties=Z:I:1:pos:R:3\n119 0 0 0\n",
            "frame 0: atomic number 119 is no",
        ),
        (frame() + "1\nx\nSi 0 nan 0\n", "frame 1: the position of atom 0 is.*remove"),
        (frame() + "1\nx\nSi 0 0 inf\n", "frame 1: the position of atom 0 is.*remove"),
        (frame() + FORCED.format(a="nan", b=0), "frame 1: its forces is NaN in part"),
        (frame() + FORCED.format(a="inf", b=0), "frame 1: its forces is infinite"),
        (frame(" REF_energy=inf"), "frame 0: its energy is infinite: remove"),
        (frame(" REF_energy=high"), "frame 0: energy is 'high': give one number"),
        (frame(' REF_energy="1 2"'), r"frame 0: energy is \[1, 2\]: give one number"),
        (frame(" REF_stress=large"), "frame 0: stress is 'large': give numbers"),
        (frame(' REF_stress="1 2"'), r"frame 0: stress has shape \(2,\)"),
        (
            frame(' REF_stress="1 2 3 4 5 6 7 8 9"'),
            "frame 0: its stress is not symmetric",
        ),
        (
            frame(' REF_stress="1 2 nan 2 5 6 nan 6 9"'),
            "frame 0: its stress is NaN in part",
        ),
        ('1\nLattice="5 0 0"\nSi 0 0 0\n', "frame 0: Lattice='5 0 0', pbc=None: give"),
        (
            NO_AXES.format("FF"),
            "frame 0: Lattice=.*, pbc='FF': give nine numbers, and th",
        ),
        (
            NO_AXES.format("xyz"),
            "frame 0: Lattice=.*, pbc='xyz': give nine numbers, and",
        ),
        (
            NO_AXES.format("110"),
            "frame 0: Lattice=.*, pbc=110: give nine numbers, and th",
        ),
        (
            '1\nLattice="5 0 0 0 5 0 1 1 0"\nSi 0 0 0\n',
            "frame 0: its cell has no volume",
        ),
        ('1\npbc="T F F"\nSi 0 0 0\n', "frame 0: its cell has no volume.*pbc TFF"),
        ("1\nProperties=species:S:1\nSi\n", "frame 0: Properties=species:S:1 lacks"),
        ("1\nProperties=species:S\nSi 0 0 0\n", "frame 0: Properties=.* is malformed"),
        ("1\nx=[1 2\nSi 0 0 0\n1\nx={2\nSi 0 0 0\n", None),
        ('1\nx="_JSON [1,"\nSi 0 0 0\n', "frame 0: its comment line is malformed"),
    ],
)
def test_extxyz(text, message, tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(text)
    if message is None:
        assert len(Dataset.read(path)) == 2
        return
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: {message}"):
        Dataset.read(path)


def test_mixed_names_of_a_label(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(frame(" REF_energy=1.0") + frame(" energy=2.0"))
    with pytest.raises(
        ValueError, match="frame 1: its energy is named 'energy', that "
    ):
        Dataset.read(path)
    keys = LabelKeys("energy", "forces", "stress")
    energy = Dataset.read(path, keys=keys).energy
    assert np.array_equal(energy, [np.nan, 2.0], equal_nan=True)


def test_labels_that_only_some_frames_have(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(frame(" REF_energy=1.0") + FORCED.format(a=1, b=2) + frame())
    dataset = Dataset.read(path)
    assert dataset.is_labelled.tolist() == [False, True, False]
    assert np.isfinite(dataset.energy).tolist() == [True, True, False]


def test_names_that_no_frame_has(tmp_path):
    path = tmp_path / "frames.xyz"
    path.write_text(frame(" dft_energy=1.0"))
    with pytest.raises(ValueError, match=r"frames.xyz: no frame has.*'dft_energy'"):
        Dataset.read(path, keys=LabelKeys(energy="energie"))


def test_a_file_that_is_not_there_or_not_known(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.xyz: there is no such file"):
        Dataset.read(tmp_path / "none.xyz")
    (tmp_path / "a.cif").touch()
    with pytest.raises(ValueError, match=r"a.cif: neither flowpot nor ASE nor"):
        Dataset.read(tmp_path / "a.cif")
    (tmp_path / "b.cif").write_text("data_b\n_cell_length_a 4\n")
    with pytest.raises(ValueError, match=r"b.cif: "):
        Dataset.read(tmp_path / "b.cif")
    with pytest.raises(ValueError, match="suffix"):
        Dataset.from_atoms([]).write(tmp_path / "a.json")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_truncated_hdf5(share, random_dataset, tmp_path):
    content = random_dataset(50).to_bytes()
    path = tmp_path / "frames.h5"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"frames.h5: it is not a whole HDF5 dataset"):
        Dataset.read(path)
    with pytest.raises(ValueError, match="the HDF5 content: it is not a whole"):
        Dataset.from_bytes(path.read_bytes())


def test_foreign_hdf5(tmp_path):
    path = tmp_path / "frames.h5"
    with h5py.File(path, "w") as file:
        file["positions"] = np.zeros((3, 3))
    with pytest.raises(ValueError, match=r"frames.h5: it is HDF5, but not a flowpot"):
        Dataset.read(path)


def edited(path):
    """Open a file of ours to change it, as one who knows what the checksum is for."""
    with path.open("r+b") as file:
        file.write(bytes(USER_BLOCK))
    return h5py.File(path, "r+")


def test_hdf5_of_the_future_and_without_a_part(random_dataset, tmp_path):
    path = random_dataset(3).write(tmp_path / "frames.h5")
    with edited(path) as file:
        file.attrs["version"] = 99
    with pytest.raises(
        ValueError, match=r"frames.h5: it has format version 99.*upgrade"
    ):
        Dataset.read(path)
    with edited(path) as file:
        file.attrs["version"] = 1
        del file["positions"]
    with pytest.raises(ValueError, match="positions"):
        Dataset.read(path)


def test_hdf5_with_bad_content(random_dataset, tmp_path):
    path = random_dataset(3).write(tmp_path / "frames.h5")
    with edited(path) as file:
        file["positions"][-1] = np.nan
    with pytest.raises(ValueError, match=r"frames.h5: frame 2: the position of atom"):
        Dataset.read(path)
    with pytest.raises(ValueError, match=r"frames.h5: frame 2: the position of atom"):
        list(Dataset.stream(path, frames=1))


@pytest.mark.parametrize("name", ["frames.xyz", "frames.h5"])
def test_a_failed_write_leaves_the_old_file(name, random_dataset, tmp_path):
    path = random_dataset(2).write(tmp_path / name)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # a full disk
    try:
        with pytest.raises(OSError, match=r"[Ff]ile|write"):
            random_dataset(5000).write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers": [14, 0]}, "frame 0: atomic number 0 is no element"),
        ({"numbers": [14]}, "offsets must run from 0 to the number of atoms, 1"),
        ({"offsets": [0, 2, 2]}, "frame 1: it has no atoms: remove it"),
        ({"positions": np.zeros((2, 2))}, r"positions has shape \(2, 2\)"),
        ({"positions": [[0, 0, 0], [0, np.inf, 0]]}, "frame 0: the position of atom 1"),
        ({"cell": np.full((1, 3, 3), np.nan)}, "frame 0: its cell is not finite"),
        ({"cell": np.ones((1, 3, 3))}, "frame 0: its cell has no volume"),
        ({"energy": [1.0, 2.0]}, r"energy has shape \(2,\), 1 frames"),
        ({"forces": np.zeros((1, 3))}, r"forces has shape \(1, 3\)"),
        ({"forces": [[np.nan] * 3, [0.0] * 3]}, "frame 0: its forces is NaN in part"),
        ({"info": {"a": [1, 2]}}, "'a' has 2 entries for 1 frames"),
    ],
)
def test_arrays(change, message):
    fields = {
        "numbers": [14, 14],
        "positions": [[0, 0, 0], [1, 1, 1]],
        "cell": [5 * np.eye(3)],
        "pbc": [[True, True, True]],
        "offsets": [0, 2],
    }
    assert len(Dataset(**fields)) == 1
    with pytest.raises(ValueError, match=message):
        Dataset(**{**fields, **change})


def test_atoms_without_a_cell_or_with_nan():
    with pytest.raises(ValueError, match="frame 1: its cell has no volume"):
        Dataset.from_atoms([bulk("Si"), Atoms("H", pbc=True)])
    with pytest.raises(ValueError, match="frame 1: the position of atom 0"):
        Dataset.from_atoms([bulk("Si"), Atoms("H", positions=[[0, np.nan, 0]])])
    with pytest.raises(ValueError, match="frame 0: it has no atoms"):
        Dataset.from_atoms([Atoms()])


def test_a_wrong_hash(tmp_path, monkeypatch):
    artifact = Artifact.from_bytes("a.h5", b"content")
    with pytest.raises(ValueError, match=r"'a.h5' \(inline\): its content has SHA-256"):
        artifact.model_copy(update={"blob": "AAAA"}).read_bytes()
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path))
    artifact = Artifact.from_bytes("a.h5", b"content")
    next(tmp_path.rglob("*.h5")).write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"'a.h5' \(file://.*changed or truncated"):
        artifact.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".xyz", ".h5"])
def test_one_million_frames(suffix, tmp_path):
    n = 1_000_000
    frames = Dataset(
        numbers=np.full(n, 2),
        positions=np.random.default_rng(0).random((n, 3)),
        cell=np.zeros((n, 3, 3)),
        pbc=np.zeros((n, 3), bool),
        offsets=np.arange(n + 1),
        energy=np.arange(n),
        info={"config_type": np.full(n, "gas", object)},
    )
    path = frames.write(tmp_path / f"a{suffix}")
    total = 0
    for piece in Dataset.stream(path, frames=10_000):
        assert len(piece) <= 10_000
        assert piece.energy[0] == total
        total += len(piece)
    assert total == n
    assert piece.fingerprints[-1] == frames[-1:].fingerprints[0]


def test_what_ase_refuses_to_write_is_not_needed(tmp_path):
    """Files that ASE wrote for frames of many kinds are read."""
    frames = [bulk("Si"), Atoms("He"), bulk("NaCl", "rocksalt", a=5.6)]
    ase.io.write(tmp_path / "a.xyz", frames)
    assert Dataset.read(tmp_path / "a.xyz").to_atoms() == frames

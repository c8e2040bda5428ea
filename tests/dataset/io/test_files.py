"""Reading and writing files: many, in pieces, with progress, atomically."""

import h5py
import numpy as np
import pytest

from flowpot.dataset import Dataset


@pytest.mark.parametrize("suffix", [".xyz", ".extxyz", ".h5", ".hdf5"])
def test_round_trip(suffix, random_dataset, tmp_path, assert_same):
    dataset = random_dataset(20)
    path = dataset.write(tmp_path / "new" / f"frames{suffix}")
    assert_same(Dataset.read(str(path)), dataset)


def test_what_is_saved_is_loaded(random_dataset, tmp_path, assert_same):
    """Monty's `save` would write JSON under any name."""
    dataset = random_dataset(3)
    dataset.save(str(tmp_path / "frames.h5"))
    assert h5py.is_hdf5(tmp_path / "frames.h5")
    assert_same(Dataset.load(tmp_path / "frames.h5"), dataset)
    with pytest.raises(ValueError, match=r"suffix '\.json' is not known"):
        dataset.save(tmp_path / "frames.json")


def test_many_files_are_read_in_order(random_dataset, tmp_path, assert_same):
    parts = [random_dataset(3, seed=seed) for seed in range(3)]
    names = ["b.h5", "a.xyz", "c.h5"]
    for part, name in zip(parts, names, strict=True):
        part.write(tmp_path / name)
    read = Dataset.read(tmp_path / name for name in names)
    assert_same(read, Dataset.concatenate(parts))


@pytest.mark.parametrize("suffix", [".xyz", ".h5"])
@pytest.mark.parametrize("frames", [1, 7, 100])
def test_streaming(suffix, frames, random_dataset, tmp_path, assert_same):
    dataset = random_dataset(25)
    path = dataset.write(tmp_path / f"a{suffix}")
    pieces = list(Dataset.stream([path, path], frames=frames))
    assert all(len(piece) <= frames for piece in pieces)
    assert_same(Dataset.concatenate(pieces), Dataset.concatenate([dataset, dataset]))


def test_pieces_have_frames(random_dataset, tmp_path):
    path = random_dataset(2).write(tmp_path / "a.h5")
    with pytest.raises(ValueError, match="at least 1"):
        next(Dataset.stream(path, frames=0))


@pytest.mark.parametrize("suffix", [".xyz", ".h5"])
def test_progress_is_shown_when_asked(suffix, random_dataset, tmp_path, capsys):
    path = random_dataset(5).write(tmp_path / f"a{suffix}")
    Dataset.read(path)
    assert capsys.readouterr().err == ""
    Dataset.read(path, progress=True)
    assert "reading frames" in capsys.readouterr().err


def test_a_new_file_replaces_the_old_one(random_dataset, tmp_path):
    path = random_dataset(5).write(tmp_path / "a.h5")
    random_dataset(2).write(path)
    assert len(Dataset.read(path)) == 2
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask(tmp_path)


def _umask(folder):
    (folder / "probe").touch()
    return 0o666 & ~(folder / "probe").stat().st_mode


def test_the_layout_of_hdf5(random_dataset, tmp_path):
    """Others read these files with h5py alone."""
    dataset = random_dataset(6).with_info(**{"a/b": ["x", None, "x", "y", None, "y"]})
    with h5py.File(dataset.write(tmp_path / "a.h5")) as file:
        assert dict(file.attrs) == {"format": "flowpot dataset", "version": 1}
        assert file["numbers"].dtype == np.uint8
        assert np.array_equal(file["positions"], dataset.positions)
        assert np.array_equal(file["info/temperature"], dataset.info["temperature"])
        held = file["info/a%2Fb"]
        assert held["codes"][()].tolist() == [0, -1, 0, 1, -1, 1]
        assert held["categories"].asstr()[()].tolist() == ["x", "y"]
    without = dataset.without_labels().write(tmp_path / "a.h5")
    with h5py.File(without) as file:
        assert not {"energy", "forces", "stress"} & set(file)


def test_the_same_frames_give_the_same_bytes(random_dataset):
    """So that identical content is stored once."""
    assert random_dataset(9).to_bytes() == random_dataset(9).to_bytes()

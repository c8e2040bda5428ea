"""Files that flowpot wrote are read as they were written, or refused."""

import ase.io
import h5py
import numpy as np
import pytest

from flowpot.dataset import Dataset
from flowpot.dataset.io.checksum import END_NAME, NAME, DamagedFileError


@pytest.mark.parametrize("suffix", [".xyz", ".h5"])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_every_changed_byte_is_seen(suffix, n, random_dataset, tmp_path):
    path = random_dataset(n).write(tmp_path / f"a{suffix}")
    whole = path.read_bytes()
    rng = np.random.default_rng(n)
    for at in rng.integers(0, len(whole), 60):
        content = bytearray(whole)
        content[at] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match=f"a{suffix}: .*checksum is not tha"):
            Dataset.read(path)
        with pytest.raises(DamagedFileError):
            next(Dataset.stream(path, frames=1))  # before anything is handed out


def test_whole_frames_that_are_lost_or_repeated(random_dataset, tmp_path):
    path = random_dataset(5).write(tmp_path / "a.xyz")
    lines = path.read_text().splitlines(keepends=True)
    first = int(lines[0]) + 2
    for wrong in (lines[first:], lines[:first], lines[:first] + lines):
        path.write_text("".join(wrong))
        with pytest.raises(DamagedFileError):
            Dataset.read(path)


def test_joined_files_are_checked_one_by_one(random_dataset, tmp_path, assert_same):
    parts = [random_dataset(n, seed=n) for n in (1, 3, 2)]
    texts = [part.write(tmp_path / "a.xyz").read_bytes() for part in parts]
    foreign = b"1\nPlain prose\nSi 0 0 0\n"
    (tmp_path / "a.xyz").write_bytes(b"".join(texts))
    assert_same(Dataset.read(tmp_path / "a.xyz"), Dataset.concatenate(parts))
    (tmp_path / "a.xyz").write_bytes(foreign + texts[0] + foreign + texts[1])
    assert len(Dataset.read(tmp_path / "a.xyz")) == 6
    damaged = texts[1].replace(b"Si", b"C ", 1)
    (tmp_path / "a.xyz").write_bytes(texts[0] + damaged + texts[2])
    with pytest.raises(DamagedFileError, match="If you changed it yourself, remove"):
        Dataset.read(tmp_path / "a.xyz")


@pytest.mark.parametrize("choose", [slice(None), slice(1, 3), slice(0, 1), slice(4, 5)])
def test_what_ase_writes_again_is_foreign(choose, random_dataset, tmp_path):
    """Its frames carry the words along; they say nothing of the new file."""
    dataset = random_dataset(5)
    frames = ase.io.read(dataset.write(tmp_path / "a.xyz"), ":")
    ase.io.write(tmp_path / "b.xyz", frames[choose])
    back = Dataset.read(tmp_path / "b.xyz")
    assert np.allclose(back.positions, dataset[choose].positions, atol=1e-7)
    assert not back.info.keys() & {NAME, END_NAME}
    assert not Dataset.from_atoms(frames).info.keys() & {NAME, END_NAME}


def test_who_changes_a_file_can_say_so(random_dataset, tmp_path):
    path = random_dataset(3).write(tmp_path / "a.xyz")
    text = path.read_text().replace("REF_energy", "energy")
    path.write_text(text)
    with pytest.raises(DamagedFileError):
        Dataset.read(path)
    words = [w for w in text.split() if w.startswith("flowpot_checksum")]
    assert len(words) == 2
    for word in words:
        text = text.replace(word, "")
    path.write_text(text)
    assert np.isfinite(Dataset.read(path).energy).all()


def test_hdf5_of_earlier_versions_and_of_other_programs(random_dataset, tmp_path):
    """They have no user block: h5py reads both alike."""
    dataset = random_dataset(4)
    path = dataset.write(tmp_path / "new.h5")
    old = tmp_path / "old.h5"
    with h5py.File(path) as new, h5py.File(old, "w") as file:
        assert new.userblock_size == 512
        file.attrs.update(new.attrs)
        for name in new:
            new.copy(name, file)
    assert np.array_equal(Dataset.read(old).fingerprints, dataset.fingerprints)


def test_the_same_frames_have_the_same_checksum(random_dataset, tmp_path):
    one = random_dataset(7).write(tmp_path / "a.xyz").read_bytes()
    assert random_dataset(7).write(tmp_path / "b.xyz").read_bytes() == one

"""extxyz: exact, and read unchanged by ASE, MACE and metatrain."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.io.extxyz import key_val_str_to_dict

from flowpot.dataset import Dataset, LabelKeys
from flowpot.dataset.io.checksum import END_NAME, NAME
from flowpot.dataset.io.extxyz.comment import parse_comment
from flowpot.dataset.io.extxyz.write import text_entry


@pytest.fixture
def mixed(random_dataset):
    """Frames with all labels, with some, with none; periodic and not."""
    full = random_dataset(4)
    no_stress = full[:2].with_labels(stress=np.full((2, 3, 3), np.nan))
    water = molecule("H2O")
    water.info = {"config_type": "input", "note": 'say "hi" [now]'}
    ribbon = Atoms("C", cell=[10, 10, 2.5], pbc=[False, False, True])
    bare = Dataset.from_atoms([water, ribbon])
    return Dataset.concatenate([full, no_stress, bare, full.without_labels()])


def test_the_round_trip_is_exact(mixed, tmp_path, assert_same):
    assert_same(Dataset.read(mixed.write(tmp_path / "a.xyz")), mixed)


def test_frames_larger_and_smaller_than_a_piece(
    mixed, tmp_path, assert_same, monkeypatch
):
    monkeypatch.setattr("flowpot.dataset.io.extxyz.frames._BYTES_AT_ONCE", 1000)
    monkeypatch.setattr("flowpot.dataset.io.extxyz.write._ATOMS_AT_ONCE", 5)
    assert_same(Dataset.read(mixed.write(tmp_path / "a.xyz")), mixed)


def test_ase_reads_the_same_frames(mixed, tmp_path):
    frames = ase.io.read(mixed.write(tmp_path / "a.xyz"), ":")
    for atoms, own in zip(frames, mixed, strict=True):
        assert atoms == own
        labels = own.calc.results if own.calc else {}
        assert atoms.info.pop("REF_energy", None) == labels.get("energy")
        if "forces" in labels:
            assert np.array_equal(atoms.arrays["REF_forces"], labels["forces"])
        assert ("REF_stress" in atoms.info) == ("stress" in labels)
        if "stress" in labels:
            stress = own.get_stress(voigt=False)
            assert np.array_equal(atoms.info.pop("REF_stress"), stress)
        for name in (NAME, END_NAME):  # of the whole file, in two of its frames
            atoms.info.pop(name, None)
        assert atoms.info == own.info


def test_what_ase_reads_is_what_we_read(mixed, tmp_path, assert_same):
    path = mixed.write(tmp_path / "a.xyz")
    assert_same(Dataset.from_atoms(ase.io.read(path, ":")), mixed)


def test_what_ase_writes_we_read(tmp_path, assert_same):
    frames = []
    for seed in range(5):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.get_stress()
        atoms.info = {"step": seed, "name": f"run {seed}", "vector": np.arange(3)}
        frames.append(atoms)
    ase.io.write(tmp_path / "a.xyz", frames)
    read = Dataset.read(tmp_path / "a.xyz")
    assert read.is_labelled.all()
    assert_same(read, Dataset.from_atoms(ase.io.read(tmp_path / "a.xyz", ":")))


@pytest.mark.parametrize(
    "keys",
    [
        LabelKeys("dft_energy", "dft_forces", "dft_stress"),
        LabelKeys("energy", "forces", "stress"),
    ],
)
def test_labels_may_have_any_name(keys, random_dataset, tmp_path, assert_same):
    dataset = random_dataset(6)
    path = dataset.write(tmp_path / "a.xyz", keys=keys)
    assert_same(Dataset.read(path, keys=keys), dataset)
    assert_same(Dataset.from_atoms(ase.io.read(path, ":"), keys=keys), dataset)


def test_mace_reads_it(mixed, tmp_path):
    data = pytest.importorskip("mace.data")
    keys = data.KeySpecification.from_defaults()
    labelled = mixed.labelled
    path = labelled.write(tmp_path / "a.xyz")
    _, configurations = data.load_from_xyz(str(path), keys)
    for config, atoms in zip(configurations, labelled, strict=True):
        assert config.config_type == atoms.info["config_type"]
        assert np.array_equal(config.atomic_numbers, atoms.numbers)
        assert np.array_equal(config.positions, atoms.positions)
        assert np.array_equal(config.cell, atoms.cell)
        assert config.properties["energy"] == atoms.get_potential_energy()
        assert np.array_equal(config.properties["forces"], atoms.get_forces())
        has_stress = "stress" in atoms.calc.results
        assert config.property_weights["stress"] == float(has_stress)
        if has_stress:
            assert np.shape(config.properties["stress"]) == (3, 3)


def test_metatrain_reads_it(mixed, tmp_path):
    readers = pytest.importorskip("metatrain.utils.data.readers.ase")
    omegaconf = pytest.importorskip("omegaconf")
    labelled = mixed.labelled
    path = str(labelled.write(tmp_path / "a.xyz", fill=True))
    source = {"read_from": path}
    target = omegaconf.OmegaConf.create(
        {
            **source,
            "key": "REF_energy",
            "unit": "eV",
            "quantity": "energy",
            "sample_kind": "system",
            "num_subtargets": 1,
            "type": "scalar",
            "per_atom": False,
            "description": "",
            "virial": False,
            "forces": {**source, "key": "REF_forces"},
            "stress": {**source, "key": "REF_stress"},
        }
    )
    systems = readers.read_systems(path)
    maps, _ = readers.read_energy("energy", target)
    for system, tensors, atoms in zip(systems, maps, labelled, strict=True):
        block = tensors.block()
        assert np.array_equal(system.positions, atoms.positions)
        assert np.array_equal(system.types, atoms.numbers)
        assert block.values.item() == atoms.get_potential_energy()
        forces = -block.gradient("positions").values[..., 0].numpy()
        assert np.array_equal(forces, atoms.get_forces())
        strain = block.gradient("strain").values[0, ..., 0].numpy()
        if "stress" in atoms.calc.results:
            expected = atoms.get_stress(voigt=False) * atoms.cell.volume
            assert np.allclose(strain, expected, rtol=1e-12)
        else:
            assert np.isnan(strain).all()


def test_labels_filled_with_nan_are_absent_again(mixed, tmp_path, assert_same):
    assert_same(Dataset.read(mixed.write(tmp_path / "a.xyz", fill=True)), mixed)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "md",
            "a b",
            "",
            " ",
            "1",
            "1e5",
            "12 13",
            "T",
            "true",
            "nan",
            "-inf",
            "None",
        ),
        *("1_0", "12345678901234567890", 'say "x"', "it's", "a=b", "a,b", "1,2", "[1]"),
        *(
            "{a}",
            "back\\slash",
            "new\nline",
            "tab\t",
            "_JSON",
            "_JSON [1, 2]",
            "é",
            "ß",
        ),
        *("_JSON broken", "deadbeef", "1234e5678", "/a/b.h5", "a:b", "٣", "x ", "T F"),
    ],
)
def test_text_is_read_as_that_text(text):
    line = f"before=1 note={text_entry(text)} after=2"
    ase_value = key_val_str_to_dict(line)["note"]
    own = parse_comment(line)
    assert own["before"] == 1
    assert own["after"] == 2
    if text == "_JSON [1, 2]":  # in a column of text this stands for the list
        assert own["note"] == ase_value.tolist() == [1, 2]
    else:
        assert own["note"] == ase_value == text


@pytest.mark.parametrize(
    "line",
    [
        'Properties=species:S:1:pos:R:3 energy=-1.5 pbc="T T F" flag n=3 x=1.0,2.0',
        "a='single quotes' b={1 2 3} c=[T F] d=T e=F f=true g=1e-3 h=00012 i=nan",
        r'a="with \"quotes\"" b=_JSON c="_JSON {\"x\": [1, 2]}" d="1 2 x"',
        "a=1 b = 2 c",
        'step=7 name="two words" dipole="0.0 1.0 -2.0" spin=-3 frac=1/3',
    ],
)
def test_comments_mean_what_they_mean_to_ase(line):
    own, expected = parse_comment(line), key_val_str_to_dict(line)
    own.pop("Properties", None), expected.pop("Properties", None)
    assert list(own) == list(expected)
    for name, value in expected.items():
        found = own[name]
        assert np.array_equal(found, value, equal_nan=isinstance(value, float)), name


def test_plain_xyz_and_other_layouts(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(
        "2\nWritten by hand\n  H 0 0 0  \nH\t0 0 0.74\n"
        "1\r\nProperties=id:I:1:Z:I:1:pos:R:3:tag:S:1 step=3\r\n7 6 1.5 0 0 edge\r\n\n"
    )
    dataset = Dataset.read(path)
    assert dataset.numbers.tolist() == [1, 1, 6]
    assert dataset.positions[:, 0].tolist() == [0, 0, 1.5]
    assert not dataset.pbc.any()
    assert list(dataset.info) == ["step"]
    assert dataset[1].info == {"step": 3.0}


@pytest.mark.parametrize("name", ["REF_forces", "forces"])
def test_vectors_may_be_integers(name, tmp_path):
    """ASE writes them so where an array holds integers, zeros for example."""
    path = tmp_path / "a.xyz"
    columns = f"Properties=species:S:1:pos:I:3:{name}:I:3"
    energy = name.replace("forces", "energy")
    path.write_text(f"2\n{columns} {energy}=-1.0\nH 0 0 0 0 0 1\nH 0 0 1 0 0 -1\n")
    dataset = Dataset.read(path)
    assert dataset.is_labelled.all()
    assert dataset.positions.tolist() == [[0, 0, 0], [0, 0, 1]]
    assert dataset.forces.tolist() == [[0, 0, 1], [0, 0, -1]]

    atom = Atoms("H", cell=[9.0] * 3, pbc=True)
    atom.info["REF_energy"] = -13.6
    atom.arrays["REF_forces"] = np.zeros((1, 3), int)
    ase.io.write(path, atom)
    assert "REF_forces:I:3" in path.read_text()
    assert Dataset.read(path).is_labelled.all()


@pytest.mark.parametrize("text", ["FFF", "TTF", "ttf", "fTf", "T T F", "1 1 0"])
def test_periodic_axes_with_and_without_spaces(text, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(f'1\nLattice="3 0 0 0 3 0 0 0 4" pbc="{text}"\nH 0 0 0\n')
    axes = text.upper().replace(" ", "").replace("1", "T").replace("0", "F")
    assert Dataset.read(path).pbc[0].tolist() == [letter == "T" for letter in axes]


def test_a_frame_with_a_cell_is_periodic_unless_it_says(tmp_path):
    path = tmp_path / "a.xyz"
    lattice = 'Lattice="3 0 0 1 3 0 0 0 4"'
    path.write_text(f'1\n{lattice}\nH 0 0 0\n1\n{lattice} pbc="F T F"\nH 0 0 0\n')
    dataset = Dataset.read(path)
    assert dataset.pbc.tolist() == [[True] * 3, [False, True, False]]
    assert dataset.cell[0].tolist() == [[3, 0, 0], [1, 3, 0], [0, 0, 4]]


def test_metadata_and_labels_of_one_name(random_dataset, tmp_path):
    dataset = random_dataset(2).with_info(dft_energy=[1.0, 2.0])
    with pytest.raises(ValueError, match="both named 'dft_energy': remove the column"):
        dataset.write(tmp_path / "a.xyz", keys=LabelKeys(energy="dft_energy"))


def test_metadata_that_ase_leaves_as_text(random_dataset, tmp_path, assert_same):
    dataset = random_dataset(2).with_info(uid=[5, 6])
    assert_same(Dataset.read(dataset.write(tmp_path / "a.xyz")), dataset)

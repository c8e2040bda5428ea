"""The files that a campaign's file names: formats, names of labels, periodicity."""

import numpy as np
import pytest
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.io import write
from typer.testing import CliRunner

from flowpot import ActiveLearningMaker
from flowpot.campaign.config.configuration import ConfigurationError, read_configuration
from flowpot.cli import app
from flowpot.dataset import Dataset

SKELETON = "name: copper\naugmentation: null\ntraining: null\nexploration: null\n"


@pytest.fixture
def read(clean_dir):
    """Read a campaign whose file has some more lines."""

    def read(lines, text=SKELETON):
        (clean_dir / "campaign.yaml").write_text(text + lines)
        return read_configuration(clean_dir / "campaign.yaml")

    return read


@pytest.fixture
def labelled():
    """Two frames whose labels have names of their own."""
    frames = []
    for seed in range(2):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        bare = atoms.copy()
        bare.info["dft_energy"] = atoms.get_potential_energy()
        bare.arrays["dft_force"] = atoms.get_forces()
        frames.append(bare)
    return frames


def test_names_of_labels(read, labelled):
    write("a.xyz", labelled)
    found = read("dataset: a.xyz\nkeys: {energy: dft_energy, forces: dft_force}\n")
    dataset = found.inputs["dataset"]
    assert dataset.is_labelled.all()
    assert np.allclose(dataset.forces[:4], labelled[0].arrays["dft_force"])
    with pytest.raises(ConfigurationError, match=r"dataset: .*keys: {energy: dft_ener"):
        read("dataset: a.xyz\n")
    with pytest.raises(ConfigurationError, match=r"keys: {forces: dft_force}"):
        read("dataset: a.xyz\nkeys: {energy: dft_energy}\n")


def test_structures_need_no_labels(read, labelled):
    write("a.xyz", labelled)
    found = read("structures: a.xyz\n", "name: copper\n")
    assert [atoms.calc for atoms in found.inputs["structures"]] == [None, None]


@pytest.mark.parametrize("name", ["a.cif", "POSCAR", "a.xyz", "a.h5", "a.deepmd"])
@pytest.mark.parametrize("key", ["structures", "dataset"])
def test_formats(name, key, read):
    frames = Dataset.from_atoms([bulk("NaCl", "rocksalt", a=5.6)])
    if name in ("a.cif", "POSCAR"):
        write(name, frames[0])
    else:
        frames.write(name)
    found = read(f"{key}: {name}\n").inputs[key]
    assert len(found) == 1
    assert sorted(found[0].numbers) == [11, 17]
    by_python = ActiveLearningMaker(augmentation=None, training=None).make(
        **{key: name}
    )
    assert by_python.name == ActiveLearningMaker().name


def test_vacuum_is_said_and_periodicity_set(read):
    write("POSCAR", fcc111("Cu", (1, 1, 3), vacuum=6.0))
    found = read("structures: POSCAR\n")
    assert found.inputs["structures"][0].pbc.all()
    (note,) = found.notes
    assert note.startswith("structures: 1 frame(s)")
    assert "set pbc to TTF" in note
    assert "Note: structures: 1 frame(s)" in " ".join(
        CliRunner().invoke(app, ["run", "campaign.yaml", "--dry-run"]).output.split()
    )
    found = read("structures: POSCAR\npbc: TTF\n")
    assert found.inputs["structures"][0].pbc.tolist() == [True, True, False]
    assert not found.notes
    found = read("structures: POSCAR\npbc: [true, true, false]\n")
    assert found.inputs["structures"][0].pbc.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("pbc: TT\n", r"pbc is 'TT': give True, False, three of T and F"),
        ("pbc: {a: 1}\n", r"pbc is .*: give True"),
        ("keys: dft_energy\n", r"keys is 'dft_energy': give the names of some of ener"),
        ("keys: {enery: dft_energy}\n", r"keys is {'enery': .*energy, forces, stress"),
        ("keys: {energy: 1}\n", r"keys is {'energy': 1}: give the names"),
        ("keys: {energy: x, forces: x}\n", r"names two labels alike"),
        ("structures: 5\n", r"structures: 5 is not the name of a file"),
        ("structures: []\n", r"structures: the list is empty: name one file"),
        ("explored: []\n", r"explored: the list is empty: name one file"),
        ("committee: []\n", r"committee: the list is empty: name one file"),
        ("structures: ' '\n", r"structures: ' ' is not the name of a file"),
        ("structures: .\n", r"structures: .*give a folder of DeePMD systems, or a fil"),
    ],
)
def test_what_cannot_be_read(lines, message, read):
    write("POSCAR", bulk("Cu"))
    with pytest.raises(ConfigurationError, match=message):
        read("dataset: POSCAR\n" + lines)


def test_an_empty_list_is_no_dataset(read):
    with pytest.raises(ConfigurationError, match="dataset: the list is empty"):
        read("dataset: []\n")


def test_partial_occupancies(read, clean_dir):
    write("a.cif", bulk("Cu"))
    text = (clean_dir / "a.cif").read_text()
    assert " 1.0000" in text
    (clean_dir / "a.cif").write_text(text.replace(" 1.0000", " 0.7000"))
    with pytest.raises(ConfigurationError, match=r"structures: .*a.cif: frame 0: site"):
        read("structures: a.cif\n")

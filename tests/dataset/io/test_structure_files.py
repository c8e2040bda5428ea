"""CIF, POSCAR and other programs' files, read as structures."""

import warnings

import ase.io
import numpy as np
import pytest
from ase.build import bulk, fcc111, graphene
from ase.calculators.emt import EMT
from pymatgen.core import Structure

from flowpot import AugmentationMaker
from flowpot.dataset import Dataset

CIF = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 {first}
{second}O1 O 0.5 0.5 0.5 1.0
"""


@pytest.mark.parametrize(
    "name", ["a.cif", "POSCAR", "a.vasp", "CONTCAR.relaxed", "a.xsf", "a.json", "a.res"]
)
def test_files_of_other_programs(name, tmp_path):
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    formats = {"a.res": "res", "a.xsf": "xsf", "a.cif": "cif", "a.json": "json"}
    ase.io.write(tmp_path / name, atoms, format=formats.get(name, "vasp"))
    dataset = Dataset.read(tmp_path / name)
    assert sorted(dataset.numbers) == sorted(atoms.numbers)
    assert dataset.pbc.all()
    assert np.allclose(dataset.cell[0], atoms.cell, atol=1e-4)
    assert not dataset.info.keys() & {"spacegroup", "occupancy", "unit_cell"}
    loaded = Dataset.load([tmp_path / name, bulk("Si")])
    assert len(loaded) == 2


def test_what_only_pymatgen_reads(tmp_path):
    silicon = Structure.from_spacegroup(
        "Fd-3m", [[5.4, 0, 0], [0, 5.4, 0], [0, 0, 5.4]], ["Si"], [[0, 0, 0]]
    )
    path = tmp_path / "silicon.cssr"
    silicon.to(str(path))
    assert len(Dataset.read(path).numbers) == 8


def test_labels_come_with_a_trajectory(tmp_path):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1)
    atoms.calc = EMT()
    atoms.get_stress()
    ase.io.write(tmp_path / "a.traj", [atoms, atoms])
    dataset = Dataset.read(tmp_path / "a.traj")
    assert dataset.is_labelled.tolist() == [True, True]
    assert np.array_equal(dataset.forces[:4], atoms.get_forces())
    assert not Dataset.read(tmp_path / "a.traj", labels=False).is_labelled.any()


@pytest.mark.parametrize(
    ("first", "second"), [("0.5", "Au1 Au 0 0 0 0.5\n"), ("0.7", "")]
)
def test_partial_occupancies_are_refused(first, second, tmp_path):
    path = tmp_path / "a.cif"
    path.write_text(CIF.format(first=first, second=second))
    with pytest.raises(
        ValueError, match=r"a.cif: frame 0: site 0 is occupied in part \(.*order it"
    ):
        Dataset.read(path)
    path.write_text(CIF.format(first="0.9996", second=""))
    assert str(Dataset.read(path)[0].symbols) == "CuO"


def test_a_structure_of_pymatgen_with_partial_occupancies():
    alloy = Structure(4 * np.eye(3), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    with pytest.raises(ValueError, match="partly occupied sites: order it first"):
        Dataset.load(alloy)


def test_the_axes_with_vacuum_are_said(tmp_path):
    ase.io.write(tmp_path / "POSCAR", fcc111("Cu", (1, 1, 3), vacuum=6.0))
    with pytest.warns(UserWarning, match=r"periodic along c and hold .* pbc to TTF"):
        dataset = Dataset.read(tmp_path / "POSCAR")
    assert dataset.pbc.all()  # nothing is changed in silence
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slab = Dataset.read(tmp_path / "POSCAR", pbc="TTF")
    assert slab.pbc.tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    ("pbc", "axes"),
    [
        (True, [True] * 3),
        (False, [False] * 3),
        ("TTF", [True, True, False]),
        ([True, False, True], [True, False, True]),
        (np.array([False, False, True]), [False, False, True]),
    ],
)
@pytest.mark.parametrize("suffix", [".xyz", ".h5"])
def test_periodicity_can_be_set(suffix, pbc, axes, random_dataset, tmp_path):
    dataset = random_dataset(5)
    path = dataset.write(tmp_path / f"a{suffix}")
    read = Dataset.read(path, pbc=pbc)
    assert read.pbc.tolist() == [axes] * 5
    assert np.array_equal(read.forces, dataset.forces)


@pytest.mark.parametrize("pbc", ["TT", "xyz", 1, [1, 1, 0], [True, True]])
def test_periodicity_that_is_none(pbc, random_dataset, tmp_path):
    path = random_dataset(1).write(tmp_path / "a.xyz")
    with pytest.raises(ValueError, match=r"pbc is .*: give True, False, three of T"):
        Dataset.read(path, pbc=pbc)


def test_periodic_frames_need_a_cell(tmp_path):
    (tmp_path / "a.xyz").write_text("1\n\nSi 0 0 0\n")
    with pytest.raises(ValueError, match=r"a.xyz: frame 0: its cell has no volume"):
        Dataset.read(tmp_path / "a.xyz", pbc=True)


def test_a_stage_takes_a_file(tmp_path, monkeypatch):
    ase.io.write(tmp_path / "a.cif", bulk("Si"))
    job = AugmentationMaker.preset("smoke").make(str(tmp_path / "a.cif"))
    assert job.name == "augment"
    ase.io.write(tmp_path / "POSCAR", graphene(vacuum=8.0))
    assert len(Dataset.read(tmp_path / "POSCAR", pbc=[True, True, False])) == 1

"""Moments, charge and multiplicity: what they are read from, and what they decide."""

import io
import json
import pickle
import warnings

import ase.io
import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from pymatgen.core import Lattice, Molecule, Species, Structure
from pymatgen.electronic_structure.core import Magmom
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset import Dataset


def iron(*moments, **info):
    atoms = bulk("Fe", cubic=True)
    atoms.set_initial_magnetic_moments(None)  # which ASE gives to iron
    if moments:
        atoms.set_array("initial_magmoms", np.array(moments, float))
    atoms.info.update(info)
    return atoms


def test_what_ase_says():
    hydroxide = molecule("OH")
    hydroxide.info.update(charge=-1, spin=1)
    dataset = Dataset.from_atoms([iron(2.2, -2.2), iron(), hydroxide])
    assert dataset.magmoms[:2].tolist() == [2.2, -2.2]
    assert np.isnan(dataset.magmoms[2:4]).all()
    assert dataset.charge[2] == -1
    assert dataset.spin[2] == 1
    assert not dataset.info
    back = dataset.to_atoms()
    assert back[0].get_initial_magnetic_moments().tolist() == [2.2, -2.2]
    assert not back[1].has("initial_magmoms")
    assert back[2].info == {"charge": -1, "spin": 1}


def test_zero_moments_are_not_none():
    zero, none = Dataset.from_atoms([iron(0, 0), iron()])
    assert zero.has("initial_magmoms")
    assert not none.has("initial_magmoms")


def test_charges_of_atoms_add_up():
    ions = Atoms("HOH", np.eye(3))
    ions.set_initial_charges([0.4, 0.8, -0.2])
    assert Dataset.from_atoms([ions]).charge[0] == 1.0
    ions.info["charge"] = 0
    assert Dataset.from_atoms([ions]).charge[0] == 0


PARTIAL = {"[0.88, -0.883]": 0.0, "[0.9, 0.07]": 1.0, "[0.88, -0.5]": np.nan}


@pytest.mark.parametrize(("charges", "expected"), PARTIAL.items())
def test_partial_charges_are_no_charge_of_the_cell(charges, expected, tmp_path):
    """Those of atoms as programs assign them: all ways to a dataset agree."""
    given = {"site_properties": {"charge": json.loads(charges)}}
    salt = Structure(Lattice.cubic(4), ["Na", "Cl"], [[0] * 3, [0.5] * 3], **given)
    atoms = AseAtomsAdaptor.get_atoms(salt)
    ase.io.write(tmp_path / "a.xyz", atoms)
    plain = bulk("Si")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = [
            Dataset.load([plain, salt]).charge[1],
            Dataset.load([plain, atoms]).charge[1],
            Dataset.from_atoms([plain, atoms]).charge[1],
            Dataset.read(tmp_path / "a.xyz").charge[0],
        ]
    assert np.array_equal(found, [expected] * 4, equal_nan=True)
    told = [str(each.message) for each in told if "add up to" in str(each.message)]
    assert len(told) == 4 * np.isnan(expected)
    for text in told:
        assert "no whole number; that of 1 frame(s) is not taken" in text


def test_a_stated_charge_is_not_compared_with_partial_ones(recwarn):
    ions = bulk("NaCl", "rocksalt", a=5.6)
    ions.set_initial_charges([0.5, -0.1])
    ions.info["charge"] = 1
    assert Dataset.from_atoms([ions]).charge[0] == 1
    assert not recwarn.list


@pytest.mark.parametrize("axis", [[0, 0, 1], [0.6, 0, 0.8]])
def test_vectors_along_one_axis_are_numbers(axis, tmp_path):
    """All ways to a dataset agree."""
    moments = [(m * np.array(axis)).tolist() for m in (2.0, -1.0)]
    given = {"site_properties": {"magmom": moments}}
    frame = Structure(Lattice.cubic(3), ["Fe", "O"], [[0] * 3, [0.5] * 3], **given)
    atoms = AseAtomsAdaptor.get_atoms(frame)
    ase.io.write(tmp_path / "a.xyz", [iron(1, 1), atoms])
    assert np.allclose(Dataset.load(frame).magmoms, [2, -1])
    assert np.allclose(Dataset.load(atoms).magmoms, [2, -1])
    assert np.allclose(Dataset.read(tmp_path / "a.xyz").magmoms, [1, 1, 2, -1])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"site_properties": {"magmom": [2.2, -2.2]}}, [2.2, -2.2]),
        (
            {"site_properties": {"magmom": [Magmom(2.2), Magmom([0, 0, -2.2])]}},
            [2.2, -2.2],
        ),
        (
            {"site_properties": {"magmom": [Magmom([0, 3, 4]), Magmom([0, -3, -4])]}},
            [5.0, -5.0],
        ),
        ({"site_properties": {"magmom": [2.2, None]}}, [2.2, 0.0]),
    ],
)
def test_site_properties_of_pymatgen(given, expected):
    lattice = Lattice.cubic(2.87)
    frame = Structure(lattice, ["Fe", "Fe"], [[0] * 3, [0.5] * 3], **given)
    assert np.allclose(Dataset.from_structures([frame]).magmoms, expected)


def test_species_of_pymatgen():
    species = [Species("Fe", 3, spin=5), Species("Fe", 3, spin=-5), Species("O", -2)]
    frame = Structure(Lattice.cubic(9), species, np.eye(3), charge=4)
    dataset = Dataset.from_structures([frame])
    assert dataset.magmoms.tolist() == [5, -5, 0]
    assert dataset.charge[0] == 4


def test_oxidation_states_that_do_not_add_up_are_pointed_out():
    species = [Species("Na", 1), Species("Na", 1)]
    frame = Structure(Lattice.cubic(4), species, [[0] * 3, [0.5] * 3])
    with pytest.warns(UserWarning, match=r"add up to \+2.*set_charge"):
        assert np.isnan(Dataset.from_structures([frame]).charge[0])


def test_molecules_of_pymatgen():
    oxygen = Molecule("OO", [[0, 0, 0], [0, 0, 1.2]], spin_multiplicity=3)
    anion = Molecule("OH", [[0, 0, 0], [0, 0, 1]], charge=-1)
    plain = Molecule("OH", [[0, 0, 0], [0, 0, 1]])
    dataset = Dataset.from_structures([oxygen, anion, plain])
    assert dataset.spin[0] == 3
    assert dataset.charge[1] == -1
    # pymatgen fills these in where nothing is said.
    assert np.isnan(dataset.spin[1:]).all()
    assert np.isnan(dataset.charge[[0, 2]]).all()
    back = dataset.to_structures()
    assert back[0].spin_multiplicity == 3
    assert back[1].charge == -1
    assert back[2] == plain


def test_what_pymatgen_leaves_on_atoms():
    cation = Molecule("HH", np.eye(3)[:2], charge=1, spin_multiplicity=2)
    triplet = Molecule("OO", np.eye(3)[:2], spin_multiplicity=3)
    frames = [AseAtomsAdaptor.get_atoms(each) for each in (cation, triplet)]
    dataset = Dataset.from_atoms(frames)
    assert dataset.charge[0] == 1
    assert dataset.spin[1] == 3


def test_states_are_calculations_of_their_own():
    hydrogen = Atoms("H2", [[0, 0, 0], [0, 0, 1.05]])
    cation = hydrogen.copy()
    cation.info["charge"] = 1
    triplet = hydrogen.copy()
    triplet.info["spin"] = 3
    frames = [iron(2.2, 2.2), iron(2.2, -2.2), iron(0, 0), iron()]
    dataset = Dataset.from_atoms([*frames, hydrogen, cation, triplet, *frames])
    assert len(set(dataset.fingerprints)) == len(dataset.deduplicate()) == 7


def test_frames_without_a_state_keep_their_fingerprints():
    neutral = iron(charge=0)
    dataset = Dataset.from_atoms([iron(), neutral])
    assert dataset.fingerprints[0] == dataset.fingerprints[1]
    # As computed before there were moments and charges.
    assert dataset.fingerprints[0] == "b586f9efff8847b2b1aee346caa65587"


def test_labels_survive_beside_a_state():
    dataset = Dataset.from_atoms([iron(2.2, 2.2, charge=1)])
    dataset = dataset.with_labels([1.0], np.ones((2, 3)), np.eye(3)[None])
    back = Dataset.from_atoms(dataset.to_atoms())
    assert back.is_labelled.all()
    bare = dataset.without_labels()
    assert bare.magmoms.tolist() == [2.2, 2.2]
    assert bare.charge[0] == 1
    assert np.array_equal(bare.fingerprints, dataset.fingerprints)


@pytest.mark.parametrize("suffix", [".xyz", ".h5"])
def test_files(tmp_path, suffix):
    dataset = Dataset.from_atoms([iron(2.2, -2.2, charge=-1, spin=1.5), iron()])
    back = Dataset.read(dataset.write(tmp_path / f"a{suffix}"))
    assert np.array_equal(back.fingerprints, dataset.fingerprints)
    assert back.spin[0] == 1.5
    assert np.isnan(back.spin[1])


def test_what_ase_writes(tmp_path):
    ase.io.write(tmp_path / "a.xyz", [iron(2, -2), iron(charge=1)])
    dataset = Dataset.read(tmp_path / "a.xyz")
    assert dataset.magmoms[:2].tolist() == [2, -2]
    assert dataset.charge[1] == 1


def test_moments_that_are_results_are_pointed_out(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("1\nProperties=species:S:1:pos:R:3:magmoms:R:1\nH 0 0 0 1\n")
    with pytest.warns(UserWarning, match="'magmoms' is not read.*initial_magmoms"):
        assert np.isnan(Dataset.read(path).magmoms).all()


def test_deepmd_says_what_it_leaves_out(tmp_path):
    dataset = Dataset.from_atoms([iron(2.2, 2.2)])
    with pytest.warns(UserWarning, match="no place for the columns magmoms"):
        dataset.write(tmp_path / "a.deepmd")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (iron(np.nan, 1), "NaN in part.*0 for none"),
        (iron(np.inf, np.inf), "infinite"),
        (
            iron([0, 0, 1], [0, 1, 0]),
            "vectors with no common axis.*one number per atom",
        ),
        (iron(spin=0), r"spin is 0.0: .*multiplicity 2S \+ 1"),
        (iron(spin="up"), "spin is 'up'.*rename"),
        (iron(charge=[1, 2]), "charge is .*one number"),
        (iron(charge=np.inf), "charge is inf"),
    ],
)
def test_what_is_refused(frame, message):
    with pytest.raises(ValueError, match=f"frame 1.*{message}"):
        Dataset.from_atoms([iron(), frame])


def test_vectors_of_pymatgen_are_refused():
    moments = [Magmom([0, 0, 1]), Magmom([0, 1, 0])]
    frame = Structure(
        Lattice.cubic(3),
        ["Fe", "Fe"],
        np.eye(3)[:2],
        site_properties={"magmom": moments},
    )
    with pytest.raises(ValueError, match="no common axis"):
        Dataset.from_structures([frame])


def test_setting_a_state():
    dataset = Dataset.from_atoms([iron(), iron()])
    charged = dataset.with_state(charge=1, spin=[1, 3])
    assert charged.charge.tolist() == [1, 1]
    assert charged.spin.tolist() == [1, 3]
    assert np.isnan(charged.with_state(charge=np.nan).charge).all()


def test_description():
    text = str(Dataset.from_atoms([iron(2.2, -2.2, charge=-1), iron()]).describe())
    assert "|moment| (mu_B) in 1 frames" in text
    assert "charge (e)" in text
    assert "spin" not in text


def test_files_of_earlier_versions():
    dataset = Dataset.from_atoms([iron(config_type="input"), iron(config_type="md")])
    buffer = io.BytesIO()
    with (
        h5py.File(io.BytesIO(dataset.to_bytes())) as file,
        h5py.File(buffer, "w") as old_file,
    ):
        assert file.attrs["version"] == 1
        assert not {"magmoms", "charge", "spin"} & set(file)
        for name in file:
            file.copy(name, old_file)
        old_file.attrs.update(file.attrs)
        old_file["info"]["charge"] = [1, 0]
        old_file["info"]["spin"] = [0, 2]
    with pytest.warns(UserWarning, match="'spin' is now 'spin_info'"):
        old = Dataset.from_bytes(buffer.getvalue())
    assert old.charge.tolist() == [1, 0]
    assert old.info["spin_info"].tolist() == [0, 2]
    assert np.isnan(old.spin).all()


def test_pickles_of_earlier_versions():
    dataset = Dataset.from_atoms([iron()])
    make, (fields,) = dataset.__reduce__()
    for name in ("magmoms", "charge", "spin"):
        del fields[name]
    old = pickle.loads(pickle.dumps(make(fields)))
    assert np.isnan(old.magmoms).all()
    assert np.array_equal(old.fingerprints, dataset.fingerprints)


def test_moments_of_a_document_are_those_it_started_from():
    """VASP's documents have the moments that came out as those of their structure."""
    start, end = (
        Structure(
            Lattice.cubic(2.87),
            ["Fe", "Fe"],
            [[0] * 3, [0.5] * 3],
            site_properties={"magmom": moments},
        )
        for moments in ([3.0, 3.0], [2.213, 2.214])
    )
    output = {"energy": -1.0, "forces": np.zeros((2, 3)).tolist()}
    document = {"structure": end, "input": {"structure": start}, "output": output}
    assert Dataset.from_static_documents([document]).magmoms.tolist() == [3.0, 3.0]
    del document["input"]
    assert Dataset.from_static_documents([document]).magmoms.tolist() == [2.213, 2.214]

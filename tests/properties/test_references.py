"""Reference calculations of all that labels give, by potentials in a known ratio."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa
from atomate2.forcefields.jobs import ForceFieldStaticMaker

from crystals import four_metals
from flowpot import Dataset, EspressoStaticMaker, ValidationMaker
from flowpot.demo import silicon_labels
from flowpot.properties.calculations.labelled import (
    LabelledCalculator,
    UnknownFrameError,
)
from flowpot.properties.curves import read_arrays
from flowpot.properties.reference import Reference, _with_labels
from known_potentials import stillinger_weber
from refinable_emt import ShiftingMaker

SCALE = 1.2
QUICK = {"eos_points": 5, "supercell_length": 7.0}


@pytest.fixture(scope="module")
def stiffer():
    """Label by Stillinger and Weber's silicon, all energies of which are scaled."""
    return ForceFieldStaticMaker(
        force_field_name={
            "@module": stillinger_weber.__module__,
            "@callable": stillinger_weber.__name__,
        },
        calculator_kwargs={"scale": SCALE},
    )


def test_moduli_are_in_the_ratio_and_frequencies_in_its_root(validated, stiffer):
    """Atoms of diamond move against a shear: the relaxed cells are what is labelled."""
    kinds = ("eos", "elastic", "phonons")
    maker = ValidationMaker(
        properties=kinds, reference_maker=stiffer, reference_properties=kinds, **QUICK
    )
    document = validated(maker, [stillinger_weber], bulk("Si", a=5.43))
    assert document.notes == []
    quantities = {each.name: each for each in document.crystal().quantities}
    for name in ("bulk_modulus", "C11", "C12", "C44", "shear_modulus"):
        ratio = quantities[name].calculated / quantities[name].mean
        assert ratio == pytest.approx(SCALE, rel=2e-3), name
    frequencies = [name for name in quantities if name.startswith("phonon_X")]
    assert len(frequencies) == 6
    for name in (*frequencies, "highest_frequency"):
        ratio = quantities[name].calculated / quantities[name].mean
        assert ratio == pytest.approx(np.sqrt(SCALE), rel=1e-4), name
    assert quantities["C44"].reference_source == "ForceFieldStaticMaker"
    arrays = read_arrays(document.curves)
    bands = arrays["Si Fd-3m/phonons/bands"][0]
    reference = arrays["Si Fd-3m/phonons/reference_bands"]
    np.testing.assert_allclose(reference, bands * np.sqrt(SCALE), atol=0.02)
    # The relaxed crystal is labelled once for all three.
    assert len(Dataset.load(document.labelled)) == document.n_sent
    assert document.n_sent == len(Dataset.load(document).deduplicate())


@pytest.mark.parametrize("crystal", ["copper", "turned copper", "four metals"])
def test_elastic_constants_by_labels_are_those_of_the_same_potential(
    validated, crystal
):
    """The relaxed cell is labelled once, for the equation of state as well."""
    atoms = four_metals([3.9] * 3) if crystal == "four metals" else bulk("Cu", a=3.7)
    if crystal == "turned copper":
        atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    kinds = ("eos", "elastic")
    name = {"@module": EMT.__module__, "@callable": EMT.__name__}
    maker = ValidationMaker(
        properties=kinds,
        reference_maker=ForceFieldStaticMaker(force_field_name=name),
        reference_properties=kinds,
        **QUICK,
    )
    document = validated(maker, [EMT], atoms)
    assert document.notes == []
    quantities = document.crystal().quantities
    elastic = [each for each in quantities if each.calculation == "elastic"]
    assert len(elastic) == (12 if crystal == "four metals" else 6)
    for each in elastic:
        assert each.calculated == pytest.approx(each.mean, rel=5e-3), each.name


def test_a_label_is_of_the_cell_as_it_is():
    """One of another property may be the same but for rounding."""
    cells = Dataset.from_atoms([bulk("Cu", a=3.6), bulk("Cu", a=3.7)])
    cells = cells.with_info(point=[0, 1])
    rounded = bulk("Cu", a=3.7 * (1 + 1e-9))
    rounded.calc = EMT()
    rounded.get_stress()
    known = Dataset.from_atoms([rounded])
    found = _with_labels(cells, known)
    assert found.column("point").tolist() == [1]
    assert np.array_equal(found.cell[0], cells.cell[1])
    assert found.energy[0] == known.energy[0]
    assert np.array_equal(found.stress, known.stress)


@pytest.mark.slow
def test_pw_gives_bulk_moduli_that_agree(validated):
    """
    By energies, and by stresses of cells that are too small for pw.x.

    The difference is what pressure adds: about 4.2 times as much (PBE's silicon).
    """
    kinds = ("eos", "elastic")
    maker = ValidationMaker(
        properties=kinds, reference_maker=silicon_labels(), reference_properties=kinds
    )
    document = validated(maker, [stillinger_weber], bulk("Si", a=5.43))
    assert document.notes == []
    found = {each.name: each.calculated for each in document.crystal().quantities}
    assert found["lattice_constant"] == pytest.approx(5.477, rel=2e-3)
    cells = Dataset.load(document.labelled)
    at_rest = cells[cells.fingerprints == Dataset.load(document).fingerprints[0]]
    pressure = -np.trace(at_rest.stress[0]) / 3 / GPa
    assert pressure > 1
    expected = found["bulk_modulus"] + 4.2 * pressure
    assert found["bulk_modulus_elastic"] == pytest.approx(expected, rel=0.03)
    inputs = list(Path.cwd().rglob("pw.in*"))
    assert len(inputs) == document.n_sent
    for path in inputs:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt") as file:
            text = file.read()
        assert float(re.search(r"ecutwfc\s*=\s*([\d.]+)", text)[1]) == 24.0
        assert "tstress" in text


def test_a_low_cutoff_of_the_reference_is_warned_of():
    settings = {"SYSTEM": {"ecutwfc": 20.0}}
    low = EspressoStaticMaker(pseudo_family="debian-pbe", user_settings=settings)
    maker = ValidationMaker(properties=("eos",), reference_maker=low)
    with pytest.warns(UserWarning, match="^reference_maker: ecutwfc is 20 Ry"):
        maker.make([stillinger_weber], structures=bulk("Si", a=5.43))


def test_labels_that_do_not_suffice_are_a_note(validated):
    maker = ValidationMaker(properties=("elastic",))
    document = validated(maker, [EMT], bulk("Cu"))
    cells = list(Dataset.load(document))
    for frames, names, words in (
        (cells[:-1], ("energy", "forces", "stress"), "6 cells: all 7 are needed"),
        (cells, ("energy", "forces"), "7 cells: ValueError: labels without a stress"),
    ):
        document.notes.clear()
        labels = {"dataset": labelled(frames, names).to_artifact("labels.h5")}
        Reference(("elastic",), maker, "EMT").add_to(document, labels)
        (note,) = document.notes
        assert note.startswith("elastic of Cu Fm-3m has no reference by EMT")
        assert words in note
        assert document.crystal().quantity("C44").calculated is None


def labelled(frames, names):
    """Label frames by EMT."""
    found = []
    for frame in frames:
        atoms = frame.copy()
        emt = EMT()
        values = {name: emt.get_property(name, atoms) for name in names}
        atoms.calc = SinglePointCalculator(atoms, **values)
        found.append(atoms)
    return Dataset.from_atoms(found)


def test_a_frame_that_was_not_labelled_is_unknown(tmp_path):
    atoms = bulk("Cu", cubic=True)
    known = labelled([atoms], ("energy", "forces"))
    known.write(tmp_path / "labels.h5")
    moved = atoms.copy()
    moved.positions += atoms.cell[0]  # a whole vector: it is the same
    moved.calc = LabelledCalculator(str(tmp_path / "labels.h5"))
    assert moved.get_potential_energy() == known.energy[0]
    moved.positions[0, 0] += 0.01
    with pytest.raises(UnknownFrameError, match="none of the 1 labelled frames"):
        moved.get_potential_energy()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reference_properties": ("nve",)}, "reference_properties"),
        ({"reference_properties": "eos"}, "must be a list of names"),
        (
            {"reference_properties": (), "reference_maker": ShiftingMaker()},
            "reference_properties is empty",
        ),
        (
            {
                "properties": ("eos",),
                "reference_properties": ("eos", "elastic"),
                "reference_maker": ShiftingMaker(),
            },
            "add 'elastic'",
        ),
    ],
)
def test_references_that_cannot_be_meant_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        ValidationMaker(**fields)

"""atomate2's flows for single potentials, against values known by other ways."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.geometry import cellpar_to_cell
from ase.optimize import BFGS
from ase.units import GPa, _amu, _e
from pymatgen.io.ase import AseAtomsAdaptor

from crystals import four_metals
from flowpot.properties.calculations import CALCULATIONS, ForceField
from flowpot.properties.calculations.base import RelaxationError
from flowpot.properties.member import calculate_member
from flowpot.properties.options import ValidationOptions
from known_potentials import BrokenEMT, stillinger_weber


def calculated(kind, atoms, potential, folder, **options):
    return CALCULATIONS[kind](
        AseAtomsAdaptor.get_structure(atoms),
        ForceField.of(potential, folder),
        ValidationOptions(**options),
        folder / kind,
    )


@pytest.fixture(scope="module")
def copper(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copper")
    return {
        kind: calculated(kind, bulk("Cu", a=3.7), EMT, folder, supercell_length=7.0)
        for kind in ("eos", "elastic", "phonons")
    }


def test_the_pressure_vanishes_at_the_minimum(copper):
    values = copper["eos"].values
    cell = bulk("Cu", a=values["lattice_constant"])
    cell.calc = EMT()
    pressure = -np.trace(cell.get_stress(voigt=False)) / 3 / GPa
    assert abs(pressure) / values["bulk_modulus"] < 1e-3
    assert values["volume"] == pytest.approx(cell.get_volume(), rel=1e-6)
    assert values["energy"] == pytest.approx(cell.get_potential_energy(), abs=1e-4)


def test_bulk_moduli_by_energies_and_by_stresses_agree(copper):
    elastic, eos = copper["elastic"].values, copper["eos"].values
    average = (elastic["C11"] + 2 * elastic["C12"]) / 3
    assert elastic["bulk_modulus_elastic"] == pytest.approx(average, rel=1e-4)
    assert eos["bulk_modulus"] == pytest.approx(average, rel=0.01)
    assert set(elastic) == {
        *("C11", "C12", "C44", "bulk_modulus_elastic", "shear_modulus"),
        "lowest_stiffness",
    }


def test_the_smallest_eigenvalue_tells_mechanical_stability(copper, tmp_path):
    """Of cubic crystals Born's criteria have it; by EMT, B2 NiAl breaks the first."""
    stable = copper["elastic"].values
    born = min(stable["C11"] - stable["C12"], stable["C44"])
    assert stable["lowest_stiffness"] == pytest.approx(born, rel=1e-3)
    nickel = bulk("NiAl", "cesiumchloride", a=2.9)
    broken = calculated("elastic", nickel, EMT, tmp_path).values
    assert broken["C11"] < broken["C12"]
    born = broken["C11"] - broken["C12"]
    assert broken["lowest_stiffness"] == pytest.approx(born, rel=1e-3)


def test_phonons_are_those_of_a_frozen_mode(copper):
    """At X planes of atoms move against each other: a cell of four atoms shows it."""
    values = copper["phonons"].values
    assert values["acoustic_at_gamma"] < 0.01
    assert values["lowest_frequency"] > -0.01
    a = copper["eos"].values["lattice_constant"]
    step = 0.01
    for axis, branch in ((2, 3), (0, 1)):
        cell = bulk("Cu", a=a, cubic=True)
        upper = cell.positions[:, 2] > a / 4
        cell.positions[:, axis] += np.where(upper, -step, step)
        cell.calc = EMT()
        force = np.abs(cell.get_forces()[:, axis]).mean()
        omega = np.sqrt(force * _e * 1e20 / (step * cell.get_masses()[0] * _amu))
        frozen = omega / (2 * np.pi) / 1e12
        assert values[f"phonon_X_{branch}"] == pytest.approx(frozen, rel=0.02)
    assert values["phonon_X_1"] == pytest.approx(values["phonon_X_2"])


def test_energy_fluctuates_with_the_square_of_the_time_step(tmp_path):
    found = {
        step: calculated(
            *("nve", bulk("Cu"), EMT, tmp_path / str(step)),
            nve_time_step=step,
            nve_steps=int(400 / step),
            nve_length=5.0,
        ).values
        for step in (4.0, 8.0)
    }
    ratio = found[8.0]["energy_fluctuation"] / found[4.0]["energy_fluctuation"]
    assert ratio == pytest.approx(4, rel=0.25)
    assert abs(found[4.0]["energy_drift"]) < 0.1


def test_silicon_is_as_published(tmp_path):
    """Stillinger and Weber's: atoms move against the strain, which C44 shows."""
    values = calculated("elastic", bulk("Si"), stillinger_weber, tmp_path).values
    published = {"C11": 151.4, "C12": 76.4, "C44": 56.4, "bulk_modulus_elastic": 101.4}
    for name, value in published.items():
        assert values[name] == pytest.approx(value, rel=0.01)


def as_in_a_file(atoms):
    """Turn a crystal as files have it: a along x, b in the plane of x and y."""
    turned = atoms.copy()
    turned.set_cell(cellpar_to_cell(atoms.cell.cellpar()), scale_atoms=True)
    return turned


@pytest.mark.parametrize(
    "crystal",
    [
        bulk("Cu"),
        bulk("Ni", "hcp", a=2.49, c=4.07),
        Atoms("CuAu", cell=[2.75, 2.75, 3.6], scaled_positions=[(0,) * 3, (0.5,) * 3]),
        four_metals([3.9, 3.9, 3.9]),
    ],
    ids=["fcc", "hcp", "L1_0", "orthorhombic, in a cube"],
)
def test_elastic_constants_do_not_depend_on_how_a_crystal_lies(crystal, tmp_path):
    crystal.pbc = True
    rotated = crystal.copy()
    rotated.rotate(37, (1, 2, 3), rotate_cell=True)
    cases = {"as built": crystal, "file": as_in_a_file(crystal), "rotated": rotated}
    found = {
        name: calculated("elastic", atoms, EMT, tmp_path / name).values
        for name, atoms in cases.items()
    }
    for values in found.values():
        assert values == pytest.approx(found["as built"], rel=2e-3)
    if "C33" not in values:  # only a cube is strained alike along all axes
        modulus = bulk_modulus_of(rotated)
        assert values["bulk_modulus_elastic"] == pytest.approx(modulus, rel=0.01)


def test_axes_are_those_of_the_crystal_as_it_is_given(tmp_path):
    """By c < a < b of the given edges, which relaxed ones are not."""
    relaxed = four_metals([3.9, 3.91, 3.89])
    values = calculated("elastic", relaxed, EMT, tmp_path).values
    relaxed.calc = EMT()
    BFGS(FrechetCellFilter(relaxed), logfile=None).run(fmax=1e-4)
    a, b, c = relaxed.cell.lengths()
    assert not c < a < b
    step = 2e-3
    for axis in range(3):  # no atom moves: each is at a centre of symmetry
        stresses = []
        for sign in (-1, 1):
            cell = relaxed.copy()
            edges = relaxed.cell.lengths() * (1 + sign * step * np.eye(3)[axis])
            cell.set_cell(edges, scale_atoms=True)
            cell.calc = EMT()
            stresses.append(cell.get_stress()[axis] / GPa)
        stiffness = (stresses[1] - stresses[0]) / (2 * step)
        assert values[f"C{axis + 1}{axis + 1}"] == pytest.approx(stiffness, rel=0.01)


def bulk_modulus_of(atoms):
    """Bulk modulus of a crystal whose axes are strained alike (GPa)."""
    relaxed = atoms.copy()
    relaxed.calc = EMT()
    BFGS(FrechetCellFilter(relaxed), logfile=None).run(fmax=1e-4)
    pressures, step = [], 2e-3
    for sign in (-1, 1):
        cell = relaxed.copy()
        cell.set_cell(cell.cell * (1 + sign * step), scale_atoms=True)
        cell.calc = EMT()
        pressures.append(-np.trace(cell.get_stress(voigt=False)) / 3 / GPa)
    return (pressures[0] - pressures[1]) / (6 * step)


def test_a_relaxation_that_is_cut_off_is_no_result(tmp_path):
    with pytest.raises(RelaxationError, match="within 2 steps: raise max_steps"):
        calculated("eos", bulk("Cu", a=3.9), EMT, tmp_path, max_steps=2)


def test_what_fails_is_recorded_and_the_rest_goes_on(clean_dir):
    structure = AseAtomsAdaptor.get_structure(bulk("Cu"))
    options = ValidationOptions(properties=("eos", "nve"), nve_steps=10, nve_length=3.0)
    found = calculate_member(BrokenEMT, structure, options, 2, "Cu")
    assert found.values == {}
    assert set(found.failures) == {"eos", "nve"}
    assert found.failures["eos"] == "ArithmeticError: no convergence"
    assert "no convergence" in (clean_dir / "traceback.txt").read_text()

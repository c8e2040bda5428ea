"""Meshes of k-points and numbers of bands: against the paper, and against pw.x."""

import re
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from flowpot.labelling.espresso import kpoint_mesh
from flowpot.labelling.espresso.command import run_pw
from flowpot.labelling.espresso.inputs import EspressoInputGenerator
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.protocols import band_count


@pytest.mark.parametrize(("distance", "n"), [(0.10, 4), (0.15, 3), (0.30, 2)])
def test_the_papers_18_angstrom_cell(distance, n):
    """The meshes of the reference implementation: 4, 3 and 2 points an axis."""
    cell = Atoms("Si", cell=[18.0] * 3, pbc=True)
    assert kpoint_mesh(cell, distance) == (n, n, n)


def test_spacing_is_at_most_the_distance():
    atoms = Atoms("Si", cell=[[3, 0, 0], [1, 5, 0], [0.5, 0.3, 9]], pbc=True)
    mesh = kpoint_mesh(atoms, 0.2)
    lengths = 2 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    assert (lengths / mesh <= 0.2 + 1e-5).all()
    assert (lengths / (np.array(mesh) - 1) > 0.2).all()


def test_one_point_on_axes_without_periodicity():
    slab = bulk("Cu", cubic=True)
    slab.pbc = (True, True, False)
    assert kpoint_mesh(slab, 0.3)[2] == 1
    assert kpoint_mesh(slab, 0.3)[0] > 1


def test_equal_axes_get_equal_numbers():
    """A distorted cell of three equal lengths, whose reciprocal lengths differ."""
    cell = 4 * np.array([[1, 0, 0], [0.5, np.sqrt(0.75), 0], [0, 0, 1]])
    mesh = kpoint_mesh(Atoms("Si", cell=cell, pbc=True), 0.26)
    assert len(set(mesh)) == 1


def test_a_distance_of_zero_is_refused():
    with pytest.raises(ValueError, match="kspacing is 0"):
        kpoint_mesh(bulk("Si"), 0)


@pytest.mark.qe
@pytest.mark.parametrize(
    ("atoms", "system"),
    [
        (bulk("Si"), {}),
        (bulk("Si"), {"occupations": "fixed"}),
        (bulk("Si", cubic=True), {}),
        (bulk("Si"), {"tot_charge": -1}),
        (Atoms("B", cell=[3] * 3, pbc=True), {}),
        (Atoms("N", cell=[6] * 3, info={"spin": 4}), {}),
        (Atoms("H", cell=[6] * 3, info={"spin": 2}), {"occupations": "fixed"}),
    ],
    ids=["pair", "insulator", "cell", "charged", "odd", "polarised", "hydrogen"],
)
def test_the_count_is_that_of_pw(atoms, system, tmp_path):
    generator = EspressoInputGenerator(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=2.0,
        user_settings={
            "SYSTEM": {"ecutwfc": 8.0, "ecutrho": 64.0, **system},
            "ELECTRONS": {"electron_maxstep": 1},
        },
    )
    inputs = generator.get_input_set(atoms)
    text, removed = re.subn(r".*nbnd.*\n", "", inputs.text)
    assert removed
    replace(inputs, text=text).write(tmp_path)
    run_pw(tmp_path, ["pw.x"], timeout=60)
    assert inputs.n_bands == read_report(tmp_path).n_bands


def test_the_majority_fits_in():
    """pw.x would give 100 iron atoms 480 bands, too few for 650 electrons of a spin."""
    assert band_count(800, 500, {"nspin": 2}) == 780
    assert band_count(800, 0, {}) == 480
    assert band_count(800, 0, {"noncolin": True}) == 960


def test_what_fixed_occupations_cannot_hold():
    with pytest.raises(ValueError, match="but 5 electrons fill no whole number"):
        band_count(5, 0, {"occupations": "fixed"})
    with pytest.raises(ValueError, match="set tot_magnetization"):
        band_count(5, 1, {"occupations": "fixed", "nspin": 2})
    system = {"occupations": "fixed", "nspin": 2, "tot_magnetization": 1}
    assert band_count(5, 1, system) == 3
    with pytest.raises(ValueError, match="fill no whole number"):
        band_count(5, 2, system)


def test_the_user_decides():
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe",
        user_settings={"SYSTEM": {"nbnd": 17, "occupations": "fixed"}},
    )
    inputs = generator.get_input_set(bulk("Si"))
    assert inputs.n_bands == 17
    assert not {"smearing", "degauss"} & set(inputs.parameters["system"])

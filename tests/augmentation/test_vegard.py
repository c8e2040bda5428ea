"""Lattices of alloys."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule, mx2
from ase.cluster import Octahedron

from crystals import PEROVSKITE
from flowpot.augmentation import Alloys, Distortions, Supercells, alloy, augment
from flowpot.augmentation.vegard import end_members_among, vegard_scale

# Measured lattice constants (A) of both end members, at room temperature.
MEASURED = {
    "Cu-Au": (bulk("Cu", "fcc", a=3.615), "Cu", "Au", 4.078 / 3.615),
    "Ni-Al": (bulk("Ni", "fcc", a=3.52), "Ni", "Al", 4.05 / 3.52),
    "Fe-Cr": (bulk("Fe", "bcc", a=2.866), "Fe", "Cr", 2.91 / 2.866),
    "Si-Ge": (bulk("Si", "diamond", a=5.431), "Si", "Ge", 5.658 / 5.431),
    "GaAs-InAs": (bulk("GaAs", "zincblende", a=5.653), "Ga", "In", 6.058 / 5.653),
    "GaAs-AlAs": (bulk("GaAs", "zincblende", a=5.653), "Ga", "Al", 5.661 / 5.653),
    "NaCl-KCl": (bulk("NaCl", "rocksalt", a=5.64), "Na", "K", 6.29 / 5.64),
    "MgO-CaO": (bulk("MgO", "rocksalt", a=4.212), "Mg", "Ca", 4.81 / 4.212),
    "SrTiO3-BaTiO3": (PEROVSKITE, "Sr", "Ba", 4.00 / 3.905),
    "MoS2-WS2": (mx2("MoS2", a=3.160, vacuum=8), "Mo", "W", 3.153 / 3.160),
}


def scale_of(atoms: Atoms, old: str, new: str, share: float = 1.0) -> float:
    """Factor of one alloy of two elements."""
    sites = np.flatnonzero(np.isin(atoms.numbers, Atoms([old, new]).numbers))
    shares = np.array([[1 - share, share]])
    return float(vegard_scale(atoms, sites, [old, new], shares)[0])


@pytest.mark.parametrize("name", MEASURED)
def test_estimates_are_near_what_is_measured(name):
    atoms, old, new, ratio = MEASURED[name]
    assert scale_of(atoms, old, new) == pytest.approx(ratio, rel=0.04)


@pytest.mark.parametrize("name", MEASURED)
def test_lengths_are_linear_and_a_structure_keeps_its_own(name):
    atoms, old, new, _ = MEASURED[name]
    end = scale_of(atoms, old, new)
    for share in (0.0, 0.3, 0.5, 1.0):
        expected = 1 + share * (end - 1)
        assert scale_of(atoms, old, new, share) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", MEASURED)
def test_there_and_back_is_the_same_lattice(name):
    atoms, old, new, _ = MEASURED[name]
    there = scale_of(atoms, old, new)
    other = atoms.copy()
    other.symbols[other.symbols == old] = new
    assert there * scale_of(other, new, old) == pytest.approx(1, abs=1e-12)
    repeated = atoms.repeat((2, 1, 1))
    assert scale_of(repeated, old, new) == pytest.approx(there, abs=1e-12)


def test_end_members_that_are_given_are_interpolated():
    """Copper and gold, by their lattice constants."""
    ends = {"Cu": 3.615**3 / 4, "Au": 4.078**3 / 4}
    plan = Alloys(("Cu", "Au"), n_frames=8, distortion=None, end_members=ends)
    made = augment(bulk("Cu", cubic=True, a=3.7), [plan], supercell=Supercells(7, 32))
    frames = made.frames[made.frames.info["config_type"] == "alloy"]
    assert len(frames) == 8
    for atoms in frames:
        share = (atoms.symbols == "Au").mean()
        length = np.cbrt(4 * atoms.get_volume() / len(atoms))
        assert length == pytest.approx(3.615 + share * (4.078 - 3.615), abs=1e-9)
        assert atoms.info["lattice_scale"] == pytest.approx(length / 3.7)


def test_areas_of_layers_are_interpolated():
    layer = mx2("MoS2", a=3.16, thickness=3.1, vacuum=None)
    area = np.linalg.norm(np.cross(*layer.cell[:2])) / 3
    made = alloy(
        layer,
        np.random.default_rng(0),
        species=["Mo", "W"],
        fixed_species=["S"],
        composition={"Mo": 0.0, "W": 1.0},
        end_members={"Mo": area, "W": 1.21 * area},
    )
    assert made.cell.lengths()[:2] == pytest.approx([1.1 * 3.16] * 2)
    with pytest.raises(ValueError, match="is not periodic and has no volume"):
        alloy(
            molecule("CH4"),
            np.random.default_rng(0),
            species=["C", "Si"],
            fixed_species=["H"],
            end_members={"C": 1.0, "Si": 2.0},
        )


def test_strain_comes_on_top():
    plan = Alloys(
        ("Cu", "Au"), n_frames=30, distortion=Distortions(strain=(-0.05, 0.05))
    )
    made = augment(bulk("Cu", cubic=True), [plan], supercell=Supercells(7, 32))
    frames = made.frames[made.frames.info["config_type"] == "alloy"]
    assert len(frames) == 30
    expected = 3.61 * frames.info["lattice_scale"] * (1 + frames.info["strain"])
    volumes = np.array([a.get_volume() / 32 for a in frames])  # of 32 sites
    np.testing.assert_allclose(np.cbrt(4 * volumes), expected, rtol=1e-9)
    assert np.ptp(frames.info["lattice_scale"]) > 0.08


def test_the_lattice_of_the_input_can_be_kept():
    plan = Alloys(("Cu", "Au"), n_frames=4, distortion=None, lattice="input")
    made = augment(bulk("Cu", cubic=True), [plan], supercell=Supercells(7, 32))
    frames = made.frames[made.frames.info["config_type"] == "alloy"]
    np.testing.assert_allclose(frames.cell, frames.cell[:1].repeat(4, axis=0))


def test_particles_grow_as_crystals_do():
    particle = Octahedron("Cu", 3)
    made = alloy(
        particle,
        np.random.default_rng(0),
        species=["Cu", "Au"],
        composition={"Cu": 0.0, "Au": 1.0},
    )
    ratio = made.get_all_distances().max() / particle.get_all_distances().max()
    assert ratio == pytest.approx(4.08 / 3.61, rel=1e-3)


def test_an_atom_alone_keeps_its_cell():
    assert scale_of(Atoms("Cu", cell=[9] * 3), "Cu", "Au") == 1


def lengths_of(made, species: str) -> dict[float, float]:
    """Cube root of the volume per atom of each alloy, by the share of an element."""
    frames = made.frames[made.frames.info["config_type"] == "alloy"]
    return {
        (atoms.symbols == species).mean(): np.cbrt(atoms.get_volume() / len(atoms))
        for atoms in frames
    }


def test_end_members_among_the_inputs_are_interpolated():
    """Alloys made of either lie on one line between both inputs' own lattices."""
    inputs = [bulk("Cu", "fcc", a=3.63), bulk("Au", "fcc", a=4.16, cubic=True)]
    plan = Alloys(("Cu", "Au"), n_frames=12, distortion=None)
    made = augment(inputs, [plan], supercell=Supercells(7, 32))
    found = lengths_of(made, "Au")
    assert len(found) > 5
    for share, length in found.items():
        expected = 3.63 + share * (4.16 - 3.63)
        assert np.cbrt(4) * length == pytest.approx(expected, abs=1e-9)


def test_end_members_are_of_one_kind():
    """Face-centred iron is no end member of body-centred alloys, nor is a choice."""
    bcc = [bulk("Fe", "bcc", a=2.9), bulk("Cr", "bcc", a=3.0)]
    fcc = bulk("Fe", "fcc", a=3.6)
    species = ("Fe", "Cr")
    volumes = {"Fe": 2.9**3 / 2, "Cr": 3.0**3 / 2}
    found = end_members_among([*bcc, fcc], bcc[0] * 2, species)
    assert found == pytest.approx(volumes)
    assert end_members_among([*bcc, fcc], fcc, species) is None
    twice = [*bcc, bulk("Fe", "bcc", a=2.8)]
    assert end_members_among(twice, bcc[1], species) is None
    mixed = bulk("FeCr", "cesiumchloride", a=2.95)
    assert end_members_among(bcc, mixed, species) == pytest.approx(volumes)
    layers = [mx2("MoS2", a=3.16, vacuum=8), mx2("WS2", a=3.2, vacuum=9)]
    areas = end_members_among(layers, layers[0], ("Mo", "W"), ("S",))
    assert areas["W"] / areas["Mo"] == pytest.approx((3.2 / 3.16) ** 2)
    assert end_members_among(layers, layers[0], ("Mo", "W")) is None

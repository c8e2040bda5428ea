"""Removed images: energy and forces of a slab or molecule do not depend on its box."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from numpy.testing import assert_allclose

from flowpot.labelling import EspressoStaticMaker
from flowpot.labelling.espresso.electrostatics import (
    checked_isolation,
    isolated_frame,
)

SLAB = (True, True, False)


def layers(height: float, thickness: float = 8.0) -> Atoms:
    """Two layers of hydrogen molecules, in a cell of some height."""
    z = [3.0, 3.74, 3.0 + thickness, 3.76 + thickness]
    positions = [[0.1, 0.1, z[0]], [0, 0, z[1]], [0, 0.1, z[2]], [0.1, 0, z[3]]]
    return Atoms("H4", positions, cell=[3.6, 3.8, height], pbc=SLAB)


def laid_across_x(slab: Atoms) -> Atoms:
    """The same slab with its open axis along x."""
    order = [2, 0, 1]
    cell = slab.cell[:][np.ix_(order, order)]
    return Atoms(slab.symbols, slab.positions[:, order], cell=cell, pbc=(0, 1, 1))


@pytest.fixture
def maker() -> EspressoStaticMaker:
    """Hydrogen, roughly."""
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=2.6,
        assume_isolated="auto",
        user_settings={"SYSTEM": {"ecutwfc": 20.0, "ecutrho": 120.0}},
    )


def test_methods_by_periodicity():
    slab = fcc111("Cu", (1, 1, 3), vacuum=10)
    slab.pbc = SLAB
    water = molecule("H2O", vacuum=8)
    for atoms, method in ((slab, "2D"), (water, "martyna-tuckerman")):
        isolated = isolated_frame(atoms, "auto")
        assert isolated.keys == {"assume_isolated": method}
        assert isolated.atoms is atoms  # the box is large enough
        assert isolated_frame(atoms, method.upper()).keys == isolated.keys
    for atoms, choice in ((bulk("Si"), "auto"), (bulk("Si"), "2D"), (water, None)):
        assert isolated_frame(atoms, choice).keys == {}
    wire = Atoms("C", cell=[9, 9, 1.3], pbc=(False, False, True))
    isolated = isolated_frame(wire, "auto")
    assert isolated.keys == {}
    assert "no method for frames with one periodic axis" in isolated.note


@pytest.mark.parametrize("name", ["C60", "CO2", "H2O"])
def test_a_molecules_box_becomes_twice_as_large(name):
    tight = molecule(name, vacuum=2)
    isolated = isolated_frame(tight, "auto")
    spans = np.ptp(tight.positions, axis=0)
    assert (isolated.atoms.cell.lengths() >= 2 * (spans + 6) - 1e-6).all()
    assert_allclose(isolated.atoms.positions, tight.positions)
    tilted = tight.copy()
    tilted.set_cell(
        tight.cell.lengths()[:, None]
        * np.array([[1, 0, 0], [0.5, 0.8, 0], [0.1, 0.2, 0.9]])
    )
    assert_allclose(
        isolated_frame(tilted, "auto").atoms.get_all_distances(),
        tight.get_all_distances(),
    )
    with pytest.raises(ValueError, match="'auto', which gives pw"):
        isolated_frame(tight, "mt")


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("tilt", [0.0, 1.5])
def test_a_slab_is_laid_across_z(axis, tilt):
    """With its distances, and with forces and stresses that turn back."""
    slab = layers(40.0)
    slab.cell[2, 0] += tilt  # an open axis may point anywhere
    order = np.roll([0, 1, 2], axis + 1)  # open axis: a, b or c
    turned = Atoms(
        slab.symbols,
        slab.positions[:, order],
        cell=slab.cell[:][np.ix_(order, order)],
        pbc=slab.pbc[order],
    )
    isolated = isolated_frame(turned, "auto")
    cell = isolated.atoms.cell[:]
    assert tuple(isolated.atoms.pbc) == SLAB
    assert np.abs(np.r_[cell[:2, 2], cell[2, :2]]).max() < 1e-9
    assert_allclose(
        isolated.atoms.get_all_distances(mic=True), turned.get_all_distances(mic=True)
    )
    assert isolated.volume_ratio == pytest.approx(1.0)
    assert_allclose(isolated.rotation @ isolated.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(isolated.rotation) == pytest.approx(1.0)
    assert_allclose(
        isolated.forces_of_frame(isolated.atoms.positions), turned.positions
    )
    if tilt or axis != 2:
        with pytest.raises(ValueError, match="use 'auto'"):
            isolated_frame(turned, "2D")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("esmm", "'esmm': use None or one of auto, 2D, esm, martyna-tuckerman"),
        ("makov-payne", "Use 'martyna-tuckerman'"),
        (2, "assume_isolated is 2"),
        ("esm", "does nothing without user_settings"),
    ],
)
def test_names_are_checked_when_the_maker_is_made(choice, expected):
    with pytest.raises(ValueError, match=expected):
        EspressoStaticMaker(assume_isolated=choice)


@pytest.mark.parametrize("method", ["auto", "2d", "esm"])
@pytest.mark.parametrize(
    ("name", "options", "control"),
    [
        ("correct_dipole", {"correct_dipole": True}, {}),
        ("dipfield in user_settings", {}, {"tefield": True, "dipfield": True}),
    ],
)
def test_a_dipole_is_not_corrected_twice(method, name, options, control):
    settings = {"SYSTEM": {"esm_bc": "bc1"}, "CONTROL": control}
    both = f"{name} is True and assume_isolated is .{method}.*Leave one of them out"
    with pytest.raises(ValueError, match=f"(?i){both}"):
        EspressoStaticMaker(assume_isolated=method, user_settings=settings, **options)


def test_molecules_may_be_isolated_where_slabs_get_a_dipole_correction():
    maker = EspressoStaticMaker(
        assume_isolated="mt", correct_dipole=True, pseudo_family="debian-pbe"
    )
    system = maker.get_input_set(molecule("H2", vacuum=8)).parameters["system"]
    assert system["assume_isolated"] == "martyna-tuckerman"
    assert "edir" not in system


def test_case_and_short_names_mean_the_same():
    assert checked_isolation("2d") == "2D"
    assert checked_isolation("MT") == checked_isolation("Martyna-Tuckerman")
    assert checked_isolation("None") is None
    with pytest.raises(ValueError, match="set the maker's assume_isolated"):
        EspressoStaticMaker(user_settings={"SYSTEM": {"assume_isolated": "2D"}})
    with pytest.raises(ValueError, match="frames with 2 periodic axes, not 0"):
        isolated_frame(molecule("H2O", vacuum=8), "2D")
    esm = isolated_frame(layers(20.0), "esm")
    heights = esm.atoms.positions[:, 2]
    assert heights.max() == pytest.approx(-heights.min())


@pytest.mark.qe
def test_a_slabs_label_does_not_depend_on_its_box(maker, tmp_path):
    """Against pw.x with its own 2D cutoff in a box that is large by hand."""
    big = replace(maker, assume_isolated="2D").label_in(layers(38.0), tmp_path / "big")
    assert big.state == "successful", big.errors
    frames = {"tight": layers(15.0), "open": laid_across_x(layers(15.0))}
    assert "K_POINTS automatic" in (  # the algorithm for Gamma alone would diverge
        maker.get_input_set(frames["tight"]).text
    )
    for name, frame in frames.items():
        document = maker.label_in(frame, tmp_path / name)
        assert document.state == "successful", document.errors
        back = [1, 2, 0] if name == "open" else [0, 1, 2]
        forces = np.array(document.output.forces)[:, back]
        stress = np.array(document.output.stress)[np.ix_(back, back)]
        assert document.output.energy == pytest.approx(big.output.energy, abs=0.005)
        assert_allclose(forces, big.output.forces, atol=0.01)
        per_area = stress[:2, :2] * frame.cell.volume
        expected = np.array(big.output.stress)[:2, :2] * layers(38.0).cell.volume
        assert_allclose(per_area, expected, rtol=0.005, atol=5)
        assert document.structure.lattice.volume == pytest.approx(frame.cell.volume)


@pytest.mark.qe
def test_a_cache_tells_frames_of_the_same_input_apart(maker, tmp_path):
    """The same slab with more vacuum, and with its open axis along x."""
    frames = [layers(15.0), layers(20.0), laid_across_x(layers(15.0))]
    assert len({maker.get_input_set(frame).text for frame in frames}) == 1
    cached = replace(maker, cache=str(tmp_path / "cache"))
    for number, frame in enumerate(frames):
        plain = maker.label_in(frame, tmp_path / f"plain{number}").output
        first = cached.label_in(frame, tmp_path / f"first{number}")
        assert not first.from_cache
        assert first.output.energy == pytest.approx(plain.energy, abs=1e-6)
        assert_allclose(first.output.forces, plain.forces, atol=1e-4)
        assert_allclose(first.output.stress, plain.stress, atol=1e-2)
        again = cached.label_in(frame, tmp_path / f"again{number}")
        assert again.from_cache
        assert again.output == first.output


@pytest.mark.qe
@pytest.mark.slow
def test_a_molecules_label_does_not_depend_on_its_box(maker, tmp_path):
    labels = []
    for vacuum in (1.5, 6.5):
        atoms = Atoms("H2", [[0, 0, 0], [0.1, 0.2, 0.8]])
        atoms.center(vacuum=vacuum)
        labels.append(maker.label_in(atoms, tmp_path / str(vacuum)).output)
    assert labels[0].energy == pytest.approx(labels[1].energy, abs=0.005)
    assert_allclose(labels[0].forces, labels[1].forces, atol=0.02)

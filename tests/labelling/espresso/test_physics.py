"""Removed images, dipoles, DFT+U, dispersion: chosen right, and read by pw.x."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.units import GPa

from flowpot.labelling.espresso import EspressoInputGenerator, EspressoStaticMaker
from flowpot.labelling.espresso.electrostatics import dipole_correction
from flowpot.labelling.espresso.hubbard import hubbard_input
from flowpot.labelling.espresso.keywords import version_numbers
from flowpot.labelling.espresso.preflight import ask_version


def test_the_dipole_turns_in_the_middle_of_the_vacuum():
    slab = fcc111("Cu", (1, 1, 3), vacuum=8)
    slab.pbc = (True, True, False)
    for shift in (0.0, 7.0):
        slab.positions[:, 2] += shift
        system = dipole_correction(slab)["system"]
        assert system["edir"] == 3
        heights = slab.get_scaled_positions()[:, 2]
        turn = system["emaxpos"] + system["eopreg"] / 2
        distance = np.abs(heights - turn)
        distance = np.minimum(distance, 1 - distance)
        assert distance.min() * slab.cell[2, 2] == pytest.approx(8, abs=0.01)
    assert dipole_correction(bulk("Cu")) == {}


def test_hubbard_before_and_since_the_card():
    labels = ["Ni", "Ni1", "O"]
    system, card = hubbard_input({"Ni-3d": 6.0}, labels, "6.7MaX")
    assert card == ""
    assert system["lda_plus_u"] is True
    assert {k: v for k, v in system.items() if k.startswith("hubbard")} == {
        "hubbard_u(1)": 6.0,
        "hubbard_u(2)": 6.0,
    }
    system, card = hubbard_input({"Ni-3d": 6.0}, labels, "7.3.1")
    assert system == {}
    assert card.splitlines() == [
        "HUBBARD (ortho-atomic)",
        "U Ni-3d 6",
        "U Ni1-3d 6",
    ]
    assert hubbard_input({"Fe-3d": 4.0}, labels, "7.3") == ({}, "")


@pytest.mark.parametrize(
    ("hubbard", "message"),
    [
        ({"Ni-4s": 3.0}, "'Ni-4s', and pw.x 6.7MaX has U for Ni-3d alone: write Ni-3d"),
        ({"Ni-3d": 6.0, "Ni-4s": 0.5}, "'Ni-4s'.*or install pw.x 7.1 or later"),
        ({"O-2s": 1.0}, "has U for O-2p alone"),
        ({"Gd-5d": 1.0}, "has U for Gd-4f alone"),
        ({"Si-3p": 1.0}, "has U for no manifold of Si: leave it out"),
    ],
)
def test_hubbard_before_the_card_is_for_one_manifold_of_each_element(hubbard, message):
    """These versions read no manifold: they would apply U to their own."""
    elements = sorted({name.split("-")[0] for name in hubbard})
    with pytest.raises(ValueError, match=message):
        hubbard_input(hubbard, elements, "6.7MaX")
    assert hubbard_input(hubbard, ["Cu"], "6.7MaX") == ({}, "")
    _, card = hubbard_input(hubbard, elements, "7.1")
    assert len(card.splitlines()) == 1 + len(hubbard)


def test_hubbard_of_several_elements_before_the_card():
    own = {"Ni-3d": 6.0, "O-2p": 2.0, "Ce-4f": 4.0, "In-4d": 1.0, "As-4p": 1.5}
    labels = ["O", "Ni", "Ce", "In", "As"]
    system, _ = hubbard_input(own, labels, "7.0")
    numbers = [system[f"hubbard_u({i})"] for i in range(1, 6)]
    assert numbers == [2.0, 6.0, 4.0, 1.0, 1.5]


def test_hubbard_is_checked_early():
    with pytest.raises(ValueError, match="'Ni': write element and manifold"):
        EspressoInputGenerator(hubbard={"Ni": 6.0})
    with pytest.raises(ValueError, match="expected such as"):
        version_numbers("devel")


@pytest.mark.qe
def test_pw_states_its_version(tmp_path):
    assert version_numbers(ask_version(tmp_path)) >= (6, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.qe
def test_dispersion_by_user_settings(pair, cheap, tmp_path):
    """The difference of energies is pw.x's own D2 term, as its output states it."""
    plain = cheap.label_in(pair, tmp_path / "plain").output.energy
    system = {"ecutwfc": 12.0, "vdw_corr": "grimme-d2"}
    maker = replace(cheap, user_settings={"SYSTEM": system}, gzip_files=False)
    energy = maker.label_in(pair, tmp_path / "d2").output.energy
    text = (tmp_path / "d2" / "pw.out").read_text()
    line = next(row for row in text.splitlines() if "Dispersion Correction" in row)
    assert energy - plain == pytest.approx(float(line.split()[-2]) * 13.6057, abs=1e-5)


def pulay_stress(maker, crystal, folder) -> float:
    """Return by how much stresses exceed the slope of the energies (meV/A^3)."""
    volumes, energies, stresses = [], [], []
    for number, factor in enumerate(np.linspace(0.98, 1.02, 5)):
        atoms = crystal.copy()
        atoms.set_cell(atoms.cell * factor ** (1 / 3), scale_atoms=True)
        output = maker.label_in(atoms, folder / str(number)).output
        volumes.append(atoms.get_volume())
        energies.append(output.energy)
        stresses.append(-0.1 * GPa * np.trace(output.stress) / 3)
    offsets = np.array(volumes) - np.mean(volumes)
    slope = np.polyder(np.polyfit(offsets, energies, 3))
    return 1e3 * float(np.mean(stresses - np.polyval(slope, offsets)))


@pytest.mark.qe
@pytest.mark.parametrize(("symbol", "edge"), [("Si", 5.47), ("Ge", 5.76)])
def test_stresses_are_the_slope_of_energies(symbol, edge, tmp_path):
    """With the cutoffs of the family; with fewer plane waves the document says it."""
    maker = EspressoStaticMaker(
        protocol="fast", pseudo_family="debian-pbe", kspacing=0.6
    )
    crystal = bulk(symbol, a=edge)
    assert abs(pulay_stress(maker, crystal, tmp_path / "family")) < 0.5
    few = replace(maker, user_settings={"SYSTEM": {"ecutwfc": 16.0}})
    assert pulay_stress(few, crystal, tmp_path / "few") > 1.0
    said = few.label_in(crystal, tmp_path / "said").warnings
    assert any(line.startswith("ecutwfc is 16 Ry") for line in said)


@pytest.mark.qe
@pytest.mark.slow
def test_hubbard_u_reaches_pw(tmp_path):
    """U on a d shell that is not full raises the energy; moments are kept."""
    maker = EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=0.8,
        magnetic_moments={"Ni": 1.0},
        user_settings={"SYSTEM": {"ecutwfc": 40.0, "ecutrho": 250.0}},
    )
    nickel = bulk("Ni", "fcc", a=3.52)
    plain = maker.label_in(nickel, tmp_path / "plain")
    corrected = replace(maker, hubbard={"Ni-3d": 4.0}).label_in(nickel, tmp_path / "u")
    assert plain.state == corrected.state == "successful"
    assert corrected.output.energy > plain.output.energy + 0.1
    assert plain.output.total_magnetization == pytest.approx(0.6, abs=0.2)
    assert plain.output.magnetic_moments is not None


@pytest.mark.qe
@pytest.mark.slow
def test_isolation_frees_a_dipole_of_its_images(tmp_path):
    """The energy of water depends less on its box."""

    def spread(choice):
        maker = EspressoStaticMaker(
            protocol="fast",
            pseudo_family="debian-pbe",
            assume_isolated=choice,
            user_settings={"SYSTEM": {"ecutwfc": 30.0, "ecutrho": 200.0}},
        )
        energies = []
        for side in (7.0, 9.0):
            water = molecule("H2O", cell=[side] * 3)
            water.center()
            document = maker.label_in(water, tmp_path / f"{choice}_{side}")
            assert document.state == "successful", document.errors
            energies.append(document.output.energy)
        return abs(energies[1] - energies[0])

    assert spread("auto") < 0.5 * spread(None)


@pytest.mark.qe
@pytest.mark.slow
def test_a_polar_slab_with_either_correction(cheap, tmp_path):
    """Silicon with hydrogen on one side: a dipole. pw.x has no stress with one."""
    slab = Atoms(
        "SiH", positions=[[0, 0, 5], [0, 0, 6.5]], cell=[3.5, 3.5, 12], pbc=[1, 1, 0]
    )
    system = {"ecutwfc": 20.0, "ecutrho": 120.0}
    for options in ({"correct_dipole": True}, {"assume_isolated": "auto"}):
        maker = replace(cheap, user_settings={"SYSTEM": system}, **options)
        document = maker.label_in(slab, tmp_path / next(iter(options)))
        assert document.state == "successful", document.errors
        assert (document.output.stress is None) == ("correct_dipole" in options)

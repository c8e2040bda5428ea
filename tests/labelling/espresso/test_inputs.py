import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io.espresso import read_espresso_in

from flowpot.labelling.espresso import EspressoInputGenerator
from flowpot.labelling.espresso.namelists import edit_input, read_parameters
from flowpot.labelling.espresso.pseudos import PseudoFamily, get_family

TEXTS = ("Si, it's hot! / x", 'a "b"', 'it\'s "c"', "a\\b", "1e-8", ".true.", "é")


@pytest.fixture
def generator():
    return EspressoInputGenerator(protocol="balanced", pseudo_family="debian-pbe")


def test_the_protocol_is_in_the_input(generator, silicon, tmp_path):
    inputs = generator.get_input_set(silicon)
    inputs.write(tmp_path)
    parameters = read_parameters(tmp_path)
    system, electrons = parameters["system"], parameters["electrons"]
    assert (system["degauss"], system["smearing"]) == (0.02, "cold")
    assert (system["ecutwfc"], system["ecutrho"]) == (24, 96)
    assert electrons["conv_thr"] == pytest.approx(8 * 2e-10)
    assert parameters["control"]["tprnfor"] is True
    assert parameters["control"]["tstress"] is True
    assert set(parameters) == {"control", "system", "electrons"}
    assert inputs.mesh == (8, 8, 8)


def test_the_threshold_scales_with_the_atoms(generator):
    """Not with the species, as in the reference implementation (its bug B9)."""
    for n in (1, 2, 3):
        atoms = bulk("Si") * (n, 1, 1)
        electrons = generator.get_input_set(atoms).parameters["electrons"]
        assert electrons["conv_thr"] == pytest.approx(2 * n * 2e-10)


def test_the_frame_is_in_the_input(generator, pair, tmp_path):
    path = generator.get_input_set(pair).write(tmp_path)
    with path.open() as file:
        read = read_espresso_in(file)
    np.testing.assert_allclose(read.positions, pair.positions, atol=1e-9)
    np.testing.assert_allclose(read.cell, pair.cell, atol=1e-12)
    assert (read.numbers == pair.numbers).all()


def test_user_settings_win_whatever_their_case(silicon):
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe",
        user_settings={
            "system": {"ECUTWFC": 30, "nbnd": 40},
            "ELECTRONS": {"mixing_beta": 0.1},
            "IONS": {"ion_dynamics": "none"},
        },
    )
    parameters = generator.get_input_set(silicon).parameters
    assert parameters["system"]["ecutwfc"] == 30
    assert parameters["system"]["ecutrho"] == 120  # the family's ratio is kept
    assert parameters["system"]["nbnd"] == 40
    assert parameters["electrons"]["mixing_beta"] == 0.1
    assert parameters["ions"] == {"ion_dynamics": "none"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ecutwfc": 30}, "give namelists"),
        ({"SISTEM": {"ecutwfc": 30}}, r"user_settings\['SISTEM'\]"),
        ({"SYSTEM": {"starting_magnetization(1)": 1}}, "magnetic_moments"),
    ],
)
def test_settings_that_would_get_lost_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EspressoInputGenerator(user_settings=settings)


def test_one_k_point_gets_the_gamma_algorithm(generator):
    box = molecule("H2O", vacuum=4)
    assert "K_POINTS gamma" in generator.get_input_set(box).text
    wide = EspressoInputGenerator(pseudo_family="debian-pbe", kspacing=10)
    assert "K_POINTS gamma" in wide.get_input_set(bulk("Si")).text


def test_a_frame_without_periodic_axes_asks_for_no_stress(generator):
    box = molecule("H2O", vacuum=4)
    assert generator.get_input_set(box).parameters["control"]["tstress"] is False


def test_isolated_atoms_are_treated_as_all_frames(generator, pair):
    atom = Atoms("O", cell=[10] * 3, pbc=False)
    inputs = generator.get_input_set(atom)
    system = inputs.parameters["system"]
    assert not {"nspin", "tot_magnetization"} & set(system)
    assert inputs.mesh == (1, 1, 1)
    crystal = generator.get_input_set(pair).parameters["system"]
    assert system["degauss"] == crystal["degauss"]


@pytest.mark.parametrize("copies", [1, 2])
def test_polarised_are_all_that_may_be_magnetic(copies):
    generator = EspressoInputGenerator(pseudo_family="debian-pbe", spin="polarised")
    frame = Atoms("O" * copies, [[0, 0, 5.0 * i] for i in range(copies)])
    frame.set_cell([10, 10, 20])
    inputs = generator.get_input_set(frame)
    assert inputs.parameters["system"]["nspin"] == 2
    # starting_magnetization counts per valence electron: 2 of oxygen's 6
    assert "starting_magnetization(1) = 0.333" in inputs.text
    # What is held in the atom would have to be held in the dimer.
    assert "tot_magnetization" not in inputs.text


def test_nothing_is_said_of_a_closed_shell():
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe", magnetic_moments={"O": 0.0}, spin="polarised"
    )
    atom = Atoms("O", cell=[10] * 3, pbc=False)
    assert "nspin" not in generator.get_input_set(atom).parameters["system"]
    with pytest.raises(ValueError, match="spin is 'free': use one of given, polarised"):
        EspressoInputGenerator(spin="free")


def test_moments_of_the_frame_come_before_those_of_the_elements(pair):
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe", magnetic_moments={"Si": 0.4}
    )
    assert "starting_magnetization(1) = 0.1\n" in generator.get_input_set(pair).text
    pair.set_initial_magnetic_moments([1.0, -1.0])
    text = generator.get_input_set(pair).text
    assert "starting_magnetization(1) = 0.25\n" in text
    assert "starting_magnetization(2) = -0.25\n" in text
    assert "tot_magnetization" not in text


def test_the_user_may_forgo_spin(pair):
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe", user_settings={"SYSTEM": {"nspin": 1}}
    )
    pair.set_initial_magnetic_moments([1.0, -1.0])
    assert "starting_magnetization" not in generator.get_input_set(pair).text
    pair.info["spin"] = 3
    with pytest.raises(ValueError, match="nspin=1, and the frame has spin=3"):
        generator.get_input_set(pair)


def test_impossible_moments_are_refused(pair):
    pair.set_initial_magnetic_moments([5.0, 0.0])
    generator = EspressoInputGenerator(pseudo_family="debian-pbe")
    with pytest.raises(ValueError, match="more than its 4 valence electrons"):
        generator.get_input_set(pair)
    with pytest.raises(ValueError, match="names iron: use chemical symbols"):
        EspressoInputGenerator(magnetic_moments={"iron": 2})


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_read_back_as_they_were(text, pair, tmp_path):
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe", user_settings={"CONTROL": {"title": text}}
    )
    inputs = generator.get_input_set(pair)
    path = inputs.write(tmp_path)
    doubled = text.replace("'", "''")
    assert f" = '{doubled}'\n" in path.read_text()
    assert read_parameters(tmp_path)["control"] == inputs.parameters["control"]
    before = path.read_text()
    edit_input(tmp_path, {"electrons": {"mixing_beta": 0.4}})
    edit_input(tmp_path, {"electrons": {"startingpot": None}})
    edited = re.sub(r"nat .*|ntyp .*|ibrav .*|\s", "", path.read_text())
    assert edited == re.sub(r"nat .*|ntyp .*|ibrav .*|\s", "", before)


@pytest.mark.qe
def test_apostrophes_do_not_end_a_label(cheap, pair, tmp_path):
    """Neither in a text nor in a path; remedies rewrite the input."""
    source = get_family("debian-pbe")
    folder = tmp_path / "o'brien"
    folder.mkdir()
    entry = source.entries(["Si"])["Si"]
    shutil.copy(source.locate(["Si"]) / entry["filename"], folder)
    control = {"title": "Si, it's hot! / x"}
    maker = replace(
        cheap,
        pseudo_family=PseudoFamily("own", str(folder), {"Si": entry}),
        user_settings={
            "CONTROL": control,
            "SYSTEM": {"ecutwfc": 12.0},
            "ELECTRONS": {"electron_maxstep": 3},
        },
    )
    document = maker.label_in(pair, tmp_path / "label")
    assert document.state == "successful", document.errors
    assert document.corrections
    written = document.input.parameters["control"]
    assert written["title"] == control["title"]
    assert written["pseudo_dir"] == str(folder)


def test_numbers_of_numpy_are_written_as_numbers(generator, pair):
    pair.info["charge"] = np.int64(1)
    assert "tot_charge       = 1\n" in generator.get_input_set(pair).text


def test_a_line_that_is_no_key_is_named(generator, pair, tmp_path):
    path = generator.get_input_set(pair).write(tmp_path)
    path.write_text(path.read_text().replace("'cold'", "'cold"))
    with pytest.raises(ValueError, match=r"pw\.in has .*'cold.*: expected a key"):
        read_parameters(tmp_path)


def test_an_edited_input_keeps_the_rest(generator, pair, tmp_path):
    pair.set_initial_magnetic_moments([1.0, -1.0])
    inputs = generator.get_input_set(pair)
    path = inputs.write(tmp_path)
    before = read_parameters(tmp_path)
    cards = path.read_text().split("ATOMIC_SPECIES")[1].split()
    edit_input(tmp_path, {"electrons": {"mixing_beta": 0.32, "startingpot": "file"}})
    after = read_parameters(tmp_path)
    assert after["electrons"].pop("startingpot") == "file"
    assert after["electrons"].pop("mixing_beta") == 0.32
    before["electrons"].pop("mixing_beta")
    assert after == before
    assert path.read_text().split("ATOMIC_SPECIES")[1].split() == cards

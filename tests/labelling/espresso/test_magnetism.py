"""Moments, charge and multiplicity, from a frame to pw.x, against pw.x by hand."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io.espresso import read_espresso_out, write_espresso_in
from atomate2.vasp.jobs.core import StaticMaker
from atomate2.vasp.sets.core import StaticSetGenerator
from jobflow import run_locally
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset import Dataset
from flowpot.labelling import EspressoStaticMaker, LabellingMaker
from flowpot.labelling.espresso.cache import calculation_key
from flowpot.labelling.espresso.inputs import EspressoInputGenerator
from flowpot.labelling.frames import state_problem, to_structure

VALENCE = {"Fe": 16, "H": 1, "O": 6}


@pytest.fixture
def iron():
    """Body-centred iron, antiferromagnetic if nothing is changed."""
    atoms = bulk("Fe", a=2.87, cubic=True)
    atoms.set_initial_magnetic_moments([2.2, -2.2])
    return atoms


@pytest.fixture
def maker():
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=1.2,
        user_settings={"SYSTEM": {"ecutwfc": 22.0, "ecutrho": 160.0}},
    )


@pytest.fixture
def ions(maker):
    """For ions of hydrogen and oxygen in a small box."""
    return replace(maker, user_settings={"SYSTEM": {"ecutwfc": 16.0}})


def by_hand(maker, atoms, folder, **system):
    """Run pw.x on an input that ASE writes, moments and all."""
    made = maker.get_input_set(atoms)
    chosen = ("ecutwfc", "ecutrho", "occupations", "smearing", "degauss", "nbnd")
    data = {
        "control": {"pseudo_dir": str(made.pseudo_dir), "outdir": "./"},
        "system": {name: made.parameters["system"][name] for name in chosen} | system,
        "electrons": made.parameters["electrons"],
    }
    frame = atoms.copy()
    electrons = np.array([VALENCE[symbol] for symbol in frame.get_chemical_symbols()])
    if frame.has("initial_magmoms"):
        moments = frame.get_initial_magnetic_moments() / electrons
        frame.set_initial_magnetic_moments(moments)
    folder.mkdir()
    names = {element: entry["filename"] for element, entry in made.pseudos.items()}
    with (folder / "pw.in").open("w") as file:
        write_espresso_in(file, frame, data, names, kpts=made.mesh)
    done = subprocess.run(
        ["/usr/bin/pw.x", "-in", "pw.in"], cwd=folder, capture_output=True, check=True
    )
    (folder / "pw.out").write_bytes(done.stdout)
    with (folder / "pw.out").open() as file:
        return next(read_espresso_out(file)).get_potential_energy()


def by_labelling(maker, frames, jobstore):
    """Label frames by the whole stage, from ASE to the shard."""
    flow = LabellingMaker(static_maker=maker).make(Dataset.from_atoms(frames))
    outputs = run_locally(flow, store=jobstore, ensure_success=True)
    documents = [
        response.output
        for replies in outputs.values()
        for response in replies.values()
        if hasattr(response.output, "n_labelled")
    ]
    return Dataset.load(documents[-1])


def test_iron_three_ways(iron, maker, jobstore, tmp_path, clean_dir):
    """One energy through the dataset, the structure and pw.x; three magnetic states."""
    ferro, none = iron.copy(), iron.copy()
    ferro.set_initial_magnetic_moments([2.2, 2.2])
    none.set_initial_magnetic_moments([0, 0])
    shard = by_labelling(maker, [iron, ferro, none], jobstore)
    assert len(shard) == 3
    energies = {
        tuple(atoms.get_initial_magnetic_moments()): atoms.get_potential_energy()
        for atoms in shard
    }
    structure = AseAtomsAdaptor.get_structure(iron)
    direct = maker.label_in(structure, tmp_path / "direct")
    assert direct.input.parameters["system"]["nspin"] == 2
    assert abs(direct.output.energy - energies[2.2, -2.2]) < 1e-4
    hand = by_hand(maker, iron, tmp_path / "hand", nspin=2)
    assert abs(hand - energies[2.2, -2.2]) < 1e-3
    assert np.ptp(list(energies.values())) > 0.1
    assert abs(energies[2.2, 2.2] - energies[2.2, -2.2]) > 0.05
    assert abs(energies[0, 0] - energies[2.2, -2.2]) > 0.05


@pytest.mark.parametrize(
    ("symbols", "charge"), [("H2", 1), pytest.param("OH", -1, marks=pytest.mark.slow)]
)
def test_ions(symbols, charge, ions, jobstore, tmp_path, clean_dir):
    neutral = Atoms(symbols, [[0, 0, 0], [0, 0, 1.0]], cell=[6] * 3)
    ion = neutral.copy()
    ion.info["charge"] = charge
    shard = by_labelling(ions, [neutral, ion], jobstore)
    energies = dict(zip(np.nan_to_num(shard.charge), shard.energy, strict=True))
    hand = by_hand(ions, ion, tmp_path / "hand", tot_charge=charge)
    assert abs(hand - energies[charge]) < 1e-3
    assert abs(energies[0] - energies[charge]) > 1


def test_a_triplet(ions, tmp_path):
    oxygen = Atoms("O2", [[0, 0, 0], [0, 0, 1.2]], cell=[6] * 3)
    oxygen.info["spin"] = 3
    inputs = ions.get_input_set(oxygen)
    system = inputs.parameters["system"]
    assert (system["nspin"], system["tot_magnetization"]) == (2, 2)
    assert "starting_magnetization(1) = 0.1666" in inputs.text


@pytest.mark.slow
@pytest.mark.parametrize("spin", ["given", "polarised"])
@pytest.mark.parametrize("element", ["C", "O", "H"])
def test_far_atoms_have_the_energy_of_two(element, spin, maker, tmp_path):
    settings = {"SYSTEM": {"ecutwfc": 25.0}}
    maker = replace(maker, spin=spin, user_settings=settings)
    far = Atoms(element * 2, [[0, 0, 0], [0, 0, 5.0]], cell=[7, 7, 12])
    atom = Atoms(element, cell=[7, 7, 12])
    pair, one = (
        maker.label_in(frame, tmp_path / name)
        for frame, name in ((far, "far"), (atom, "atom"))
    )
    assert abs(pair.output.energy - 2 * one.output.energy) < 0.05


def test_what_contradicts_is_refused():
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe", user_settings={"system": {"tot_charge": 1}}
    )
    frame = Atoms("OH", [[0, 0, 0], [0, 0, 1.0]], cell=[6] * 3)
    frame.info["charge"] = -1
    with pytest.raises(ValueError, match="tot_charge=1, and the frame's charge"):
        generator.get_input_set(frame)
    frame.info["spin"] = 2
    generator = EspressoInputGenerator(pseudo_family="debian-pbe")
    with pytest.raises(ValueError, match="8 valence electrons and cannot have spin 2"):
        generator.get_input_set(frame)


def test_makers_that_do_not_read_a_charge_get_none(emt):
    ion = bulk("Cu")
    ion.info["charge"] = 1
    triplet = bulk("Cu", a=3.7)
    triplet.info["spin"] = 3
    plain = bulk("Cu", a=3.5)
    stage = LabellingMaker(static_maker=emt)
    problems = [stage.problem_of(atoms) for atoms in (ion, triplet, plain)]
    assert "charge is 1, which ForceFieldStaticMaker" in problems[0].reason
    assert "spin (multiplicity) is 3" in problems[1].reason
    assert problems[2] is None
    vasp = StaticMaker(
        input_set_generator=StaticSetGenerator(use_structure_charge=True)
    )
    assert state_problem(ion, vasp) is None
    assert to_structure(ion, periodic=True).charge == 1


def test_states_have_labels_of_their_own(iron):
    generator = EspressoInputGenerator(pseudo_family="debian-pbe")
    frames = [iron, iron.copy(), iron.copy(), iron.copy()]
    frames[1].set_initial_magnetic_moments([2.2, 2.2])
    frames[2].set_initial_magnetic_moments(None)
    frames[3].info["charge"] = 1
    inputs = [generator.get_input_set(frame) for frame in frames]
    assert len({calculation_key(one, {"Fe": "0"}) for one in inputs}) == 4


def test_too_many_kinds_are_refused():
    atoms = bulk("Cu", cubic=True) * (1, 1, 3)
    atoms.symbols = "CrFeNiCu" * 3
    signs = np.repeat([1.0, -1.0, 0.0], 4)
    generator = EspressoInputGenerator(pseudo_family="debian-pbe")
    atoms.set_initial_magnetic_moments(signs * np.linspace(0.5, 1.5, 12))
    with pytest.raises(ValueError, match=r"4 elements .* 12 kinds of atoms.* 10: give"):
        generator.get_input_set(atoms)
    atoms.set_initial_magnetic_moments(np.abs(signs) * np.linspace(0.5, 1.5, 12))
    assert "ntyp             = 8" in generator.get_input_set(atoms).text


@pytest.mark.parametrize(
    "system", [{"noncolin": True}, {"nspin": 4}, {"noncolin": True, "nspin": 1}]
)
def test_moments_of_a_non_collinear_calculation(system, iron):
    generator = EspressoInputGenerator(
        pseudo_family="debian-pbe",
        user_settings={"SYSTEM": {**system, "angle1(Fe)": 90.0}},
    )
    inputs = generator.get_input_set(iron)
    assert inputs.parameters["system"]["noncolin"] is True
    assert "nspin            = 2" not in inputs.text
    for line in ("starting_magnetization(2) = -0.1375", "angle1(2)        = 90.0"):
        assert line in inputs.text
    iron.info["spin"] = 1
    with pytest.raises(ValueError, match="sets noncolin, and the frame has spin=1"):
        generator.get_input_set(iron)


@pytest.mark.qe
def test_pw_rotates_spins(pair, cheap, tmp_path):
    """Of spins along one axis, and of free ones along z and x, the energy is one."""
    pair.set_cell([5, 5, 6])
    pair.set_initial_magnetic_moments([1, 1])
    totals = {}
    for name, system in {
        "collinear": {},
        "z": {"noncolin": True},
        "x": {"nspin": 4, "angle1(Si)": 90.0},
    }.items():
        settings = {"SYSTEM": {"ecutwfc": 12.0, **system}}
        maker = replace(cheap, user_settings=settings)
        document = maker.label_in(pair, tmp_path / name)
        assert document.state == "successful", document.errors
        totals[name] = document.output
    energies = [output.energy for output in totals.values()]
    assert np.ptp(energies) < 2e-3
    for output in totals.values():
        assert abs(output.absolute_magnetization) > 1


def test_many_moments_are_few_kinds():
    """pw.x knows ten kinds of atoms."""
    atoms = bulk("Fe", cubic=True) * (2, 2, 2)
    signs = np.tile([1, -1], 8)
    atoms.set_initial_magnetic_moments(signs * np.linspace(2.0, 2.3, 16))
    generator = EspressoInputGenerator(pseudo_family="debian-pbe")
    inputs = generator.get_input_set(atoms)
    assert "ntyp             = 2" in inputs.text
    # 2.14 and -2.16 Bohr magnetons, of 16 electrons.
    assert "starting_magnetization(1) = 0.13" in inputs.text
    assert "starting_magnetization(2) = -0.13" in inputs.text

"""Engines: builds with a pair style by their documentation, and a real program."""

# ruff: noqa: ARG002 - the interface has arguments that this engine does not need

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from flowpot.dataset import Artifact
from flowpot.dataset.arrays import Arrays
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.binary import convert, run_binary, write_input
from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.potential import (
    MLIAP,
    PAIR_STYLES,
    LibTorchMACE,
    Metatomic,
    Symmetrix,
)
from flowpot.exploration.lammps.run import Run, write_run
from flowpot.exploration.lammps.script import LOG_FILE, Output
from flowpot.exploration.lammps.trajectory import md_frames, read_frames, read_thermo
from flowpot.exploration.members import stage_member
from flowpot.exploration.sanity import SanityLimits
from flowpot.potentials.extensions import pack_extensions
from flowpot.potentials.mace import MACEPotential
from flowpot.training import PotentialDoc
from lennard_jones import LennardJones

WATER = [1, 8]
KOKKOS = ["-k", "on", "g", "1", "-sf", "kk"]
HALF = ["-pk", "kokkos", "newton", "on", "neigh", "half"]
LMP = str(Path(sys.executable).parent / "lmp")


def test_mliap():
    """By MACE's guide "MACE in LAMMPS with ML-IAP" and LAMMPS's pair_mliap page."""
    engine = MLIAP()
    assert engine.commands("m.model", WATER) == [
        "pair_style mliap unified m.model-mliap_lammps.pt 0",
        "pair_coeff * * H O",
    ]
    assert engine.options == KOKKOS + HALF
    assert engine.conversion("m.model", WATER) == [
        *("python", "-m", "mace.cli.create_lammps_model", "m.model", "--format=mliap")
    ]
    with pytest.raises(ValueError, match="'mliap': use 'cuda'"):
        MLIAP("cpu")


def test_mace():
    """By MACE's guide "MACE in LAMMPS"."""
    engine = LibTorchMACE()
    assert engine.commands("m.model", WATER) == [
        "pair_style mace no_domain_decomposition",
        "pair_coeff * * m.model-lammps.pt H O",
    ]
    assert engine.options == KOKKOS
    assert LibTorchMACE(device="cpu").options == []


def test_symmetrix():
    """By the READMEs of pair_symmetrix and symmetrix, and the latter's options."""
    engine = Symmetrix()
    assert engine.conversion("my-mace.model", WATER) == [
        *("symmetrix_extract_mace", "--model", "my-mace.model"),
        *("--atomic-numbers", "1", "8", "--output", "my-mace-1-8.json"),
    ]
    assert engine.options == KOKKOS + HALF
    assert Symmetrix("cpu").options == []
    assert engine.commands("my-mace.model", WATER) == [
        "pair_style symmetrix/mace",
        "pair_coeff * * my-mace-1-8.json H O",
    ]


def test_metatomic():
    """By the documentation of metatomic's LAMMPS interface."""
    engine = Metatomic(device="cpu")
    assert engine.conversion("m.pt", WATER) == []
    assert engine.commands("m.pt", WATER) == [
        "pair_style metatomic m.pt device cpu",
        "pair_coeff * * 1 8",
    ]
    assert engine.options == Metatomic("cuda").options == []


def test_extensions_of_a_metatomic_model(tmp_path):
    """They lie beside it where metatrain trained it, and where a job staged it."""
    (tmp_path / "trained/extensions/lib").mkdir(parents=True)
    (tmp_path / "trained/extensions/lib/libfeatomic_torch.so").write_bytes(b"code")
    (tmp_path / "trained/model.pt").write_bytes(b"weights")
    document = PotentialDoc(
        backend="metatomic",
        model=Artifact.from_file(tmp_path / "trained/model.pt"),
        extensions=pack_extensions(tmp_path / "trained/model.pt"),
    )
    for member in (document, document.model_dump()):
        staged = Path(stage_member(member, tmp_path / "models")["model"])
        folder = staged.parent / "extensions"
        assert (folder / "lib/libfeatomic_torch.so").read_bytes() == b"code"
        assert Metatomic("cpu").commands(str(staged), WATER) == [
            f"pair_style metatomic {staged} extensions {folder} device cpu",
            "pair_coeff * * 1 8",
        ]


@pytest.mark.parametrize("engine", PAIR_STYLES)
def test_input(engine, tmp_path):
    """What every guide asks for, before the box is read; then the pair style."""
    water = molecule("H2O", cell=[9, 9, 9], pbc=True)
    pair = PAIR_STYLES[engine]("cuda")
    write_run(tmp_path, Run(Conditions("nvt"), Output(10), [{"model": "m"}]), water)
    write_input(tmp_path, pair.commands("m", WATER))
    lines = (tmp_path / "in.lammps").read_text().splitlines()
    box = lines.index("read_data start.data")
    assert set(lines[:box]) == {
        "log log.lammps append",
        "newton on",
        "units metal",
        "atom_style atomic",
        "atom_modify map yes",
        "boundary p p p",
        "box tilt large",
    }
    assert lines[box + 1 : box + 3] == pair.commands("m", WATER)
    masses = (tmp_path / "start.data").read_text().split("Masses")[1].split("\n")[2:4]
    assert masses == ["1 1.008 # H", "2 15.999 # O"]


@pytest.mark.slow
def test_conversion_to_torchscript(random_mace, tmp_path):
    """MACE's own converter, which asks for the head; forces are those of the model."""
    torch.set_num_threads(1)
    plain = random_mace(
        1,
        ("Si", "Ge"),
        "float64",
        heads=["pt_head", "Default"],
        atomic_energies=np.array([[-1.0, -2.0], [-3.0, -5.0]]),
        atomic_inter_scale=[1.0, 0.7],
        atomic_inter_shift=[0.0, 0.1],
    )
    model = tmp_path / "member.model"
    torch.save(plain, model)
    engine = LibTorchMACE("cpu")
    convert(engine, str(model), [14, 32], tmp_path / "conversion.out")
    converted = torch.jit.load(engine.converted(str(model), [14, 32]))
    atoms = bulk("SiGe", "zincblende", a=5.5, cubic=True)
    atoms.rattle(0.1, seed=1)
    potential = MACEPotential(plain, "cpu")
    graph = potential.build_graph(Arrays.of_atoms(atoms))
    found = converted(potential._tensors(graph), torch.ones(len(atoms)), True)
    energy, forces, stress = potential.evaluate_atoms(atoms)
    assert found["total_energy_local"].item() == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(found["forces"].numpy(), forces, atol=1e-9)
    virial = -found["virials"].numpy().reshape(3, 3)
    np.testing.assert_allclose(virial / atoms.get_volume(), stress, atol=1e-9)


def test_dispersion_lies_over_a_pair_style():
    first, second, *others = MLIAP().commands("m.model", [6], "d2")
    assert first == (
        "pair_style hybrid/overlay mliap unified m.model-mliap_lammps.pt 0 "
        "momb 20.0 0.75 20.0"
    )
    assert second == "pair_coeff * * mliap C"
    # The carbon of Grimme's table: C6 = 18.137929 eV A^6, R0 = 2 x 1.452062 A.
    assert others[0] == "pair_coeff 1 1 momb 0.0 1.0 1.0 18.137929 2.904124"


@pytest.fixture
def argon():
    atoms = bulk("Ar", a=5.30, cubic=True) * (2, 1, 1)
    atoms.set_cell(atoms.cell.array @ [[1, 0.1, 0], [0, 1, 0], [0.05, 0, 1]])
    atoms.rattle(0.05, seed=2)
    return atoms


def native(folder, atoms, conditions, output=None):
    """Run LAMMPS's own program with its own pair style."""
    plan = Run(conditions, output or Output(20), [{"model": "argon"}])
    write_run(folder, plan, atoms)
    outcome = run_binary(folder, LennardJones("cpu"), LMP)
    return outcome, read_frames([folder / "frames.dump"], atoms, LammpsCell.of(atoms))


@pytest.mark.parametrize(("ensemble", "barostat"), [("npt", "tri"), ("nvt", "aniso")])
def test_a_callback_moves_atoms_as_a_pair_style_does(
    ensemble, barostat, argon, simulate, tmp_path
):
    """Forces, energy and virial through fix external, all the way to the barostat."""
    conditions = Conditions(ensemble, 60, 0.5, n_steps=100, barostat=barostat)
    outcome, reference = native(tmp_path / "native", argon, conditions)
    assert (outcome.n_steps, outcome.error, outcome.halted) == (100, None, None)
    member = {
        "calculator": "ase.calculators.lj.LennardJones",
        "kwargs": {"epsilon": 0.0104, "sigma": 3.40, "rc": 7.0},
    }
    folder, _, frames = simulate(argon, conditions, Output(20), members=[member])
    assert list(reference) == [0, 20, 40, 60, 80, 100]
    for atoms in frames:
        twin = reference[atoms.info["md_step"]]
        np.testing.assert_allclose(atoms.cell.array, twin.cell.array, atol=1e-6)
        np.testing.assert_allclose(atoms.positions, twin.positions, atol=1e-6)
    logs = [read_thermo(f / LOG_FILE) for f in (folder, tmp_path / "native")]
    for column, values in logs[0].items():
        scale = np.abs(values).max() or 1.0
        np.testing.assert_allclose(
            values / scale, logs[1][column] / scale, atol=1e-5, err_msg=column
        )


def test_a_program_that_was_killed_goes_on(argon, tmp_path):
    """As after a kill: a restart file, and more in the dump than it knows."""
    conditions = Conditions("npt", 60, 0.5, n_steps=100)
    output = Output(20, restart_interval=30)
    _, whole = native(tmp_path / "whole", argon, conditions, output)
    folder = tmp_path / "cut"
    native(folder, argon, conditions, output)
    for name in ("restart.final", "restart.a"):  # that of step 90
        (folder / name).unlink()
    dump = folder / "frames.dump"
    dump.write_text(dump.read_text()[:-100])
    outcome, found = native(folder, argon, conditions, output)
    assert "read_restart restart.b" in (folder / "in.lammps").read_text()
    assert (outcome.n_steps, outcome.error) == (100, None)
    assert list(found) == list(whole) == [0, 20, 40, 60, 80, 100]
    for step, atoms in found.items():
        np.testing.assert_allclose(atoms.positions, whole[step].positions, atol=1e-7)


def test_a_program_that_is_not_there_is_recorded(argon, tmp_path):
    plan = Run(Conditions(n_steps=10), Output(5), [{"model": "argon"}])
    write_run(tmp_path, plan, argon)
    outcome = run_binary(tmp_path, LennardJones("cpu"), "no-such-lammps")
    assert "no-such-lammps" in outcome.error


def test_a_program_without_the_pair_style_is_recorded(argon, tmp_path):
    plan = Run(Conditions(n_steps=10), Output(5), [{"model": "argon.pt"}])
    write_run(tmp_path, plan, argon)
    outcome = run_binary(tmp_path, Metatomic("cpu"), LMP)
    assert "ERROR" in outcome.error
    assert "metatomic" in outcome.error


def test_a_program_is_held_to_the_limits_by_what_it_wrote(argon, tmp_path):
    """It knows of none itself; the frames before the breach are candidates."""
    plan = Run(
        Conditions("langevin", (20, 2000), n_steps=400),
        Output(20),
        [{"model": "argon"}],
        limits=SanityLimits(temperature=600),
    )
    write_run(tmp_path, plan, argon)
    outcome = run_binary(tmp_path, LennardJones("cpu"), LMP)
    thermo = read_thermo(tmp_path / LOG_FILE)
    hot = thermo["step"][thermo["temperature (K)"] >= 600]
    assert (outcome.halted, outcome.n_steps) == ("temperature", hot[0])
    frames = md_frames(tmp_path, plan, argon, outcome, "parent")
    assert max(frames.info["md_step"]) < hot[0]
    assert frames.info["candidate"][-3:].all()


def test_a_program_out_of_time_goes_on(argon, tmp_path):
    """As far as its time allows, and then from there to the end."""
    too_many = 10**9  # on any machine
    plan = Run(Conditions("npt", 60, n_steps=too_many), Output(5_000), [{"model": "m"}])
    write_run(tmp_path, plan, argon)
    outcome = run_binary(tmp_path, LennardJones("cpu"), LMP, timeout=1.0)
    assert outcome.out_of_time
    assert 0 < outcome.n_steps < too_many
    end = (outcome.n_steps // 5_000 + 5) * 5_000
    written = json.loads((tmp_path / "run.json").read_text())
    written["conditions"]["n_steps"] = end
    (tmp_path / "run.json").write_text(json.dumps(written))
    outcome = run_binary(tmp_path, LennardJones("cpu"), LMP)
    assert (outcome.n_steps, outcome.out_of_time) == (end, False)
    found = read_frames([tmp_path / "frames.dump"], argon, LammpsCell.of(argon))
    assert set(range(5_000, end + 1, 5_000)) <= set(found)


def test_a_conversion_that_failed_has_its_output_where_the_error_says(argon, tmp_path):
    class Refusing(LennardJones):
        def conversion(self, model, species):
            return [sys.executable, "-c", "import sys; sys.exit('not this model')"]

        def converted(self, model, species):
            return f"{model}-converted"

    folder, models = tmp_path / "run", tmp_path / "models"
    models.mkdir()
    plan = Run(Conditions(n_steps=10), Output(5), [{"model": str(models / "argon")}])
    write_run(folder, plan, argon)
    outcome = run_binary(folder, Refusing("cpu"), LMP)
    assert str(folder) in outcome.error
    assert "not this model" in (folder / "conversion.out").read_text()

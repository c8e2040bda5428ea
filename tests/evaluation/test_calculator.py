"""A committee in ASE: its error bars, its file, and the same numbers from LAMMPS."""

import shutil
import zipfile

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.io import read
from ase.io.trajectory import Trajectory
from ase.md.langevin import Langevin

from flowpot.dataset import Artifact, Dataset
from flowpot.evaluation import (
    Calibration,
    CommitteeCalculator,
    disagreement,
    evaluate_committee,
)
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.driver import main
from flowpot.exploration.lammps.run import WATCH_FILE, Run, read_outcome, write_run
from flowpot.exploration.lammps.script import Output
from flowpot.exploration.lammps.trajectory import md_frames, read_disagreement
from flowpot.exploration.members import stage_member
from flowpot.potentials.extensions import extensions_beside, write_models
from flowpot.properties.given import for_calculation

SLOPES = {"energy": 0.5, "forces": 2.0, "stress": 1.5}
TOLERANCE = {"energy": 1e-3, "forces": 0.1, "stress": 1e-3}


@pytest.fixture(scope="module")
def calibration():
    return {
        name: Calibration(
            slope=slope,
            slope_interval=(slope, slope),
            r2=1,
            rank_correlation=1,
            tolerance=TOLERANCE[name],
            threshold=slope * TOLERANCE[name],
            n=50,
            effective_n=50,
            trusted=True,
        )
        for name, slope in SLOPES.items()
    }


@pytest.fixture(scope="module")
def models(random_mace, tmp_path_factory):
    """Two members in files."""
    torch.set_num_threads(1)
    paths = [tmp_path_factory.mktemp("models") / f"{seed}.model" for seed in (1, 2)]
    for seed, path in enumerate(paths):
        torch.save(random_mace(seed, dtype="float64"), path)
    return paths


@pytest.fixture(scope="module")
def calculator(models, calibration):
    return CommitteeCalculator(models, calibration, device="cpu")


@pytest.fixture
def silicon():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=4)
    return atoms


def test_the_errors_are_the_disagreement_over_the_slope(calculator, silicon):
    silicon.calc = calculator
    frame = Dataset.from_atoms([silicon], labels=False)
    prediction = evaluate_committee(calculator.members, frame)
    spread = disagreement(prediction, frame)
    assert silicon.get_potential_energy() == pytest.approx(prediction.energy.mean())
    assert silicon.get_forces() == pytest.approx(prediction.forces.mean(axis=0))
    results = silicon.calc.results
    for name in ("energy", "stress"):
        expected = spread[name][0] / SLOPES[name]
        assert results[f"{name}_error"] == pytest.approx(expected)
    # The atoms' errors make up the frame's.
    assert len(results["forces_error"]) == len(silicon)
    of_frame = np.sqrt((results["forces_error"] ** 2).mean())
    assert of_frame == pytest.approx(spread["forces"][0] / SLOPES["forces"])
    error = silicon.calc.get_property("forces_error", silicon)
    assert error.tolist() == results["forces_error"].tolist()


def test_metadata_that_potentials_do_not_read_are_no_hindrance(calculator, silicon):
    silicon.calc = calculator
    energy = silicon.get_potential_energy()
    other = silicon.copy()
    other.info = {"my key": 1, 3: object(), "spin": "up", "charge": "+1", ".": 0}
    other.info["dft_energy"] = "low"
    other.set_initial_magnetic_moments(np.eye(8)[:, :3])
    other.calc = calculator
    assert other.get_potential_energy() == energy


def test_an_error_bar_of_any_chance(models, calibration, silicon):
    calculator = CommitteeCalculator(models, calibration, device="cpu")
    with pytest.raises(ValueError, match="nothing was evaluated"):
        calculator.error_bar("energy", 0.9)
    silicon.calc = calculator
    silicon.get_potential_energy()
    for name in ("energy", "forces"):
        expected = calculator.results[f"{name}_error_95"]
        assert np.array_equal(calculator.error_bar(name, 0.95), expected)
    with pytest.raises(
        ValueError, match="charge has no calibration: these have one: energy"
    ):
        calculator.error_bar("charge", 0.9)


def test_a_molecule_has_no_error_of_its_stress(calculator):
    dimer = Atoms("Si2", [[0, 0, 0], [2.3, 0, 0]])
    dimer.calc = calculator
    dimer.get_potential_energy()
    assert calculator.error_bar("stress", 0.9) == np.inf
    assert np.isfinite(dimer.get_forces()).all()
    assert "stress" not in dimer.calc.results
    assert "stress_error" not in dimer.calc.results


def test_one_file_gives_the_same_errors(models, calibration, silicon, tmp_path):
    members = [models[0], Artifact.from_file(models[1])]
    made = CommitteeCalculator(members, calibration, device="cpu")
    path = made.save(tmp_path / "silicon.committee")
    silicon.calc = CommitteeCalculator.load(path, device="cpu")
    silicon.get_potential_energy()
    made.calculate(silicon)
    for name, value in made.results.items():
        assert np.array_equal(silicon.calc.results[name], value)
    assert silicon.calc.calibration == made.calibration
    again = silicon.calc.save(tmp_path / "again.committee")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(path).namelist()


def test_extensions_are_in_the_file(models, tmp_path):
    """What lies beside a model comes out of a committee's file, and of its sources."""
    folder = tmp_path / "one" / "extensions" / "package"
    folder.mkdir(parents=True)
    (folder / "library.so").write_bytes(b"code")
    one = shutil.copy(models[0], tmp_path / "one")
    path = CommitteeCalculator([one, models[1]]).save(tmp_path / "some.committee")
    first, second = CommitteeCalculator.load(path).sources
    assert second["extensions"] is None
    (file,) = write_models({3: first}, tmp_path / "models")
    assert file.name == "member_3.model"
    assert file.read_bytes() == models[0].read_bytes()
    library = tmp_path / "models/extensions/package/library.so"
    assert library.read_bytes() == b"code"
    described = stage_member(for_calculation(first), tmp_path / "run")
    beside = extensions_beside(described["model"])
    assert (beside / "package" / "library.so").read_bytes() == b"code"


def test_what_cannot_be_saved_or_loaded_is_refused(committee, models, tmp_path):
    with pytest.raises(ValueError, match="member 0 was given as a loaded potential"):
        CommitteeCalculator(committee).save(tmp_path / "emt.committee")
    with pytest.raises(ValueError, match=r"is not a committee.*save wrote"):
        CommitteeCalculator.load(tmp_path / "missing.committee")
    assert not list(tmp_path.iterdir())


def test_molecular_dynamics_with_error_bars(calculator, silicon, tmp_path):
    silicon.calc = calculator
    dynamics = Langevin(
        silicon, 0.5 * units.fs, temperature_K=300, friction=0.02, rng=np.random
    )
    seen = []
    dynamics.attach(lambda: seen.append(silicon.calc.results["energy_error"]))
    with Trajectory(str(tmp_path / "md.traj"), "w", silicon) as trajectory:
        dynamics.attach(trajectory.write)
        dynamics.run(5)
    assert len(set(seen)) == 6
    last = read(tmp_path / "md.traj")
    assert last.get_forces() == pytest.approx(silicon.get_forces())


def test_the_lammps_driver_says_the_same(models, calculator, silicon, tmp_path):
    plan = Run(
        conditions=Conditions("npt", 300, 0, n_steps=6, timestep=0.2),
        output=Output(3),
        members=[{"model": str(path)} for path in models],
        check_interval=3,
        calibration={k: fit.model_dump() for k, fit in calculator.calibration.items()},
        upper_factor=1e6,
    )
    write_run(tmp_path, plan, silicon)
    main([tmp_path])
    outcome = read_outcome(tmp_path)
    assert outcome.error is None
    frames = md_frames(tmp_path, plan, silicon, outcome, "parent")
    logged = read_disagreement(tmp_path / WATCH_FILE)
    assert frames.info["md_step"].tolist() == [3, 6]
    for atoms, step in zip(frames, (3, 6), strict=True):
        row = logged["step"].tolist().index(step)
        calculator.calculate(atoms)
        found = calculator.results
        error = {
            "energy": found["energy_error"],
            "forces": np.sqrt((found["forces_error"] ** 2).mean()),
            "stress": found["stress_error"],
        }
        for name, value in error.items():
            assert logged[name][row] / SLOPES[name] == pytest.approx(value, rel=1e-6)
        excess = max(error[name] / TOLERANCE[name] for name in error)
        assert logged["excess"][row] == pytest.approx(excess, rel=1e-6)

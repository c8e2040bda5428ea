"""Labels against pw.x run by hand, and against the gradient of its energy."""

import os
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.io.espresso import units
from ase.units import GPa
from jobflow import run_locally
from numpy.testing import assert_allclose

from flowpot.labelling.espresso import EspressoStaticMaker, EspressoTaskDoc, LabelError

pytestmark = pytest.mark.qe

Ry, Bohr = units["Ry"], units["Bohr"]  # ASE's for Quantum ESPRESSO, of CODATA 2006

# Written by hand from the fixtures `pair` and `cheap`: lengths in A, energies in Ry.
INPUT = """
&CONTROL
  calculation = 'scf', outdir = './', tprnfor = .true., tstress = .true.
  pseudo_dir = '/usr/share/espresso/pseudo'
/
&SYSTEM
  ibrav = 0, nat = 2, ntyp = 1, ecutwfc = 12, ecutrho = 48
  occupations = 'smearing', smearing = 'cold', degauss = 0.0275
/
&ELECTRONS
  conv_thr = 8e-10, mixing_beta = 0.4, electron_maxstep = 80
/
ATOMIC_SPECIES
Si 28.085 Si.pbe-rrkj.UPF
K_POINTS automatic
2 2 2 0 0 0
CELL_PARAMETERS angstrom
0.000 2.715 2.715
2.715 0.000 2.715
2.715 2.715 0.000
ATOMIC_POSITIONS angstrom
Si 0.0000 0.0000 0.0000
Si 1.4575 1.4075 1.3775
"""


@pytest.fixture
def by_hand(tmp_path) -> str:
    """The output of pw.x, run as anyone would."""
    (tmp_path / "hand.in").write_text(INPUT)
    return subprocess.run(
        ["pw.x", "-in", "hand.in"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def run(maker: EspressoStaticMaker, structure, store) -> EspressoTaskDoc:
    """Run one job as a user does and read its document back from the store."""
    job = maker.make(structure)
    run_locally(job, store=store, create_folders=True, ensure_success=True)
    return EspressoTaskDoc.model_validate(store.get_output(job.uuid, load=True))


def test_labels_equal_those_of_pw_run_by_hand(
    pair, cheap, by_hand, jobstore, clean_dir
):
    document = run(cheap, pair, jobstore)
    output = document.output

    energy = float(
        re.search(r"^!\s+total energy\s+=\s+(\S+)", by_hand, re.MULTILINE)[1]
    )
    assert_allclose(output.energy / Ry, energy, rtol=0, atol=2e-8)

    rows = re.findall(r"atom\s+\d+ type\s+1\s+force =(.*)", by_hand)
    forces = np.array([row.split() for row in rows], dtype=float)
    assert_allclose(np.array(output.forces) * Bohr / Ry, forces, atol=2e-8)

    table = by_hand.split("total   stress")[1].splitlines()[1:4]
    kbar = np.array([line.split()[3:] for line in table], dtype=float)
    # pw.x prints kbar with its pressure positive under compression, as VASP does.
    assert_allclose(np.array(output.stress), kbar, atol=0.006)

    smearing = float(re.search(r"\(-TS\)\s+=\s+(\S+)", by_hand)[1])
    assert_allclose(output.energy_without_smearing / Ry, energy - smearing, atol=2e-8)
    fermi = float(re.search(r"Fermi energy is\s+(\S+)", by_hand)[1])
    assert output.fermi_level == fermi
    steps = int(re.search(r"achieved in\s+(\d+)", by_hand)[1])
    assert document.run.n_scf_steps == steps


def test_the_document_honours_the_static_contract(pair, cheap, jobstore, clean_dir):
    job = cheap.make(pair)
    assert job.name == "qe static"
    run_locally(job, store=jobstore, create_folders=True, ensure_success=True)
    stored = jobstore.get_output(job.uuid, load=True)
    document = EspressoTaskDoc.model_validate(stored)
    assert document.state == "successful"
    assert document.uuid == job.uuid
    assert document.output.structure == document.structure
    assert document.formula_pretty == "Si"
    assert document.input.kpoints == (2, 2, 2)
    assert document.input.ecutwfc == 12
    assert document.input.pseudopotentials["Si"]["md5"].startswith("d7f89eb60b7b")
    assert document.versions["quantum-espresso"].startswith("6.7")
    assert document.run.scf_accuracy < 8e-10 * Ry
    assert document.run.n_mpi == 1
    folder = clean_dir / document.dir_name.split(":")[1]
    files = {path.name for path in folder.iterdir()}
    assert {"pw.in.gz", "pw.out.gz"} <= files
    assert not any(name.startswith("pwscf") for name in files)
    assert EspressoTaskDoc.model_validate_json(document.model_dump_json()) == document


@pytest.fixture
def smooth(cheap) -> EspressoStaticMaker:
    """
    An energy that is smooth in the strain, at a cutoff that is not converged.

    A strain at fixed cutoff changes the number of plane waves: the energy jumps and
    its gradient differs from the stress (Pulay). The modified kinetic functional of
    Bernasconi et al., J. Phys. Chem. Solids 56, 501 (1995) removes both. The density
    cutoff makes the grid of exchange and correlation fine enough for forces.
    """
    smoothing = {"ecfixed": 16.0, "qcutz": 60.0, "q2sigma": 3.0}
    return replace(
        cheap,
        user_settings={
            "SYSTEM": {"ecutwfc": 24.0, "ecutrho": 200.0, "nosym": True, **smoothing},
            "ELECTRONS": {"conv_thr": 1e-12},
        },
    )


def test_forces_are_the_gradient_of_the_energy(pair, smooth, tmp_path):
    step = 0.002
    forces = np.array(smooth.label_in(pair, tmp_path).output.forces)
    for axis in (0, 2):
        energies = []
        for sign in (1, -1):
            moved = pair.copy()
            moved.positions[1, axis] += sign * step
            energies.append(smooth.label_in(moved, tmp_path).output.energy)
        slope = (energies[0] - energies[1]) / (2 * step)
        assert_allclose(forces[1, axis], -slope, atol=2e-4)
    assert_allclose(forces[0], -forces[1], atol=1e-4)


@pytest.mark.parametrize("component", [(0, 0), (0, 1)])
def test_stress_is_the_strain_derivative_of_the_energy(
    pair, smooth, tmp_path, component
):
    """In ASE's sign: sigma = (1/V) dE/d(strain)."""
    step = 0.003
    stress = np.array(smooth.label_in(pair, tmp_path).output.stress) * -0.1 * GPa
    energies = []
    for sign in (1, -1):
        strain = np.zeros((3, 3))
        strain[component] += sign * step / 2
        strain[component[::-1]] += sign * step / 2
        strained = pair.copy()
        strained.set_cell(pair.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
        energies.append(smooth.label_in(strained, tmp_path).output.energy)
    slope = (energies[0] - energies[1]) / (2 * step) / pair.get_volume()
    assert_allclose(stress[component], slope, atol=5e-5)


def test_a_polarised_atom_has_its_hund_moment(cheap, jobstore, clean_dir):
    """The box is small: the moment, not the energy, is what is tested."""
    atom = Atoms("Si", cell=[7.0] * 3, pbc=False)
    document = run(replace(cheap, spin="polarised"), atom, jobstore)
    assert document.structure.lattice.pbc == (False, False, False)
    assert document.input.kpoints == (1, 1, 1)
    assert document.output.total_magnetization == pytest.approx(2.0, abs=0.01)
    assert document.output.stress is None
    assert_allclose(document.output.forces, 0, atol=1e-3)


def test_an_unconverged_scf_is_no_label(pair, cheap, jobstore, clean_dir):
    hopeless = replace(
        cheap,
        user_settings={
            "SYSTEM": {"ecutwfc": 12.0},
            "ELECTRONS": {"electron_maxstep": 1, "conv_thr": 1e-14},
        },
    )
    document = hopeless.label_in(pair, clean_dir / "soft")
    assert document.state == "failed"
    assert document.output.energy is document.output.forces is None
    assert "SCF not converged" in document.errors[0]
    assert len(document.corrections) == 4
    assert document.run.n_starts == 5

    job = hopeless.make(pair)
    with pytest.raises(LabelError, match="SCF not converged"):
        job.run(jobstore)


def test_a_remedy_leads_to_the_same_label(pair, cheap, tmp_path):
    """An SCF cut short goes on from its density to the energy of one that was not."""
    short = replace(
        cheap,
        user_settings={
            "SYSTEM": {"ecutwfc": 12.0},
            "ELECTRONS": {"electron_maxstep": 4},
        },
    )
    document = short.label_in(pair, tmp_path / "short")
    assert document.state == "successful"
    first = document.corrections[0]
    assert first.handler == "UnconvergedScfHandler"
    assert first.actions == ["mixing_beta = 0.32"]
    assert document.input.parameters["electrons"]["startingpot"] == "file"
    assert (tmp_path / "short" / "pw.out.1.gz").is_file()
    reference = cheap.label_in(pair, tmp_path / "long").output
    assert_allclose(document.output.energy, reference.energy, atol=1e-7)
    assert_allclose(document.output.forces, reference.forces, atol=1e-4)

"""LAMMPS against Python on one frame: what `flowpot doctor` asks of an engine."""

import numpy as np
import pytest
import torch
from ase.build import bulk, fcc111
from ase.calculators import lj
from ase.calculators.emt import EMT

from flowpot.exploration.lammps.check import compare_forces, engines_here, engines_of
from flowpot.exploration.lammps.potential import PAIR_STYLES

from .test_potential import LMP, LennardJones


@pytest.fixture
def argon():
    atoms = bulk("Ar", a=5.30, cubic=True) * (2, 1, 1)
    turned = atoms.cell.array @ [[0, 1, 0.1], [1, 0.2, 0], [0.05, 0, 1]]
    atoms.set_cell(turned, scale_atoms=True)
    atoms.rattle(0.05, seed=2)
    return atoms


def test_calculator(tmp_path):
    slab = fcc111("Cu", (2, 2, 2), vacuum=8.0)
    slab.pbc = (True, True, False)
    slab.symbols[2] = "Au"
    slab.rattle(0.1, seed=1)
    slab.rotate(41, (1, 2, 3), rotate_cell=True)
    found = compare_forces("python", EMT, slab, folder=tmp_path)
    assert found.agrees
    assert max(found.energy, found.forces, found.stress) < 1e-8


@pytest.mark.slow
def test_model(random_mace, silicon, tmp_path):
    torch.set_num_threads(1)
    torch.save(random_mace(1, dtype="float64"), tmp_path / "silicon.model")
    silicon.rattle(0.1, seed=1)
    found = compare_forces(
        "python", tmp_path / "silicon.model", silicon, folder=tmp_path
    )
    assert found.n_atoms == 8
    assert max(found.energy, found.forces, found.stress) < 1e-8
    assert "python: agrees with Python by" in str(found)


def test_program_with_a_pair_style(argon, tmp_path, monkeypatch):
    monkeypatch.setitem(PAIR_STYLES, "argon", LennardJones)
    differences = {}
    for sigma in (3.40, 3.41):
        found = compare_forces(
            "argon",
            "no-model",
            argon,
            folder=tmp_path / f"{sigma}",
            command=LMP,
            device="cpu",
            reference=lj.LennardJones(epsilon=0.0104, sigma=sigma, rc=7.0),
        )
        differences[sigma] = found
    right, wrong = differences.values()
    assert right.agrees
    assert max(right.energy, right.forces, right.stress) < 1e-8
    assert wrong.forces > 1e-3
    assert not wrong.agrees
    assert "DIFFERS" in str(wrong)


def test_not_a_number_does_not_agree(argon, tmp_path):
    class Lost(lj.LennardJones):
        def calculate(self, *arguments):
            super().calculate(*arguments)
            self.results["forces"] = self.results["forces"] * np.nan

    found = compare_forces(
        "python", lj.LennardJones, argon, folder=tmp_path, reference=Lost()
    )
    assert not found.agrees


def test_a_program_that_cannot_is_said_so(argon, tmp_path):
    with pytest.raises(RuntimeError, match=r"'metatomic' did not run.*ERROR"):
        compare_forces(
            "metatomic", "argon.pt", argon, folder=tmp_path, command=LMP, device="cpu"
        )


def test_engines(tmp_path):
    assert engines_here(LMP) == ["python"]
    assert engines_here("no-such-lammps") == ["python"]
    with pytest.raises(FileNotFoundError, match="no LAMMPS program 'no-such-lammps'"):
        engines_of("no-such-lammps")
    built = tmp_path / "lmp"
    built.write_text("#!/bin/sh\necho '* Pair styles:\nlj/cut  mliap/kk metatomic'\n")
    built.chmod(0o755)
    assert engines_here(str(built)) == ["python", "mliap", "metatomic"]

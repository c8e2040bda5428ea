"""D2 in LAMMPS, against the formula summed in Python and against pw.x."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import graphene, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.data import chemical_symbols
from ase.neighborlist import neighbor_list

from flowpot.exploration.lammps.dispersion import (
    CUTOFF,
    _parameters,
    momb_coefficients,
)
from flowpot.exploration.preparation import boxed


class Nothing(Calculator):
    """A potential without forces, so that only the dispersion is left."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": 0.0,
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.zeros(6),
        }


def d2(atoms, cutoff=CUTOFF):
    """Grimme's sum and its forces, over all pairs within the cutoff."""
    table = _parameters()
    c6, r0 = np.array(
        [[table[chemical_symbols[z]][k] for z in atoms.numbers] for k in ("c6", "r0")]
    )
    i, j, r, vector = neighbor_list("ijdD", atoms, cutoff)
    pair_c6, pair_r0 = np.sqrt(c6[i] * c6[j]), r0[i] + r0[j]
    damping = 1 / (1 + np.exp(-20 * (r / pair_r0 - 1)))
    energy = -0.75 * 0.5 * (pair_c6 / r**6 * damping).sum()
    slope = 20 / pair_r0 * damping * (1 - damping)
    derivative = -0.75 * pair_c6 * (slope / r**6 - 6 * damping / r**7)
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, i, (derivative / r)[:, None] * vector)
    return energy, forces


def bilayer(distance=3.35) -> Atoms:
    layer = graphene(a=2.46, vacuum=8.0)
    layer.pbc = True
    second = layer.copy()
    second.positions += [0, 2.46 / np.sqrt(3), distance]
    return layer + second


@pytest.mark.parametrize(
    "atoms",
    [bilayer(), boxed(molecule("CH3CH2OH"), 25.0), boxed(molecule("SO2"), 25.0)],
    ids=["bilayer", "ethanol", "sulfur dioxide"],
)
def test_the_sum_over_pairs(atoms, step_zero):
    found = step_zero(atoms, Nothing(), "d2")
    energy, forces = d2(atoms)
    # momb shifts each pair to zero at the cutoff, where it is below 1e-6 eV.
    np.testing.assert_allclose(found.energy, energy, rtol=2e-3)
    np.testing.assert_allclose(found.forces, forces, atol=1e-6)


def test_elements_without_parameters_are_refused():
    with pytest.raises(ValueError, match="no parameters for U"):
        momb_coefficients([6, 92], overlay=False)


def pw_energy(atoms, folder, corrected):
    """Dispersion energy (eV) that pw.x reports for a frame."""
    cell = "\n".join(" ".join(f"{x:.10f}" for x in row) for row in atoms.cell)
    rows = "\n".join(f"C {x:.10f} {y:.10f} {z:.10f}" for x, y, z in atoms.positions)
    (folder / "pw.in").write_text(
        f"""&control
 calculation='scf', pseudo_dir='/usr/share/espresso/pseudo', outdir='{folder}'
/
&system
 ibrav=0, nat={len(atoms)}, ntyp=1, ecutwfc=20, ecutrho=80, occupations='smearing',
 degauss=0.02, {corrected}
/
&electrons
 conv_thr=1e-2
/
ATOMIC_SPECIES
C 12.011 C.pbe-rrkjus.UPF
K_POINTS gamma
CELL_PARAMETERS angstrom
{cell}
ATOMIC_POSITIONS angstrom
{rows}
"""
    )
    run = subprocess.run(
        ["pw.x", "-in", "pw.in"], cwd=folder, capture_output=True, text=True, check=True
    )
    [found] = re.findall(r"Dispersion Correction\s*=\s*(\S+) Ry", run.stdout)[-1:]
    return float(found) * units.Ry


@pytest.mark.qe
@pytest.mark.skipif(shutil.which("pw.x") is None, reason="needs pw.x")
def test_quantum_espresso(step_zero, tmp_path):
    atoms = bilayer()
    folder = Path(tmp_path / "pw")
    folder.mkdir()
    rcut = CUTOFF / units.Bohr
    reference = pw_energy(
        atoms, folder, f"vdw_corr='grimme-d2', london_rcut={rcut:.10f}"
    )
    found = step_zero(atoms, Nothing(), "d2").energy
    assert found == pytest.approx(reference, rel=2e-3)
    assert found == pytest.approx(d2(atoms)[0], rel=2e-3)

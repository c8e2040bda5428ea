"""
What the algorithm for real wavefunctions saves where Gamma is the only k-point.

pw.x's own processor time, which other work on the machine disturbs little. `pytest -s`
prints it.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from ase.build import bulk, molecule
from ase.io.espresso import units

from flowpot.labelling.espresso import EspressoInputGenerator
from flowpot.labelling.espresso.command import run_pw
from flowpot.labelling.espresso.inputs import EspressoInput
from flowpot.labelling.espresso.outputs import (
    PwLabel,
    PwReport,
    read_label,
    read_report,
)

pytestmark = [pytest.mark.slow, pytest.mark.qe]


def run(inputs: EspressoInput, folder: Path) -> tuple[PwReport, PwLabel]:
    """Run pw.x in a new folder."""
    folder.mkdir()
    inputs.write(folder)
    run_pw(folder, ["pw.x"])
    return read_report(folder), read_label(folder, len(inputs.atoms))


@pytest.mark.parametrize("name", ["silicon", "water"])
def test_gamma_against_a_mesh_of_one_point(name, tmp_path):
    if name == "silicon":
        atoms = bulk("Si", cubic=True)
        atoms.rattle(0.05, seed=0)
    else:
        atoms = molecule("H2O", vacuum=3.5)
    generator = EspressoInputGenerator(
        protocol="fast", pseudo_family="debian-pbe", kspacing=10.0
    )
    inputs = generator.get_input_set(atoms)
    mesh = "K_POINTS automatic\n1 1 1 0 0 0"
    complete = replace(inputs, text=inputs.text.replace("K_POINTS gamma", mesh))
    assert complete.text != inputs.text
    gamma, label = run(inputs, tmp_path / "gamma")
    point, same = run(complete, tmp_path / "point")
    assert label.energy == pytest.approx(same.energy, abs=1e-6 * units["Ry"])
    ratio = point.cpu_seconds / gamma.cpu_seconds
    print(  # noqa: T201
        f"\n{name}: Gamma {gamma.cpu_seconds:.2f} s, a mesh of one point "
        f"{point.cpu_seconds:.2f} s: {ratio:.1f} times"
    )
    assert ratio > 1.2

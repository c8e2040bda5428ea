"""A second DFT code, GPAW, by the labeller of tutorial 6: its labels are pw.x's."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.units import GPa, Ry
from jobflow import run_locally

from flowpot import Dataset, EspressoStaticMaker, LabellingMaker
from flowpot.labelling.espresso.protocols import kpoint_mesh
from markdown_blocks import write_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.qe,
    pytest.mark.skipif(find_spec("gpaw") is None, reason="gpaw is not installed"),
]

TUTORIAL = Path(__file__).parents[2] / "tutorials/06_bring_your_own.md"
WIDTH = 0.1  # eV: of Fermi's distribution, in both codes
_UNITS = 0.15  # no wrong unit or sign has a factor so near to 1
_APART = 0.08  # of the range: what pseudopotentials differ by
STRAINS = [  # volume down and up, sheared, and one axis alone
    0.97 * np.eye(3),
    1.03 * np.eye(3),
    np.eye(3) + 0.03 * np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]),
    np.diag([1.0, 1.0, 1.04]),
]


def distorted(cell):
    """Strained cells with displaced atoms: forces and stress in all components."""
    frames = []
    for seed, strain in enumerate(STRAINS):
        atoms = cell.copy()
        atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
        atoms.rattle(0.06, seed=seed)
        frames.append(atoms)
    return frames


@pytest.fixture
def labeller(clean_dir, monkeypatch):
    """The class that the tutorial has its reader write."""
    write_files(TUTORIAL)
    monkeypatch.syspath_prepend(clean_dir)
    yield import_module("my_labeller").CalculatorStaticMaker
    sys.modules.pop("my_labeller")


def labels(maker, frames, store):
    """Label by a stage, and list the frames in the order in which they were given."""
    flow = LabellingMaker(static_maker=maker).make(frames)
    run_locally(flow, store=store, create_folders=True, ensure_success=True)
    found = Dataset.load(store.get_output(flow.output.uuid, load=True)["dataset"])
    assert len(found) == len(frames)
    volumes = [atoms.get_volume() for atoms in frames]
    labelled = {round(atoms.get_volume(), 6): atoms for atoms in found}
    return [labelled[round(volume, 6)] for volume in volumes]


@pytest.mark.parametrize(
    ("cell", "kspacing", "ecut"),
    [
        (bulk("Si", a=5.47), 0.7, 500),
        (bulk("BN", "zincblende", a=3.62), 1.1, 800),  # at 500 eV: 38 GPa off
    ],
    ids=["silicon", "boron nitride"],
)
def test_two_codes_agree(labeller, cell, kspacing, ecut, jobstore):
    """
    Energies between frames, forces and stress: their unit, sign and order.

    Both use PBE, the same mesh and the same smearing; what is left are the
    pseudopotentials and the basis.
    """
    frames = distorted(cell)
    meshes = {kpoint_mesh(atoms, kspacing) for atoms in frames}
    assert len(meshes) == 1
    gpaw = labeller(
        name="gpaw static",
        calculator="gpaw.GPAW",
        options={
            "mode": {"name": "pw", "ecut": ecut},
            "xc": "PBE",
            "kpts": {"size": meshes.pop(), "gamma": True},
            "occupations": {"name": "fermi-dirac", "width": WIDTH},
            "txt": "gpaw.txt",
        },
    )
    smeared = {"smearing": "fermi-dirac", "degauss": WIDTH / Ry}
    espresso = EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=kspacing,
        user_settings={"SYSTEM": smeared},
    )
    both = [labels(maker, frames, jobstore) for maker in (gpaw, espresso)]
    energies, forces, stress = (
        np.array([[getattr(atoms, f"get_{name}")() for atoms in code] for code in both])
        for name in ("potential_energy", "forces", "stress")
    )
    energies = (energies - energies.mean(axis=1, keepdims=True)) / len(cell)
    compare("energy (eV/atom)", *energies)
    compare("forces (eV/A)", *forces)
    compare("stress (GPa)", *stress / GPa)


def compare(name, found, expected):
    """Compare values by what is between them, and what they would be multiplied by."""
    slope = (found * expected).sum() / (expected**2).sum()
    apart = np.abs(found - expected).max()
    said = f"{name}: slope {slope:.4f}, apart {apart:.4f} of {np.ptp(expected):.3f}"
    print(said)  # noqa: T201 - for the guide, with -s
    assert slope == pytest.approx(1, abs=_UNITS), said
    assert apart < _APART * np.ptp(expected), said

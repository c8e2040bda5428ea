"""A two-atom silicon cell and settings at which pw.x takes a fraction of a second."""

import pytest
from ase import Atoms
from ase.build import bulk
from atomate2.forcefields.jobs import ForceFieldStaticMaker

from flowpot.labelling import EspressoStaticMaker


@pytest.fixture
def pair() -> Atoms:
    """Diamond silicon, one atom off its site: no symmetry, forces and shear."""
    atoms = bulk("Si", "diamond", a=5.43)
    atoms.positions[1] += [0.10, 0.05, 0.02]
    return atoms


@pytest.fixture
def cheap() -> EspressoStaticMaker:
    """Small physics, real engine."""
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=1.3,
        user_settings={"SYSTEM": {"ecutwfc": 12.0}},
    )


@pytest.fixture
def emt() -> ForceFieldStaticMaker:
    """ASE's effective medium potential as atomate2 wraps it."""
    name = {"@module": "ase.calculators.emt", "@callable": "EMT"}
    return ForceFieldStaticMaker(force_field_name=name)

"""The limits of a run, against brute force."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.data import covalent_radii
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.neighborlist import neighbor_list

from flowpot.exploration.sanity import (
    ContactCheck,
    SanityCheck,
    SanityLimits,
)


@pytest.fixture
def silicon_carbide():
    return bulk("SiC", "zincblende", a=4.36) * (2, 2, 2)


def at_rest(atoms):
    return np.zeros((len(atoms), 3))


@pytest.mark.parametrize("seed", range(8))
def test_contacts_are_those_of_a_neighbour_list(seed, silicon_carbide):
    atoms = silicon_carbide
    atoms.rattle(0.28, seed=seed)
    atoms.positions += 7.0
    found = SanityCheck(SanityLimits(contact=0.7), atoms)(
        atoms, at_rest(atoms), at_rest(atoms)
    )
    close = neighbor_list("i", atoms, 0.7 * covalent_radii[atoms.numbers])
    assert (found == "atoms too close") == (len(close) > 0)


def test_contacts_are_found_on_the_way(silicon_carbide):
    """Distances are not computed at every step, and no contact is missed."""
    atoms = silicon_carbide
    check = ContactCheck(atoms, 0.5)
    rng = np.random.default_rng(3)
    velocities = rng.normal(0, 0.01, atoms.positions.shape)
    computed, before = 0, None
    for step in range(200):
        atoms.positions += velocities
        atoms.set_cell(atoms.cell * 0.9995, scale_atoms=True)
        close = neighbor_list("i", atoms, 0.5 * covalent_radii[atoms.numbers])
        assert check(atoms) == (len(close) > 0), step
        computed += check.last is not before
        before = check.last
        if len(close) > 0:
            break
    assert 0 < step < 199
    assert computed < step / 2


def test_images_do_not_touch_along_a_non_periodic_axis():
    atoms = bulk("Cu", cubic=True)[:2]
    atoms.positions = [[0, 0, 0.1], [0, 0, 3.5]]
    atoms.cell[2, 2] = 3.6
    check = SanityCheck(SanityLimits(), atoms)
    assert check(atoms, at_rest(atoms), at_rest(atoms)) == "atoms too close"
    atoms.pbc = (True, True, False)
    assert check(atoms, at_rest(atoms), at_rest(atoms)) is None


def test_temperature_is_that_of_ase(silicon_carbide):
    atoms = silicon_carbide
    MaxwellBoltzmannDistribution(atoms, temperature_K=900, rng=np.random.default_rng(1))
    check = SanityCheck(SanityLimits(temperature=500), atoms)
    per_ps = atoms.get_velocities() * 1000 * units.fs
    assert check.temperature(per_ps) == pytest.approx(atoms.get_temperature())
    assert check(atoms, at_rest(atoms), per_ps) == "temperature"


def test_volume_and_not_a_number(silicon_carbide):
    atoms = silicon_carbide
    check = SanityCheck(SanityLimits(volume=(0.5, 2.0)), atoms.copy())
    forces = at_rest(atoms)
    assert check(atoms, forces, at_rest(atoms)) is None
    grown = atoms.copy()
    grown.set_cell(atoms.cell * 1.3, scale_atoms=True)
    assert check(grown, forces, at_rest(atoms)) == "volume"
    forces[3, 1] = np.nan
    assert check(atoms, forces, at_rest(atoms)) == "not a number"


def test_limits_that_no_frame_could_keep_are_refused():
    with pytest.raises(ValueError, match=r"contact is 1\.5"):
        SanityLimits(contact=1.5)
    with pytest.raises(ValueError, match="fractions"):
        SanityLimits(volume=(1.2, 5.0))

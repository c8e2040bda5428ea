"""Labels of other physics, brought to the energies and the sets of real ones."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from numpy.testing import assert_allclose

from flowpot.campaign.free_labels import PretrainingError, align, differences
from flowpot.dataset import Dataset
from flowpot.dataset.sets import AUDIT, TEST, TRAIN, VAL
from soft_emt import ATOM, SOFT, SoftEMT, labelled


def alloys(*shares, seed=0):
    """Rattled cells of copper, in which the first atoms of each are nickel."""
    frames = []
    for number, n_nickel in enumerate(shares):
        atoms = bulk("Cu", cubic=True) * (2, 1, 1)
        atoms.symbols[:n_nickel] = "Ni"
        atoms.rattle(0.05, seed=seed + number)
        frames.append(atoms)
    return frames


def test_energies_are_shifted_to_those_of_the_real_labels():
    """By one constant for each element; the softer bonds remain as a difference."""
    frames = alloys(0, 4, 8, 3, 5, 1, 2)
    free = labelled(frames, EMT)
    real = labelled(frames[:5], SoftEMT)
    real = real.with_info(split=[TRAIN, VAL, TRAIN, TEST, TRAIN])
    found = align(free, real)
    kept = found.frames
    assert (found.n_dropped, len(kept)) == (0, 7)
    assert len(found.free) == len(found.real) == 4  # the one that tests tells nothing
    assert kept.info["split"][:5].tolist() == real.info["split"].tolist()
    shifts = {29: ATOM["Cu"], 28: ATOM["Ni"]}
    bonds = np.abs(free.energy).max() / 8
    assert found.shift == pytest.approx(shifts, abs=bonds)
    errors = differences(found.free, found.real)
    assert errors["energy"] < 0.2 * bonds
    rms = np.sqrt(np.mean(found.real.forces**2))
    assert errors["forces"] == pytest.approx((1 / SOFT - 1) * rms, rel=1e-6)
    assert_allclose(kept.forces, free.forces)


def test_a_composition_that_no_real_label_tells_of_is_dropped():
    """Copper alone says nothing of nickel; of two compositions all others follow."""
    frames = alloys(0, 0, 0, 4, 8)
    free = labelled(frames, EMT)
    real = labelled(frames[:3], SoftEMT).with_info(split=[TRAIN, VAL, TEST])
    assert align(free, real).n_dropped == 2
    frames = alloys(0, 8, 0, 4, 2)
    free = labelled(frames, EMT)
    real = labelled(frames[:3], SoftEMT).with_info(split=[TRAIN, VAL, TEST])
    assert align(free, real).n_dropped == 0


def test_isolated_atoms_have_real_labels_and_audited_frames_do_not_train():
    """The free labeller may know no atoms; an audit must be of frames never seen."""
    frames, atom = alloys(0, 0, 0, 0), Atoms("Cu", cell=[15.0] * 3)
    free = labelled([*frames, atom], EMT)
    real = labelled([*frames[:3], atom], SoftEMT)
    kinds = [None] * 3 + ["isolated_atom"]
    real = real.with_info(split=[TRAIN, VAL, AUDIT, TRAIN], config_type=kinds)
    found = align(free, real)
    isolated = found.frames[found.frames.is_isolated_atom]
    assert isolated.energy.tolist() == real[3:].energy.tolist()
    assert found.n_dropped == 1
    assert not np.isin(real[2:3].fingerprints, found.frames.fingerprints).any()


def test_labels_that_cannot_be_compared_are_refused():
    free, real = labelled(alloys(0, 0), EMT), labelled(alloys(0, seed=9), SoftEMT)
    with pytest.raises(PretrainingError, match="labelled 2 frames, and none of them"):
        align(free, real.with_info(split=[TRAIN]))


def test_free_labels_without_forces_are_counted():
    frames = alloys(0, 0, 0, 0)
    free, real = labelled(frames, EMT), labelled(frames[:3], SoftEMT)
    free = Dataset(**(free.fields | {"forces": without_first(free)}))
    found = align(free, real.with_info(split=[TRAIN, VAL, TEST]))
    assert (found.n_dropped, len(found.frames)) == (1, 3)


def without_first(frames):
    """Return forces, without those of the first frame."""
    forces = frames.forces.copy()
    forces[: frames.offsets[1]] = np.nan
    return forces

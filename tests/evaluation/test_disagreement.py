"""Disagreement and error, against their definitions written out frame by frame."""

from dataclasses import replace

import numpy as np
import pytest

from flowpot.evaluation import (
    CommitteePrediction,
    calibrate,
    disagreement,
    error,
    over_threshold,
)
from flowpot.evaluation.disagreement import range_of_members


def atoms_of(dataset, i):
    return slice(dataset.offsets[i], dataset.offsets[i + 1])


def test_disagreement_is_its_definition(frames, prediction):
    spread = disagreement(prediction, frames)
    for i in range(len(frames)):
        forces = prediction.forces[:, atoms_of(frames, i)]
        n = forces.shape[1]
        assert spread["energy"][i] == pytest.approx(np.std(prediction.energy[:, i] / n))
        assert spread["forces"][i] == pytest.approx(
            np.sqrt(np.mean(np.std(forces, axis=0) ** 2))
        )
        assert spread["stress"][i] == pytest.approx(
            np.sqrt(np.mean(np.std(prediction.stress[:, i], axis=0) ** 2))
        )
        deviation = np.linalg.norm(forces - forces.mean(axis=0), axis=2)
        assert spread["forces_max"][i] == pytest.approx(
            np.sqrt((deviation**2).mean(axis=0)).max()
        )


def test_error_is_of_the_committee_mean(frames, prediction):
    found = error(prediction, frames)
    for i, atoms in enumerate(frames):
        mean = prediction.forces[:, atoms_of(frames, i)].mean(axis=0)
        assert found["forces"][i] == pytest.approx(
            np.sqrt(np.mean((mean - atoms.get_forces()) ** 2))
        )
        assert found["energy"][i] == pytest.approx(
            abs(prediction.energy[:, i].mean() - frames.energy[i]) / len(atoms)
        )


def test_error_of_the_members_contains_the_spread(frames, prediction):
    of_mean = error(prediction, frames)["forces"]
    of_members = error(prediction, frames, of="members")["forces"]
    assert (of_members > of_mean).all()
    with pytest.raises(ValueError, match="'mean' or 'members'"):
        error(prediction, frames, of="median")


def test_a_missing_label_gives_nan_and_nothing_else(frames, prediction):
    stress = frames.stress.copy()
    stress[1] = np.nan
    found = error(prediction, frames.with_labels(stress=stress))
    assert np.isnan(found["stress"]).tolist() == [False, True, False, False]
    assert np.isfinite(found["forces"]).all()


def test_neither_order_nor_orientation_matters(frames, prediction, rng):
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = CommitteePrediction(
        energy=prediction.energy[::-1],
        forces=prediction.forces[::-1] @ rotation.T,
        stress=rotation @ prediction.stress[::-1] @ rotation.T,
    )
    before, after = disagreement(prediction, frames), disagreement(turned, frames)
    for name in before:
        assert after[name] == pytest.approx(before[name])


def test_energy_disagreement_does_not_measure_size(rng, make_frames, make_prediction):
    """Bug B6 of the reference: its range of total energies flags large cells only."""
    sizes = [1] * 400 + [64] * 400
    frames = make_frames(sizes, rng)
    spread = disagreement(make_prediction(frames, np.full(800, 0.1), rng), frames)
    small, large = spread["energy"][:400].mean(), spread["energy"][400:].mean()
    assert small == pytest.approx(large, rel=0.1)


SIZES = (1, 8, 27, 64, 125, 216)


def shares_selected(spread, errors, name, sizes):
    """Calibrate energies at a tolerance that half of the frames exceed, and flag."""
    fits = calibrate(spread, errors, {name: float(np.median(errors[name]))})
    over = over_threshold(spread, fits)
    return np.array([over[sizes == n].mean() for n in SIZES])


def test_the_selected_share_does_not_depend_on_size(rng, make_frames, make_prediction):
    """At equal quality per atom. The reference's range selects by size alone (B6)."""
    frames = make_frames([n for n in SIZES for _ in range(80)], rng)
    scale = rng.uniform(0.05, 0.4, len(frames))
    prediction = make_prediction(frames, scale, rng)
    errors, sizes = error(prediction, frames), frames.n_atoms
    spread = disagreement(prediction, frames)
    shares = shares_selected(spread, errors, "energy", sizes)
    assert shares.min() > 0.2
    assert np.ptp(shares) < 0.25  # five standard deviations of 80 frames
    by_range = shares_selected(
        range_of_members(prediction, frames), errors, "energy", sizes
    )
    assert by_range[0] == 0
    assert by_range[-1] > 0.5


def test_the_range_is_its_definition(frames, prediction):
    found = range_of_members(prediction, frames)
    for i in range(len(frames)):
        norms = np.linalg.norm(prediction.forces[:, atoms_of(frames, i)], axis=2)
        rows = np.linalg.norm(prediction.stress[:, i], axis=2)
        energies = prediction.energy[:, i]
        assert found["energy"][i] == pytest.approx(energies.max() - energies.min())
        assert found["forces"][i] == pytest.approx(
            np.mean(norms.max(axis=0) - norms.min(axis=0))
        )
        assert found["stress"][i] == pytest.approx(
            np.mean(rows.max(axis=0) - rows.min(axis=0))
        )


def test_the_order_of_the_atoms_does_not_matter(frames, prediction, rng):
    sizes = frames.n_atoms
    order = [frames.offsets[i] + rng.permutation(n) for i, n in enumerate(sizes)]
    shuffled = replace(prediction, forces=prediction.forces[:, np.concatenate(order)])
    before, after = disagreement(prediction, frames), disagreement(shuffled, frames)
    for name in before:
        assert after[name] == pytest.approx(before[name])


def test_a_member_that_fails_marks_the_frame(frames, prediction):
    energy = prediction.energy.copy()
    energy[2, 0] = np.nan
    spread = disagreement(replace(prediction, energy=energy), frames)
    assert np.isnan(spread["energy"]).tolist() == [True, False, False, False]

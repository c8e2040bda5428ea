"""
Do the error bars of single atoms hold on fresh frames? Real potentials, cheap teachers.

Campaigns of small MACE committees, as in `test_teachers` and with its models
(FLOWPOT_STUDY, FLOWPOT_TEACHERS, FLOWPOT_TURNS): on frames of the teachers' molecular
dynamics that were not labelled, the share of atoms whose force error is under its bar,
by the error model of atoms and by that of whole frames. Frames count alike. Found for
three iterations each:

=======  ====================  ====================  ====================
bars     silicon               carbide               copper
=======  ====================  ====================  ====================
68 %     0.73, 0.71, 0.71      0.70, 0.69, 0.71      0.71, 0.71, 0.63
95 %     0.97, 0.97, 0.96      0.96, 0.96, 0.97      0.96, 0.97, 0.98
frames'  0.85, 0.78, 0.75      0.86, 0.96, 0.90      0.66, 0.56, 0.79
=======  ====================  ====================  ====================

The last row is 95 % bars by the model of whole frames.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Calibration,
    FeatureDistance,
    evaluate_committee,
)
from flowpot.evaluation.atoms import uncertainty_of_atoms

from .teachers import TEACHERS, Teacher
from .test_teachers import campaign

# ruff: noqa: T201 - the figures are to be seen

pytestmark = pytest.mark.slow

CHOSEN = os.environ.get("FLOWPOT_TEACHERS", "silicon,carbide").split(",")
BARS = (0.68, 0.95)


def held(
    members: list, dataset: Dataset, fresh: Dataset, fit: Calibration
) -> tuple[list[float], list[float]]:
    """Return the shares of atoms under their bars: by the model of atoms, of frames."""
    training = dataset[(dataset.info["split"] == "train") & ~dataset.is_isolated_atom]
    distance = FeatureDistance.fit(members, training)
    prediction = evaluate_committee(members, fresh)
    seen = uncertainty_of_atoms(prediction, [distance.measure_atoms(members, fresh)])
    squared = (prediction.mean["forces"] - fresh.forces) ** 2
    true = np.sqrt(squared.mean(axis=1))
    weights = np.repeat(1 / fresh.n_atoms, fresh.n_atoms)
    without = fit.model_copy(update={"atom_model": None, "atom_spread_model": None})
    after, before = (
        [
            float(np.average(true <= one.atom_bar(seen, q), weights=weights))
            for q in BARS
        ]
        for one in (fit, without)
    )
    return after, before


def shares(teacher: Teacher, folder: Path) -> list[tuple[list[float], list[float]]]:
    """Run the campaign of a teacher, and compare in each iteration."""
    rows = []
    for number, members, dataset, pool, judgement in campaign(teacher, folder):
        fresh = pool[~np.isin(pool.fingerprints, dataset.fingerprints)]
        rows.append(held(members, dataset, fresh, judgement.calibration["forces"]))
        after, before = ([f"{share:.2f}" for share in row] for row in rows[-1])
        print(f"{teacher.name} {number}: held {after}, by the model of frames {before}")
    return rows


@pytest.mark.parametrize(
    "teacher", [t for t in TEACHERS if t.name in CHOSEN], ids=lambda t: t.name
)
def test_bars_of_atoms_hold_on_fresh_frames(teacher, study_folder):
    rows = np.array(shares(teacher, study_folder / "teachers" / teacher.name))
    inner, outer = rows[:, 0].mean(axis=0)
    assert 0.6 <= inner <= 0.76
    assert 0.9 <= outer <= 0.98

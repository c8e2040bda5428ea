"""Frames judged chunk by chunk, by members of any kind."""

import numpy as np
import pytest
import torch
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    PROPERTIES,
    CommitteePrediction,
    Criteria,
    SelectionRules,
    disagreement,
    error,
    evaluate_committee,
    judge,
    spread_over,
)
from flowpot.evaluation.predicted import of_frames
from flowpot.potentials import evaluate_members
from flowpot.potentials.mace import MACEPotential
from flowpot.potentials.metatomic import MetatomicPotential

TOLERANCE = {"forces": 0.02}


@pytest.mark.parametrize("atoms_at_once", [1, 10, 10_000])
def test_chunks_change_nothing(committee, copper, atoms_at_once):
    frames = copper(7, 1)
    prediction = evaluate_committee(committee, frames)
    whole = of_frames(prediction, frames), error(prediction, frames, of="members")
    shards = iter([frames[:3], frames[3:]])
    found = spread_over(committee, shards, of="members", atoms_at_once=atoms_at_once)
    for part, expected in zip(found, whole, strict=True):
        assert part.keys() == expected.keys()
        for name in expected:
            assert part[name] == pytest.approx(expected[name])


def test_no_frames_are_refused(committee):
    with pytest.raises(ValueError, match="no frames to predict"):
        spread_over(committee, [])


def test_a_member_that_fails_makes_the_frame_insane(committee, copper):
    kind = type(committee[0])

    class Broken(kind):
        """Gives nothing for frames whose first atom lies beyond the origin."""

        def evaluate_graph(self, graph):
            found = super().evaluate_graph(graph)
            energy = np.where(np.array([e for e, *_ in graph]) > 1.0, np.nan, 0.0)
            found.forces[:] += np.repeat(energy, 4)[:, None]
            return found

    explored = copper(30, 5, stdev=0.3, config_type="md").without_labels()
    labelled = copper(40, 900, split="val", config_type="md")
    energy = evaluate_members(committee[:1], explored).energy[0] / committee[0].factor
    broken = (energy > 1.0).sum()
    assert 0 < broken < 30
    criteria = Criteria(tolerance=TOLERANCE, pilot_labels=0)
    found = judge([committee[0], Broken(1.15)], labelled[:20], explored, criteria)
    assert found.n_insane == broken
    assert np.isfinite(found.chosen.forces).all()


def test_members_may_differ_in_cutoff_precision_and_backend(random_mace, random_pet):
    torch.set_num_threads(1)
    members = [
        MACEPotential(random_mace(1), "cpu"),
        MACEPotential(random_mace(2, r_max=3.5, dtype="float64"), "cpu"),
        MetatomicPotential(random_pet(3), "cpu"),
    ]
    frames = [bulk("Si", cubic=True), bulk("Si"), bulk("Si", cubic=True) * (2, 1, 1)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=seed)
    dataset = Dataset.from_atoms(frames)
    alone = [m.evaluate(dataset) for m in members]
    stacked = (np.stack([getattr(p, n) for p in alone]) for n in PROPERTIES)
    expected = disagreement(CommitteePrediction(*stacked), dataset)
    found = spread_over(members, dataset, atoms_at_once=9).disagreement
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-4)
        assert (values > 0).all()


def test_frames_that_were_not_drawn_calibrate_nothing(committee, copper):
    """What the next iteration calibrates on has a weight, also after a file."""
    augmented = copper(35, 200, split="val", config_type="distorted")
    truth = copper(80, 300, config_type="md")
    rules = SelectionRules(max_selected=20, method="diverse")
    # Before anything is learned there is no feature distance to remember.
    criteria = Criteria(TOLERANCE, pilot_labels=0, rules=rules, uncertainties=[])
    first = judge(committee, augmented, truth.without_labels(), criteria)
    n_drawn = np.isfinite(first.chosen.info["selection_probability"]).sum()
    assert len(first.selection.selected) == 20
    assert n_drawn == rules.audit_min + len(first.selection.audit)

    index = np.concatenate([first.selection.selected, first.selection.audit])
    new = truth[index].with_info(
        split=[s or "train" for s in first.chosen.info["split"]],
        selection=first.chosen.info["selection"],
        selection_probability=first.chosen.info["selection_probability"],
    )
    labelled = Dataset.from_bytes(Dataset.concatenate([augmented, new]).to_bytes())
    predictions = Dataset.from_bytes(first.predictions.to_bytes())
    second = judge(
        committee,
        labelled,
        copper(30, 900, config_type="md").without_labels(),
        criteria,
        predictions=[predictions],
    )
    again = evaluate_committee(committee, truth[index])
    for name, values in disagreement(again, truth[index]).items():
        assert list(predictions.info[f"disagreement_{name}"]) == pytest.approx(values)
    assert "explored frames" in second.evidence.origin
    n_explored = len(second.evidence) - 35 * ("augmented" in second.evidence.origin)
    assert n_explored == n_drawn
    assert np.isfinite(second.evidence.weights).all()
    assert second.audit.n == 0  # of this committee nothing is labelled yet
    fresh = second.fresh_error["forces"]
    assert fresh.n == n_drawn
    assert fresh.interval[0] <= fresh.value <= fresh.interval[1]

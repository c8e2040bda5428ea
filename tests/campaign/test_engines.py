"""Campaigns from structures to their end, with each engine of molecular dynamics."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from flowpot import (
    AugmentationMaker,
    BatchedMDMaker,
    CommitteeTrainingMaker,
    Dataset,
    EvaluationMaker,
    ExplorationMaker,
    LammpsMDMaker,
    MACETrainingMaker,
)
from flowpot.augmentation import Distortions
from flowpot.evaluation import (
    SelectionRules,
    error,
    evaluate_committee,
    load_committee,
)

# ruff: noqa: T201 - the figures are to be seen


@pytest.mark.slow
@pytest.mark.parametrize("engine", [LammpsMDMaker, BatchedMDMaker])
def test_from_structures_to_the_end(engine, copper, run, jobstore):
    """Two iterations, in which the committee watches."""
    md_maker = engine(n_steps=60, sample_interval=10, check_interval=10)
    exploration = ExplorationMaker(md_maker=md_maker, n_starts=3, temperatures=(300.0,))
    maker = copper(exploration=exploration, max_iterations=2)
    campaign = run(maker.make([bulk("Cu", cubic=True)]))
    assert campaign.doc.stop_kind in ("max_iterations", "converged")
    assert len(campaign.doc.iterations) == 2
    explored = [
        doc["output"]
        for doc in jobstore.query({"name": "collect frames"}, load=False)
        if doc["output"].get("n_runs")
    ]
    assert [each["n_runs"] for each in explored] == [3, 3]
    assert all(each["n_failed"] == each["n_short"] == 0 for each in explored)
    assert "md" in campaign.dataset().info["config_type"].tolist()


TOLERANCE = {"forces": 0.2}  # eV/A; energies would need more epochs


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("engine", [LammpsMDMaker, BatchedMDMaker])
def test_from_structures_to_converged(engine, copper, run):
    """
    And what it claims is true of frames that it has not seen.

    These are of a trajectory of the teacher, EMT, at the same temperature.
    """
    maker = copper(
        augmentation=AugmentationMaker(
            supercell=None,
            distortion=Distortions(n_frames=24, fraction=0.15, strain=(-0.03, 0.06)),
            vacancies=None,
            clusters=None,
            slabs=None,
        ),
        training=CommitteeTrainingMaker(
            trainer=MACETrainingMaker.small(
                model="ScaleShiftMACE", lr=0.02, batch_size=4, max_num_epochs=30
            ),
            size=2,
            members_per_job=2,
        ),
        exploration=ExplorationMaker(
            md_maker=engine(n_steps=400, sample_interval=20, timestep=2.0),
            n_starts=4,
            temperatures=(300.0,),
            pressures=(0.0,),
            runs_per_job=4,
        ),
        evaluation=EvaluationMaker(
            pilot_labels=12,
            closing_audit=20,
            rules=SelectionRules(max_selected=12, audit_min=4, audit_max=4),
        ),
        tolerance=TOLERANCE,
        max_bad_share=0.2,
        max_iterations=5,
    )
    campaign = run(maker.make([bulk("Cu", cubic=True)]))
    print(campaign.doc.stop_reason, len(campaign.doc.iterations))
    assert campaign.doc.stop_kind == "converged", campaign.doc.stop_reason
    fresh = teacher_frames(bulk("Cu", cubic=True) * (2, 1, 1), 300.0)
    members = load_committee(campaign.committee())
    found = error(evaluate_committee(members, fresh), fresh)
    for name, limit in TOLERANCE.items():
        bad = (found[name] > limit).mean()
        print(
            f"{engine.__name__} {name}: median {np.median(found[name]):.4f}, {bad:.0%}"
        )
        assert bad <= 0.2  # the share that the campaign allows


def teacher_frames(atoms, kelvin):
    """Frames of molecular dynamics with EMT, with its labels."""
    atoms.calc = EMT()
    rng = np.random.default_rng(7)
    MaxwellBoltzmannDistribution(atoms, temperature_K=2 * kelvin, rng=rng)
    dynamics = Langevin(
        atoms, 2 * units.fs, temperature_K=kelvin, friction=0.02 / units.fs, rng=rng
    )
    frames = []
    for _ in range(40):
        dynamics.run(25)
        frame = atoms.copy()
        frame.calc = SinglePointCalculator(
            frame,
            energy=atoms.get_potential_energy(),
            forces=atoms.get_forces(),
            stress=atoms.get_stress(),
        )
        frames.append(frame)
    return Dataset.from_atoms(frames)

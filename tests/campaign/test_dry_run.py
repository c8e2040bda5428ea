"""What a dry run announces is what the campaign does."""

from dataclasses import replace

import pytest
from ase.build import bulk, fcc111
from jobflow import run_locally

from flowpot import (
    ActiveLearningMaker,
    CommitteeTrainingMaker,
    EspressoStaticMaker,
    LabellingMaker,
    MACETrainingMaker,
    ValidationMaker,
)
from flowpot.campaign import dry_run, embedded_store
from flowpot.labelling.espresso.protocols import inequivalent_kpoints, kpoint_mesh
from trivial_campaign import ConstantTraining, trivial_campaign

AVERAGE = CommitteeTrainingMaker(
    trainer=MACETrainingMaker(hyperparameters={"E0s": "average"})
)
"""It needs no isolated atoms, which no augmentation makes here."""
LABEL_ONLY = {"training": None, "exploration": None, "evaluation": None}


def by_stage(plan):
    return {stage.stage: stage for stage in plan.stages}


def test_the_first_turn_is_as_announced(copper, run, jobstore):
    maker = copper(max_labels=6, **LABEL_ONLY)
    structures = [bulk("Cu", cubic=True)]
    plan = by_stage(dry_run(maker, structures))
    campaign = run(maker.make(structures))
    assert set(plan) == {"augmentation", "labelling"}
    frames = campaign.dataset()
    assert plan["labelling"].n_frames == len(frames) == 6
    assert plan["labelling"].n_atoms == frames.n_atoms.sum()
    assert "3 frames beyond max_labels" in plan["labelling"].note
    names = ["plan labels", "qe static", "collect labels"]
    n_jobs = {document["uuid"] for document in jobstore.query({"name": {"$in": names}})}
    # "plan labels" hands its uuid on to "collect labels".
    assert plan["labelling"].n_jobs == len(n_jobs) + 1


def test_kpoints_of_the_labels():
    structures = [bulk("Si", cubic=True), bulk("Si", cubic=True) * (2, 2, 2)]
    maker = ActiveLearningMaker(
        augmentation=None,
        labelling=LabellingMaker(static_maker=EspressoStaticMaker(kspacing=0.3)),
    )
    plan = dry_run(maker, structures)
    expected = sum(inequivalent_kpoints(s, kpoint_mesh(s, 0.3)) for s in structures)
    assert by_stage(plan)["labelling"].n_kpoints == expected
    assert plan.core_hours > 0
    assert "a rough model" in plan.basis


def test_a_cutoff_that_is_too_low_is_announced(silicon):
    def note(**system):
        espresso = EspressoStaticMaker(
            pseudo_family="debian-pbe", user_settings={"SYSTEM": system}
        )
        maker = ActiveLearningMaker(
            augmentation=None,
            labelling=LabellingMaker(static_maker=espresso),
            training=AVERAGE,
        )
        maker.make([silicon])
        return by_stage(dry_run(maker, [silicon]))["labelling"].note

    with pytest.warns(UserWarning, match=r"static_maker: ecutwfc is 20 Ry"):
        assert "ecutwfc is 20 Ry" in note(ecutwfc=20.0)
    assert note(ecutwfc=24.0) == note() == ""


@pytest.mark.parametrize("labeller", ["pretrain_with", "validator.reference_maker"])
def test_nor_do_other_labels_have_too_low_a_cutoff(labeller, silicon):
    low = EspressoStaticMaker(
        pseudo_family="debian-pbe", user_settings={"SYSTEM": {"ecutwfc": 20.0}}
    )
    options = {"pretrain_with": low}
    if labeller != "pretrain_with":
        validator = ValidationMaker(properties=("eos",), reference_maker=low)
        options = {"validator": validator, "property_tolerance": {"bulk_modulus": 0.1}}
    maker = ActiveLearningMaker(augmentation=None, training=AVERAGE, **options)
    with pytest.warns(UserWarning, match=rf"^{labeller}: ecutwfc is 20 Ry"):
        maker.make([silicon])


def test_a_validation_is_announced(silicon):
    slab = fcc111("Cu", (1, 1, 3), vacuum=8.0)
    maker = ActiveLearningMaker(
        augmentation=None,
        labelling=LabellingMaker(static_maker=EspressoStaticMaker(kspacing=0.3)),
        validator=ValidationMaker(properties=("eos", "elastic"), eos_points=5),
        property_tolerance={"bulk_modulus": 0.05},
    )
    stage = by_stage(dry_run(maker, [silicon, slab]))["validation"]
    assert (stage.n_frames, stage.n_atoms) == (6, 48)
    assert stage.n_kpoints == 6 * inequivalent_kpoints(
        silicon, kpoint_mesh(silicon, 0.3)
    )
    assert stage.core_hours > 0
    for words in (
        "where an iteration would end as converged: eos, elastic of Si Fd-3m by 4",
        "1 structures are no crystals",
        "6 reference calculations of eos, which count as labels",
    ):
        assert words in stage.note
    alone = replace(maker, property_tolerance={"C44": 0.1})
    stage = by_stage(dry_run(alone, [silicon]))["validation"]
    assert (stage.n_frames, stage.n_atoms) == (25, 25 * len(silicon))
    phonons = ValidationMaker(properties=("phonons",), supercell_length=10.0)
    costly = replace(
        alone, validator=phonons, property_tolerance={"highest_frequency": 0.1}
    )
    stage = by_stage(dry_run(costly, [silicon]))["validation"]
    assert stage.n_atoms == len(silicon) * (1 + 4 * 2**3)
    assert "of phonons, which count as labels" in stage.note
    unasked = replace(phonons, reference_properties=())
    stage = by_stage(dry_run(replace(costly, validator=unasked), [silicon]))
    assert stage["validation"].n_frames == 0
    with pytest.raises(ValueError, match=r"give crystals as validator\.structures"):
        dry_run(maker, [slab])


def test_every_stage_of_a_full_campaign(silicon):
    maker = ActiveLearningMaker.preset("smoke")
    plan = dry_run(maker, [silicon])
    stages = by_stage(plan)
    assert list(stages) == [
        *("augmentation", "labelling", "training", "exploration", "evaluation")
    ]
    assert stages["exploration"].note == "4 trajectories of 500 steps"
    assert stages["exploration"].n_frames == 4 * 20
    assert "BatchedMDMaker" in stages["exploration"].hint  # for cells this small
    assert stages["training"].n_jobs == 3
    assert plan.config_types["isolated_atom"] == 1
    assert sum(plan.config_types.values()) == stages["labelling"].n_frames


def test_stages_of_other_packages_are_named():
    plan = dry_run(trivial_campaign(1), [bulk("Cu")])
    stages = by_stage(plan)
    assert list(stages) == ["labelling", "training", "exploration", "evaluation"]
    assert "ConstantExploration" in stages["exploration"].note
    assert [stage.core_hours for stage in plan.stages] == [None] * 4
    assert plan.core_hours is None


def test_stages_beside_those_of_other_packages_are_planned(silicon):
    own = ActiveLearningMaker.preset("smoke")
    plan = dry_run(replace(own, training=ConstantTraining()), [silicon])
    stages = by_stage(plan)
    assert stages["labelling"].n_frames > 0
    assert "ConstantTraining" in stages["training"].note
    assert stages["exploration"].n_frames > 0
    other = trivial_campaign(1)
    plan = dry_run(replace(other, exploration=own.exploration), [silicon * (2, 1, 1)])
    assert by_stage(plan)["exploration"].core_hours > 0


def test_a_committee_is_not_trained(silicon, committee):
    maker = ActiveLearningMaker.preset("smoke")
    assert "training" not in by_stage(dry_run(maker, [silicon], committee=committee))


@pytest.mark.qe
def test_core_hours_by_what_was_done_before(silicon, clean_dir):
    """A store with one label prices the next at its own rate."""
    store = embedded_store("store")
    engine = EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=1.0,
        user_settings={"SYSTEM": {"ecutwfc": 12.0}},
    )
    maker = ActiveLearningMaker(
        augmentation=None, labelling=LabellingMaker(static_maker=engine), **LABEL_ONLY
    )
    silicon.rattle(0.05)
    before = dry_run(maker, [silicon], store=store)
    assert "0 labels" in before.basis
    run_locally(maker.make([silicon]), store=store, create_folders=True, log=False)
    document = store.query_one({"name": "qe static"})["output"]
    plan = by_stage(dry_run(maker, [silicon], store="store"))["labelling"]
    assert plan.n_kpoints == document["run"]["n_kpoints"]
    cost = document["run"]["core_seconds"] / 3600
    assert plan.core_hours == pytest.approx(cost)
    assert cost / 10 < before.core_hours < 10 * cost

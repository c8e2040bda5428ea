"""Campaigns as jobflow treats them: updated, serialised, part of larger flows."""

import json

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, job, run_locally
from monty.json import MontyDecoder, MontyEncoder, jsanitize
from pymatgen.core import Structure

from flowpot import (
    ActiveLearningMaker,
    AugmentationMaker,
    Campaign,
    CommitteeTrainingMaker,
    ExplorationMaker,
    LabellingMaker,
    LammpsMDMaker,
)
from flowpot.augmentation import Alloys, Dimers
from flowpot.campaign import LoopMaker
from flowpot.campaign.config.fields import named_classes
from flowpot.evaluation import CommitteeCalculator
from flowpot.exploration import ExplorationChange

LABEL_ONLY = {"training": None, "exploration": None, "evaluation": None}


@job
def crystal():
    """Return a structure, as a relaxation would."""
    return Structure.from_spacegroup(
        "Fm-3m", [[3.6, 0, 0], [0, 3.6, 0], [0, 0, 3.6]], ["Cu"], [[0, 0, 0]]
    )


@job
def energy_of(committee):
    """Use the committee of a campaign."""
    atoms = bulk("Cu", cubic=True)
    atoms.calc = CommitteeCalculator(committee)
    return atoms.get_potential_energy()


def test_a_step_between_others(copper, committee, jobstore, clean_dir):
    """Structures of an earlier job; a later one reads the committee."""
    before = crystal()
    maker = copper(training=None, exploration=None, evaluation=None)
    flow = maker.make(before.output, committee=committee)
    after = energy_of(flow.output.committee)
    whole = Flow([before, flow, after], output=after.output)
    run_locally(whole, store=jobstore, log=False, ensure_success=True)
    atoms = bulk("Cu", cubic=True)
    atoms.calc = CommitteeCalculator(committee)
    assert after.output.resolve(jobstore) == pytest.approx(atoms.get_potential_energy())
    dataset = Campaign.from_store(jobstore, "copper").dataset()
    kinds = dataset.info["config_type"].tolist()
    assert dataset.cell[kinds.index("input"), 0, 0] == pytest.approx(3.6)


def test_metadata_reach_every_job(copper, jobstore, clean_dir):
    flow = copper(**LABEL_ONLY).make([bulk("Cu", cubic=True)])
    flow.update_metadata({"project": "alloys"})
    run_locally(flow, store=jobstore, log=False, ensure_success=True)
    documents = list(jobstore.query(properties=["name", "metadata"]))
    assert {"qe static", "record iteration"} <= {each["name"] for each in documents}
    assert {each["metadata"]["project"] for each in documents} == {"alloys"}
    assert {each["metadata"]["campaign"] for each in documents} == {"copper"}


def test_makers_are_updated_at_any_depth(silicon):
    """By class, as powerups do it; the jobs that are yet to come follow."""
    flow = ActiveLearningMaker().make([silicon])
    flow.update_maker_kwargs({"protocol": "fast"}, name_filter="qe static")
    flow.update_maker_kwargs({"size": 3}, class_filter=CommitteeTrainingMaker)
    campaign = flow.jobs[-1].maker.campaign
    assert campaign.labelling.static_maker.protocol == "fast"
    assert campaign.training.size == 3


def test_an_update_holds_for_appended_jobs(copper, jobstore, clean_dir):
    flow = copper(augmentation=None, **LABEL_ONLY).make([bulk("Cu")])
    flow.update_maker_kwargs(
        {"_set": {"calculator_kwargs->asap_cutoff": True}},
        name_filter="qe static",
        dict_mod=True,
    )
    loop = flow.jobs[-1].run(jobstore)
    plan = next(j for j, _ in loop.replace.iterflow() if j.name == "plan labels")
    label = next(j for j in plan.run(jobstore).replace.jobs if j.name == "qe static")
    assert label.maker.calculator_kwargs == {"asap_cutoff": True}


@pytest.mark.parametrize("preset", ["smoke", "fast-exploration", "accuracy"])
def test_makers_survive_json(preset):
    maker = ActiveLearningMaker.preset(preset, max_labels=100)
    text = json.dumps(maker, cls=MontyEncoder)
    again = json.loads(text, cls=MontyDecoder)
    assert json.dumps(again, cls=MontyEncoder) == text
    assert again == maker
    assert ActiveLearningMaker.from_dict(maker.as_dict()) == maker


@pytest.mark.parametrize(
    "maker",
    [
        *(kind() for kind in named_classes() if kind is not Alloys),
        Alloys(alloy_species=["Cu", "Au"], fixed_species=["O"]),
        AugmentationMaker(extra=[Dimers()]),
        ActiveLearningMaker(elements=("Cu", "Au")),
        LabellingMaker(volume_per_atom=[5, 40], split_fractions=[0.6, 0.2, 0.2]),
        ExplorationMaker(
            temperatures=np.array([300.0, 600.0]),
            pressures=[np.array([0.0, 5.0]), 3],
            config_types=["md"],
            schedule=(ExplorationChange(temperatures=np.array([100.0])),),
        ),
        LammpsMDMaker(temperature=[300, 600], extra=["fix x all momentum 10"]),
    ],
    ids=lambda maker: type(maker).__name__,
)
def test_a_maker_equals_itself_after_json(maker):
    """JSON has no tuples, and knows no arrays."""
    again = json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder)
    assert again == maker
    assert type(maker).from_dict(maker.as_dict()) == maker


def test_flows_survive_json(silicon):
    """As jobflow-remote stores them; edited by a path into the loop's Maker."""
    flow = ActiveLearningMaker().make([silicon])
    flow.update_maker_kwargs(
        {"_set": {"campaign->max_iterations": 3}}, class_filter=LoopMaker, dict_mod=True
    )
    plain = jsanitize(flow, strict=True, enum_values=True)
    again = MontyDecoder().process_decoded(json.loads(json.dumps(plain)))
    loop = again.jobs[-1].maker
    assert loop.campaign.max_iterations == 3
    assert loop.campaign == flow.jobs[-1].maker.campaign

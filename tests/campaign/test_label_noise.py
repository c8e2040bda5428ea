"""Labels that are too noisy for the tolerance: a campaign says so, to its end."""

from dataclasses import replace

import pytest
from ase.build import bulk
from jobflow import run_locally

from flowpot import Campaign, LabellingMaker
from flowpot.campaign.document import IterationDoc
from flowpot.campaign.record import summarise, warned
from flowpot.campaign.state import CampaignState
from refinable_emt import ShiftingMaker
from trivial_campaign import trivial_campaign

WORDS = "the noise of the energy labels is 0.04 eV/atom, over a third of the"


@pytest.fixture
def run(jobstore, clean_dir):
    """Run a campaign of three iterations whose refined labels differ by `shift`."""

    def run(shift, **fields) -> Campaign:
        labelling = LabellingMaker(
            static_maker=ShiftingMaker(shift=shift, **fields),
            stress_convention="ase",
            noise_frames=1,
        )
        usual = trivial_campaign(3)
        maker = replace(usual, labelling=labelling, tolerance={"energy": 0.1})
        flow = maker.make(structures=[bulk("Cu", cubic=True)])
        run_locally(flow, store=jobstore, create_folders=True)
        return Campaign.from_store(jobstore, flow.output.uuid)

    return run


def test_every_iteration_and_the_stop_reason_warn(run, jobstore):
    campaign = run(0.04)
    assert campaign.doc.stop_kind == "max_iterations"
    warnings = [iteration.warnings for iteration in campaign.doc.iterations]
    assert [len(texts) for texts in warnings] == [1, 1, 1]
    assert all(texts[0].startswith(WORDS) for texts in warnings)
    assert f"note: {WORDS} tolerance 0.1: " in campaign.stop_reason
    names = [document["name"] for document in jobstore.query({}, ["name"])]
    assert names.count("static, refined") == 1


def test_noise_under_a_third_is_no_warning(run):
    campaign = run(0.03)
    assert not any(iteration.warnings for iteration in campaign.doc.iterations)
    assert "note: " not in campaign.stop_reason


def test_noise_that_could_not_be_measured_is_told(run):
    campaign = run(0.03, fails="refined")
    assert campaign.doc.stop_kind == "max_iterations"
    assert "note: the noise of the labels could not be measured" in campaign.stop_reason


def test_a_warning_is_there_once_beside_the_others():
    before = IterationDoc(iteration=1, warnings=["another"])
    noisy = warned(before, {"energy": 0.2, "forces": 0.1}, {"energy": 0.1})
    assert [text[:9] for text in noisy.warnings] == ["another", "the noise"]
    assert warned(noisy, {"energy": 0.2}, {"energy": 0.1}) == noisy
    assert before.warnings == ["another"]
    assert warned(summarise(1, 0, 0, {}), {}, {"energy": 0.1}).warnings is None


def test_states_of_before_are_read():
    stored = CampaignState("uuid").as_dict()
    del stored["noise"]
    assert CampaignState.from_dict(stored).noise is None

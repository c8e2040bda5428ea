"""Properties decide whether a campaign has converged, by potentials whose are known."""

from dataclasses import replace

import pytest
from jobflow import run_locally

from flowpot import ActiveLearningMaker, Campaign, LabellingMaker, ValidationMaker
from flowpot.campaign.validation import audited_by_labels
from flowpot.potentials import registry
from flowpot.report.verdicts import verdict
from refinable_emt import ShiftingMaker
from stiffened_emt import StiffenedEMT, StiffnessTraining, crystal
from trivial_campaign import ConstantExploration, ConvergedEvaluation

QUICK = {"properties": ("eos",), "eos_points": 5}


@pytest.fixture(autouse=True)
def stiffened(monkeypatch):
    """Let models of the teacher's kin be loaded as those of another package."""
    monkeypatch.setattr(registry, "registered", lambda *_: {"own": StiffenedEMT})


@pytest.fixture
def run(jobstore, clean_dir):
    def start(maker, **given) -> Campaign:
        flow = maker.make(**given)
        run_locally(flow, store=jobstore, create_folders=True, log=False)
        return Campaign.from_store(jobstore, flow.output.uuid)

    return start


def campaign(element="Cu", first=(-0.02, 0.02), **fields):
    usual = {
        "name": element,
        "augmentation": None,
        "labelling": LabellingMaker(
            static_maker=ShiftingMaker(), stress_convention="ase"
        ),
        "training": StiffnessTraining(first=first, element=element),
        "exploration": ConstantExploration(),
        "evaluation": ConvergedEvaluation(),
        "max_iterations": 4,
        "validator": ValidationMaker(**QUICK),
        "property_tolerance": {"bulk_modulus": 0.05},
    }
    return ActiveLearningMaker(**usual | fields)


@pytest.mark.parametrize(
    ("element", "first", "standing"),
    [
        ("Cu", (-0.005, 0.005), "wide"),
        ("Al", (0.02, 0.0201), "off"),  # members that agree, and are wrong
    ],
)
def test_it_goes_on_until_the_bulk_modulus_is_known(element, first, standing, run):
    done = run(campaign(element, first), structures=[crystal(element)])
    before, after = done.iteration_docs
    (lacking,) = before.properties
    assert lacking.standing == standing
    assert (lacking.crystal, lacking.interval_kind) == (
        f"{element} Fm-3m",
        "calibrated",
    )
    assert (before.n_reference, before.n_distorted, before.n_sent_total) == (6, 6, 7)
    (known,) = after.properties
    assert known.standing == "within"
    assert known.mean == pytest.approx(known.calculated, rel=0.05)
    assert known.excess < 1 < lacking.excess
    assert done.doc.stop_kind == "converged"
    assert str(known) in done.stop_reason
    # The cells were labelled by the audit, and not again.
    assert (after.n_sent_total, after.n_dataset) == (13, 7)
    labels = done.dataset()
    cells = labels[labels.column("config_type") == "validation"]
    assert set(cells.column("split")) == {"train"}
    assert len(cells) == 6


def test_elastic_constants_are_audited_too(run):
    """Members agree, and are wrong; labels of the strained cells mend it."""
    training = StiffnessTraining(first=(0.02, 0.0201), prior=1e-6, element="Al")
    maker = campaign(
        "Al",
        training=training,
        validator=ValidationMaker(properties=("elastic",)),
        property_tolerance={"bulk_modulus_elastic": 0.05},
    )
    done = run(maker, structures=[crystal("Al")])
    before, after = done.iteration_docs
    assert before.properties[0].standing == "off"
    assert after.properties[0].is_within
    assert (before.n_reference, before.n_distorted, after.n_sent_total) == (7, 7, 15)
    assert done.doc.stop_kind == "converged"
    unasked = replace(maker.validator, reference_properties=("eos",))
    assert audited_by_labels(maker) == ("elastic",)
    assert audited_by_labels(replace(maker, validator=unasked)) == ()


def test_a_property_that_is_known_ends_it_at_once(run):
    done = run(campaign(first=(0.0, 0.0001)), structures=[crystal()])
    (only,) = done.iteration_docs
    assert done.doc.stop_kind == "converged"
    assert only.properties[0].is_within
    assert only.n_distorted == 0
    assert done.doc.unlabelled is None
    assert verdict(done).cost.startswith("1 labels and 6 reference calculations of")


def test_a_budget_that_is_too_small_for_the_audit_ends_it(run):
    """Three labels are left, and an equation of state needs five."""
    done = run(campaign(first=(0.0, 0.0001), max_labels=4), structures=[crystal()])
    (only,) = done.iteration_docs
    assert (only.n_reference, only.n_sent_total) == (3, 4)
    assert only.properties[0].standing == "unaudited"
    assert done.doc.stop_kind == "max_labels"
    assert "without a reference, tolerance" not in done.doc.stop_reason
    assert "without a reference calculation" in done.doc.stop_reason
    assert "of 3 cells" in done.doc.stop_reason

"""What the loop does with a validation: goes on, ends, repeats, and what it refuses."""
# ruff: noqa: ARG002 - the stages honour the interface, and read nothing

from collections import Counter
from dataclasses import dataclass, field

import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from jobflow import Flow, Maker, run_locally

import trivial_campaign
from flowpot import (
    ActiveLearningMaker,
    Campaign,
    Dataset,
    EvaluationMaker,
    ValidationMaker,
)
from flowpot.campaign.convergence import lacking_in_words
from flowpot.campaign.reading.documents import CampaignDocuments
from flowpot.documents import recorded
from flowpot.jobs import stage_job
from flowpot.properties import CrystalDoc, MemberFailure, Quantity, ValidationDoc
from flowpot.properties.standing import PropertyStanding
from flowpot.report import write_report
from flowpot.report.next_steps import next_steps
from flowpot.report.verdicts import verdict
from trivial_campaign import (
    ConstantExploration,
    ConstantLabelling,
    ConstantTraining,
    ConvergedEvaluation,
    frame,
)

CALLS = Counter()


@dataclass
class Widths(Maker):
    """
    A validation of another package: the widths of the bulk modulus, one each time.

    None stands for a calculation that fails, an error for a stage that does, and "lost"
    for one that leaves no word.
    """

    name: str = "widths"
    widths: list = field(default_factory=list)

    def make(self, committee, structures, *, calibration=None, uncertainties=None):
        job = self.validate(structures)
        return Flow([job], output=job.output)

    @stage_job()
    @recorded(ValidationDoc)
    def validate(self, structures):
        width = self.widths[min(CALLS["validation"], len(self.widths) - 1)]
        CALLS["validation"] += 1
        if width == "lost":
            return dict.fromkeys(ValidationDoc.model_fields)
        if isinstance(width, str):
            raise RuntimeError(width)  # noqa: TRY004 - not of the argument
        crystal = CrystalDoc(name="Cu Fm-3m")
        if width is None:
            reason = "ArithmeticError: no convergence"
            crystal.failures = [
                MemberFailure(member=0, calculation="eos", reason=reason)
            ]
        else:
            crystal.quantities = [
                Quantity(
                    name="bulk_modulus",
                    calculation="eos",
                    unit="GPa",
                    members=[100.0, 100.0],
                    mean=100.0,
                    interval=(100.0 - width, 100.0 + width),
                    interval_kind="calibrated",
                )
            ]
        cells = Dataset.load(frame(100 + CALLS["validation"]))
        cells = cells.with_info(property=["eos"], crystal=["Cu Fm-3m"])
        return ValidationDoc(
            n_members=2,
            properties=["eos"],
            crystals=[crystal],
            dataset=cells.to_artifact("cells.h5"),
        ).model_dump(mode="json")


def maker(*widths, **fields):
    usual = {
        "name": "trivial",
        "augmentation": None,
        "labelling": ConstantLabelling(),
        "training": ConstantTraining(),
        "exploration": ConstantExploration(),
        "evaluation": ConvergedEvaluation(),
        "validator": Widths(widths=list(widths)),
        "property_tolerance": {"bulk_modulus": 0.05},
        "max_iterations": 6,
    }
    return ActiveLearningMaker(**usual | fields)


@pytest.fixture
def run(jobstore, clean_dir):
    CALLS.clear()

    def start(maker, **given) -> Campaign:
        flow = maker.make(**given or {"structures": [bulk("Cu")]})
        run_locally(flow, store=jobstore, log=False)
        return Campaign.from_store(jobstore, flow.output.uuid)

    return start


def test_it_ends_where_a_property_is_known_well_enough(run):
    done = run(maker(9.0, 8.0, 4.0))
    assert done.doc.stop_kind == "converged"
    assert [doc.iteration for doc in done.iteration_docs] == [1, 2, 3]
    assert [doc.n_distorted for doc in done.iteration_docs] == [1, 1, 0]
    assert done.doc.stop_reason.endswith(
        "bulk modulus of Cu Fm-3m 100.0 +- 4.0 GPa, known to 4 %, tolerance 5 %"
    )


def test_what_does_not_get_better_ends_it(run):
    """Cells are labelled twice; it may get worse in between."""
    done = run(maker(8.0, 9.0, 8.0, 1.0))
    assert len(done.iteration_docs) == 3
    assert done.doc.stop_kind == "not_converged"
    first, details = done.doc.stop_reason.split(". ", 1)
    assert first == (
        "not converged: bulk modulus of Cu Fm-3m 100 GPa +- 8 %, tolerance 5 %"
    )
    assert "did not get better although the cells were labelled twice" in details
    said = verdict(done)
    assert said.state == "not converged"
    assert said.headline == f"N{first[1:]}."
    assert "train for longer" in next_steps(done)[0].words.lower()
    assert len(Dataset.load(done.doc.unlabelled)) == 1


def test_the_limits_rule(run):
    done = run(maker(9.0, 8.0, 7.0, max_iterations=2))
    assert done.doc.stop_kind == "max_iterations"
    assert done.doc.stop_reason.count("bulk modulus of Cu Fm-3m 100.0 +- 8.0 GPa") == 1
    assert "done. Not converged: bulk modulus of" in done.doc.stop_reason
    assert "would have ended as converged: at most" in done.doc.stop_reason
    again = run(maker(9.0, 8.0, 1.0), campaign=done)
    assert again.doc.stop_kind == "converged"
    assert [doc.iteration for doc in again.iteration_docs] == [1, 2, 3]
    assert again.iteration_docs[-1].n_sent == 1


def test_a_calculation_that_fails_is_no_convergence(run):
    done = run(maker(None))
    assert done.doc.stop_kind == "not_converged"
    assert len(done.iteration_docs) == 1
    assert "eos failed (ArithmeticError: no convergence)" in done.doc.stop_reason


def test_a_validation_that_fails_ends_it_and_is_repeated_when_it_goes_on(run):
    done = run(maker("no phonopy", 1.0))
    assert done.doc.stop_kind == "failed"
    (only,) = done.iteration_docs
    assert (only.failed_stage, only.failure) == (
        "validation",
        "RuntimeError: no phonopy",
    )
    assert done.doc.stop_reason.startswith(
        "failed: the validation stage ended without a result. RuntimeError: no phonopy"
    )
    assert "without it: converged: at most" in done.doc.stop_reason
    again = run(maker("no phonopy", 1.0), campaign=done)
    assert again.doc.stop_kind == "converged"
    (only,) = again.iteration_docs
    assert only.failed_stage is None
    assert only.properties[0].is_within
    assert only.n_sent_total == done.iteration_docs[0].n_sent_total == 1


def test_a_converged_campaign_that_goes_on_with_a_validator_begins_with_it(run):
    done = run(maker(validator=None, property_tolerance=None))
    assert done.doc.stop_kind == "converged"
    again = run(maker(9.0, 1.0), campaign=done)
    first, second = again.iteration_docs
    assert first.n_distorted == 1
    assert not first.properties[0].is_within
    assert second.properties[0].is_within
    assert again.doc.stop_kind == "converged"
    without = run(maker(validator=None, property_tolerance=None), campaign=done)
    assert [doc.iteration for doc in without.iteration_docs] == [1, 2]


def test_a_validation_that_is_lost_has_a_second_try(run):
    done = run(maker("lost", 1.0))
    assert done.doc.stop_kind == "converged"
    assert len(done.iteration_docs) == 1
    done = run(maker("lost", "lost"))
    assert done.doc.stop_kind == "failed"
    assert "validation stage ended without a result" in done.doc.stop_reason


def test_status_and_report_show_the_properties(run, clean_dir):
    done = run(maker(9.0, 8.0, 4.0))
    page = write_report(done, clean_dir / "report.html").read_text()
    for words in ("100.0 ± 9.0 GPa", "uncertain", "known well enough", "by the error"):
        assert words in page
    from rich.console import Console

    from flowpot.report.status import status_view

    console = Console(width=100, record=True)
    console.print(status_view(done.status, done.iteration_docs))
    said = " ".join(console.export_text().split())
    assert (
        "iteration 3: bulk modulus of Cu Fm-3m 100.0 +- 4.0 GPa, known to 4 %, "
        "tolerance 5 %"
    ) in said


def test_a_validation_at_work_is_of_the_present_iteration(run, jobstore):
    """As the documents of a campaign lie in the store at the time."""
    done = run(maker(9.0, 4.0))
    documents = jobstore.docs_store
    cut = documents.query_one({"name": "widths"}, ["completed_at"])["completed_at"]
    documents.remove_docs({"completed_at": {"$gte": cut}})
    found = CampaignDocuments(jobstore, done.uuid)
    assert found.present == 1
    assert found.end is None


def standing(name, half_width, **fields):
    fields = {"tolerance": 0.05, "standing": "wide", "unit": "GPa"} | fields
    return PropertyStanding(
        crystal="Cu Fm-3m",
        name=name,
        calculation="eos",
        mean=131.0,
        half_width=half_width,
        **fields,
    )


def test_a_verdict_is_short_and_names_what_matters():
    wide, other = standing("bulk_modulus", 8.3), standing("shear_modulus", 9.0)
    known = standing("C44", 1.0, standing="within")
    assert lacking_in_words([known]) == ""
    said = lacking_in_words([known, wide])
    assert said == "bulk modulus of Cu Fm-3m 131 GPa +- 6.34 %, tolerance 5 %"
    said = lacking_in_words([known, wide, other])
    assert said == "2 of 3 properties not known well enough"
    off = standing("bulk_modulus", 1.0, standing="off", calculated=160.0)
    assert lacking_in_words([off]) == (
        "bulk modulus of Cu Fm-3m 131, not 160 GPa, tolerance 5 %"
    )


def test_an_interval_that_is_not_calibrated_says_why():
    doubt = {"interval_kind": "members", "reason": "there is no calibration of stress"}
    failed = {"n_failed": 1, "failure": "no convergence"}
    assert str(standing("bulk_modulus", 1.0, **doubt, **failed)) == (
        "bulk modulus of Cu Fm-3m 131.0 +- 1.0 GPa (by the members' spread, not "
        "calibrated: there is no calibration of stress), 1 of the members left out (no "
        "convergence), known to 0.763 %, tolerance 5 %"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"validator": None}, "there is no validator"),
        ({"property_tolerance": None}, "name what has to be known"),
        ({"property_tolerance": {}}, "name what has to be known"),
        ({"property_tolerance": {"bulk_modulos": 0.1}}, "did you mean 'bulk_modulus'"),
        ({"property_tolerance": {"bulk_modulus": 0}}, "must be positive"),
        ({"property_tolerance": {"bulk_modulus": "5 %"}}, "must be a number"),
        ({"property_tolerance": {"bulk_modulus": 5}}, "such as 0.05 for 5 %"),
        ({"property_tolerance": {"energy": 0.1}}, "its zero is a convention"),
        ({"property_tolerance": {"energy_drift": 0.1}}, "has no relative error"),
        ({"property_tolerance": {"phonon_GAMMA_2": 0.1}}, "it is a translation"),
        ({"property_tolerance": {"C54": 0.1}}, "it is called 'C45'"),
        ({"property_tolerance": [0.05]}, "must be a dictionary"),
        (
            {
                "validator": ValidationMaker(properties=("eos",)),
                "property_tolerance": {"C44": 0.1},
            },
            "add 'elastic'",
        ),
        ({"validator": EvaluationMaker()}, "give a ValidationMaker"),
        ({"validator": 3}, "must be a Maker"),
        ({"evaluation": None}, "no campaign converges"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        maker(1.0, **fields)


def test_crystals_are_needed():
    slab = fcc111("Cu", (1, 1, 3), vacuum=8.0, periodic=True)
    for structures in ([slab], [Atoms("Cu")]):
        with pytest.raises(ValueError, match=r"give crystals as validator\.structures"):
            maker(1.0).make(structures=structures)
    with pytest.raises(ValueError, match="begins without structures"):
        maker(1.0).make(dataset=trivial_campaign.frame())
    with pytest.raises(ValueError, match=r"structure 0 .* not periodic"):
        ValidationMaker(structures=[Atoms("Cu", cell=[9] * 3)])
    own = ValidationMaker(properties=("eos",), structures=[bulk("Cu")])
    maker(validator=own).make(dataset=trivial_campaign.frame())
    own = ValidationMaker(properties=("eos",), references={"Al": {"bulk_modulus": 70}})
    with pytest.raises(ValueError, match="there are 'Cu Fm-3m'"):
        maker(validator=own).make(structures=[bulk("Cu")])

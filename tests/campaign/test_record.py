"""The numbers of an iteration: which the loop reads, and how they are put together."""

import pytest

from flowpot.campaign.pretraining import FreeLabelsDoc
from flowpot.campaign.record import LOOP_STAGES, REPORTED, joined, summarise
from flowpot.campaign.validation import PropertiesDoc
from flowpot.evaluation.document import EvaluationDoc
from flowpot.exploration import ExplorationDoc
from flowpot.labelling import LabellingDoc
from flowpot.training import CommitteeDoc

DOCUMENTS = (
    *(LabellingDoc, FreeLabelsDoc, CommitteeDoc, CommitteeDoc),
    *(ExplorationDoc, EvaluationDoc, PropertiesDoc),
)


@pytest.mark.parametrize(
    ("stage", "document"), zip(LOOP_STAGES, DOCUMENTS, strict=True)
)
def test_stages_report_what_the_loop_reads(stage, document):
    assert set(REPORTED[stage].values()) <= set(document.model_fields)


def labelled(n, failed=0):
    """Return what a labelling stage reports."""
    numbers = {"n_labelled": n, "n_failed": failed, "n_sent": n + failed}
    return {"labelling": {"job": "a", "seconds": 2.0, **numbers}}


def test_numbers_are_added_to_those_before():
    doc = summarise(3, 100, 120, labelled(8, failed=2))
    assert (doc.iteration, doc.n_labelled, doc.n_failed) == (3, 8, 2)
    assert (doc.n_dataset, doc.n_sent_total) == (108, 130)
    assert doc.seconds == {"labelling": 2.0}
    assert doc.n_explored is None


def test_the_first_stage_without_a_result_has_failed():
    lost = {"job": "b", "seconds": None, "failure": None}
    doc = summarise(1, 0, 0, labelled(1) | {"training": lost, "exploration": lost})
    assert (doc.failed_stage, doc.failed_job, doc.failure) == ("training", "b", None)


def test_the_labels_of_a_pilot_are_added_to_the_iterations():
    begun = summarise(1, 10, 10, labelled(4))
    whole = joined(begun, summarise(1, begun.n_dataset, 14, labelled(6)))
    assert (whole.n_labelled, whole.n_pilot_labelled, whole.n_dataset) == (10, 6, 20)
    assert whole.seconds == {"labelling": 4.0}

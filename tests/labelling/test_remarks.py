"""What engines say of the labels that they give reaches whoever reads the campaign."""

import pytest
from ase.build import bulk
from jobflow import run_locally

from flowpot.dataset import Dataset
from flowpot.labelling import LabellingDoc, LabellingMaker, parts
from flowpot.labelling.document import LabelPartDoc
from flowpot.labelling.remarks import MOST_REMARKS, Remarks


def counted(remarks):
    return {(one.kind, one.text): one.n_frames for one in remarks.most_frequent()}


def test_remarks_that_differ_in_numbers_are_one():
    remarks = Remarks()
    for charge in ("7.99", "8.01E0", "-1e-3", "8."):
        remarks.add({"warnings": [f"charge {charge}: not 8", "twice", "twice"]})
    remarks.add({"corrections": [{"actions": ["nbnd = 12"]}]})
    remarks.add({"corrections": ["nbnd = 16"], "warnings": None})
    assert counted(remarks) == {
        ("warning", "charge 7.99: not 8"): 4,
        ("warning", "twice"): 4,
        ("remedy", "nbnd = 12"): 2,
    }


def test_rare_remarks_are_counted_together():
    """However many there are, and through however many parts, the sum is kept."""
    names = [chr(ord("a") + i) * 3 for i in range(26)]
    whole = Remarks()
    for first in range(0, 26, 13):
        part = Remarks()
        for turn, name in enumerate(names[first:] * 2 + ["aaa"]):
            part.add({"warnings": [name] if turn % 2 else [], "corrections": [name]})
        whole.include(one.model_dump() for one in part.most_frequent())
    found = counted(whole)
    assert len(found) <= MOST_REMARKS + 2
    texts = [text for _, text in found]
    assert sum(text.startswith("others") for text in texts) == 2
    assert sum(n for (kind, _), n in found.items() if kind == "remedy") == 2 * 39 + 2
    assert texts[-2:] == texts[-1:] * 2


@pytest.mark.parametrize("said", ["odd cell", ["odd cell"], ("odd cell", "odd cell")])
def test_a_makers_own_warnings_are_counted(said):
    """Whatever it calls several: one text is not as many as it has letters."""
    document = type("Document", (), {"warnings": said, "corrections": []})()
    remarks = Remarks()
    remarks.add(document)
    assert counted(remarks) == {("warning", "odd cell"): 1}


@pytest.mark.qe
@pytest.mark.parametrize("size", [1, 3])
def test_warnings_of_pw_are_counted(size, cheap, jobstore, clean_dir, monkeypatch):
    """Cutoffs below those of the pseudopotentials, frame by frame and in a batch."""
    monkeypatch.setattr(parts, "LABELS_PER_PART", 1)
    frames = Dataset.from_atoms([bulk("Si", a=5.43 * s) for s in (1.0, 1.05, 1.1)])
    maker = LabellingMaker(static_maker=cheap, batch_size=size)
    flow = maker.make(frames)
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    output = jobstore.get_output(flow.output.uuid, load=True)
    remarks = LabellingDoc.model_validate(output).remarks
    (low,) = [one for one in remarks if one.text.startswith("ecutwfc is 12 Ry")]
    assert (low.kind, low.n_frames) == ("warning", 3)


def test_a_maker_without_warnings_has_no_remarks(emt, jobstore, clean_dir):
    flow = LabellingMaker(static_maker=emt).make(bulk("Cu"))
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    output = jobstore.get_output(flow.output.uuid, load=True)
    assert LabellingDoc.model_validate(output).remarks == []


def test_parts_of_an_earlier_version_have_no_remarks(random_part):
    earlier = {name: value for name, value in random_part.items() if name != "remarks"}
    _, collected, _ = parts.gather(None, [earlier])
    assert counted(collected.remarks) == {}
    _, collected, _ = parts.gather(None, [random_part, random_part])
    assert counted(collected.remarks) == {("warning", "odd"): 2}


@pytest.fixture
def random_part():
    frames = Dataset.from_atoms([bulk("Si")])
    collected = parts.Collected()
    collected.remarks.add({"warnings": ["odd"]})
    document = parts.part_document(frames, collected, [])
    assert isinstance(document, LabelPartDoc)
    return document.model_dump() | {"job": "none"}

"""A campaign that fails anywhere leaves a document, a reason, and a report."""

from dataclasses import dataclass, replace

import pytest
from ase.build import bulk
from jobflow import Flow, Maker, run_locally
from rich.console import Console

import trivial_campaign as trivial
from flowpot import AugmentationMaker, Campaign, LabellingMaker
from flowpot.campaign import ResumableRun, embedded_store
from flowpot.campaign.loop import LoopMaker
from flowpot.documents import TRACEBACK_FILE, recorded
from flowpot.jobs import stage_job
from flowpot.report import write_report
from flowpot.report.status import status_view
from flowpot.report.verdicts import verdict
from flowpot.training.document import CommitteeDoc

REMEDY = "device 'cuda' is not here: pip install 'flowpot[mace]' [/b] a$b$ ${c"
STAGES = {
    "labelling": "LabellingDoc",
    "training": "CommitteeDoc",
    "exploration": "ExplorationDoc",
    "evaluation": "EvaluationDoc",
}


class EngineError(RuntimeError):
    """What an engine says."""


@pytest.fixture
def fail(monkeypatch):
    """Let a stage raise from the nth time on."""

    def set_up(stage, first):
        original = getattr(trivial, STAGES[stage])
        calls = []

        def make(**fields):
            calls.append(1)
            if len(calls) >= first:
                raise EngineError(REMEDY)
            return original(**fields)

        monkeypatch.setattr(trivial, STAGES[stage], make)

    return set_up


def shown(campaign):
    """Everything that the status command prints."""
    console = Console(width=400, markup=False)
    with console.capture() as capture:
        failures = campaign.failures.to_dict("records")
        console.print(status_view(campaign.status, campaign.iteration_docs, failures))
    return capture.get()


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_raises(stage, first, fail, tmp_path):
    """Its words are in the stop reason and the status, its traceback in its folder."""
    fail(stage, first)
    flow = trivial.trivial_campaign(4).make([bulk("Cu")])
    run = ResumableRun(tmp_path / "run", embedded_store(tmp_path / "store"))
    campaign = Campaign.from_store(run.store, run.run(flow).output.uuid)
    doc = campaign.doc
    assert doc.stop_kind == "failed"
    assert doc.stop_reason.endswith(
        f"{stage} stage ended without a result. EngineError: {REMEDY}"
    )
    assert len(doc.iterations) >= first
    assert len(campaign.dataset()) >= first - 1
    assert f"EngineError: {REMEDY}" in shown(campaign)
    text = write_report(campaign, tmp_path / "report").read_text()
    assert "EngineError" in text
    tracebacks = list((tmp_path / "run" / "jobs").rglob(TRACEBACK_FILE))
    assert len(tracebacks) == 2  # it was tried twice
    assert all(f"EngineError: {REMEDY}" in each.read_text() for each in tracebacks)


@dataclass
class RecordedTraining(trivial.ConstantTraining):
    """Says itself why it has failed."""

    @stage_job()
    @recorded(CommitteeDoc)
    def make(self, dataset, previous=None, seed=0):
        del dataset, previous, seed
        raise EngineError(REMEDY)


def test_a_stage_answers_that_it_has_failed(jobstore, clean_dir):
    maker = replace(trivial.trivial_campaign(4), training=RecordedTraining())
    flow = maker.make([bulk("Cu")])
    run_locally(flow, store=jobstore, log=False, create_folders=True)
    campaign = Campaign.from_store(jobstore, flow.output.uuid)
    assert campaign.doc.stop_reason.endswith(f"EngineError: {REMEDY}")
    assert REMEDY in shown(campaign)
    write_report(campaign, clean_dir / "report")
    [file] = clean_dir.rglob(TRACEBACK_FILE)
    assert "in make\n" in file.read_text()
    document = jobstore.query_one({"name": "collect committee"})
    assert document["output"]["traceback"] == str(file)


def test_the_first_stage_fails(jobstore, clean_dir, monkeypatch):
    """Before there is any iteration."""

    def broken(*_, **__):
        raise EngineError(REMEDY)

    monkeypatch.setattr("flowpot.augmentation.makers.augment", broken)
    maker = replace(trivial.trivial_campaign(2), augmentation=AugmentationMaker())
    flow = maker.make([bulk("Cu")])
    run_locally(flow, store=jobstore, log=False, create_folders=True)
    campaign = Campaign.from_store(jobstore, flow.output.uuid)
    assert campaign.doc.stop_reason.endswith(f"EngineError: {REMEDY}")
    assert verdict(campaign).headline == (
        "Failed before the first iteration: the augmentation stage ended without a "
        "result."
    )
    shown(campaign)
    write_report(campaign, clean_dir / "report")


@pytest.mark.parametrize("method", ["_end", "_append", "_document"])
def test_the_loop_itself_fails(method, jobstore, clean_dir, monkeypatch):
    original, calls = getattr(LoopMaker, method), []

    def broken(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise EngineError(REMEDY)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(LoopMaker, method, broken)
    campaign = trivial.run_trivial_campaign(jobstore, 2)
    assert campaign.doc.stop_kind == "failed"
    assert REMEDY in campaign.doc.stop_reason
    shown(campaign)
    write_report(campaign, clean_dir / "report")


@dataclass
class ForeignStatic(Maker):
    """Another package's static Maker: it knows nothing of failures in documents."""

    name: str = "their static"

    @stage_job()
    def make(self, structure, prev_dir=None):
        del structure, prev_dir
        raise EngineError(REMEDY)


def test_a_foreign_engine_in_a_local_run(tmp_path):
    """Whatever raises, its words reach the reason of each frame."""
    flow = LabellingMaker(static_maker=ForeignStatic()).make([bulk("Cu")] * 1)
    store = embedded_store(tmp_path / "store")
    events = []
    ResumableRun(
        tmp_path / "run",
        store,
        lambda event, job, result: events.append((event, job.name, result)),
    ).run(Flow([flow], output=flow.output))
    failed = [
        result
        for event, name, result in events
        if event == "failed" and name == "collect labels"
    ]
    assert REMEDY in str(failed[0])


@pytest.mark.parametrize("name", ["a$b$", "[/x]", "${c"])
def test_names_are_no_markup(name, jobstore, tmp_path, monkeypatch):
    """Neither rich's nor matplotlib's."""
    frame = trivial.Dataset.from_atoms([bulk("Cu")]).with_info(config_type=name)
    monkeypatch.setattr(trivial, "frame", lambda _=0: frame.to_artifact("frame.h5"))
    maker = replace(trivial.trivial_campaign(2), name=name)
    flow = maker.make([bulk("Cu")])
    run_locally(flow, store=jobstore, log=False)
    campaign = Campaign.from_store(jobstore, name)
    assert name in shown(campaign)
    assert name in str(campaign.dataset().describe())
    text = write_report(campaign, tmp_path).read_text()
    assert "MarkupError" not in text
    assert "ParseException" not in text

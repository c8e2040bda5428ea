"""A committee is pretrained on labels of other physics, and learns real ones then."""

# ruff: noqa: ARG002 - the stage honours its interface, and reads little
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from atomate2.forcefields.jobs import ForceFieldStaticMaker
from jobflow import Flow, run_locally

from flowpot import (
    ActiveLearningMaker,
    AugmentationMaker,
    CommitteeTrainingMaker,
    Dataset,
    LabellingMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.augmentation import Distortions
from flowpot.campaign.config.configuration import read_configuration
from flowpot.evaluation import error, evaluate_committee, load_committee
from flowpot.jobs import stage_job
from flowpot.labelling.calculators import check_calculator, missing_here
from flowpot.report.methods import methods_of
from flowpot.training.document import CommitteeDoc
from soft_emt import ATOM, SoftEMT, labelled
from trivial_campaign import ConstantEvaluation, ConstantExploration, committee

from .conftest import ENGINE

FREE = ForceFieldStaticMaker(name="free", force_field_name=ENGINE)
REAL = ForceFieldStaticMaker(
    name="real",
    force_field_name={"@module": SoftEMT.__module__, "@callable": "SoftEMT"},
)


def campaign_of(copper, **fields):
    """Return a campaign that labels 10 of 37 distorted frames, and trains."""
    stages = {
        "augmentation": AugmentationMaker(
            supercell=None,
            distortion=Distortions(n_frames=36, fraction=0.25, strain=(-0.05, 0.05)),
            clusters=None,
            slabs=None,
        ),
        "labelling": LabellingMaker(static_maker=REAL, max_labels=10),
        "training": CommitteeTrainingMaker(
            trainer=MACETrainingMaker.small(model="ScaleShiftMACE", max_num_epochs=40),
            size=2,
            members_per_job=2,
        ),
        "exploration": None,
        "evaluation": None,
        "pretrain_with": FREE,
    }
    return copper(**stages | fields)


TRAININGS = []


@dataclass
class QuickTraining(CommitteeTrainingMaker):
    """Notes what it is given, in place of a training; loses those that are to be."""

    name: str = "collect committee"
    lost: tuple[int, ...] = ()

    def make(self, dataset, previous=None, seed=0, pretrained=None):
        job = self.train(dataset, pretrained)
        return Flow([job], output=job.output)

    @stage_job(CommitteeDoc)
    def train(self, dataset, pretrained):
        TRAININGS.append((Dataset.load(dataset).labelled, pretrained is not None))
        if len(TRAININGS) in self.lost:
            raise OSError("what is killed says less")
        return committee()


@pytest.fixture
def quick(copper, run):
    """A function that runs a campaign without trainings, and returns its trainings."""

    def start(inputs=None, lost=(), maker=None, **fields):
        TRAININGS.clear()
        usual = {
            "training": QuickTraining(lost=lost),
            "exploration": ConstantExploration(),
            "evaluation": ConstantEvaluation(),
            "max_iterations": 2,
        }
        maker = campaign_of(copper, **usual | fields)
        given = inputs or {"structures": [bulk("Cu", cubic=True)]}
        return run(maker.make(**given)), list(TRAININGS)

    return start


def n_jobs(jobstore, **wanted):
    """Count the jobs of a kind."""
    return len(list(jobstore.query(wanted, properties=["uuid"])))


def test_free_labels_are_for_the_pretraining_alone(quick, jobstore):
    """Every training starts from the pretrained committee; no count has them."""
    campaign, trainings = quick()
    assert campaign.doc.stop_kind == "max_iterations", campaign.doc.stop_reason
    first, second = campaign.iteration_docs
    assert [starts for _, starts in trainings] == [False, True, True]
    free, real, more = (frames for frames, _ in trainings)
    assert len(free[~free.is_isolated_atom]) == first.n_free > 30
    assert (len(real), len(more)) == (10, 11)
    assert (first.n_sent, second.n_sent_total, second.n_free) == (10, 11, None)
    assert first.free_error["forces"] > 0.01
    assert len(campaign.labels()) == len(campaign.dataset()) == 11
    sets = dict(zip(real.fingerprints, real.info["split"], strict=True))
    both = [n for n, each in enumerate(free.fingerprints) if each in sets]
    assert [free.info["split"][n] for n in both] == [
        sets[free.fingerprints[n]] for n in both
    ]
    assert n_jobs(jobstore, **{"metadata.stage": "free labels"}) == 4
    assert f"{first.n_free} frames labelled by" in str(methods_of(campaign))
    assert campaign.status.stages[-1].iteration == 2


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_training_is_repeated_without_new_labels(lost, quick, jobstore):
    """Of the pretraining, or of the training after it."""
    campaign, trainings = quick(lost=(lost,), max_iterations=2)
    failed = [doc.failed_stage for doc in campaign.iteration_docs]
    assert failed == [("pretraining", "training")[lost - 1], None]
    assert n_jobs(jobstore, name="free") == 1
    assert n_jobs(jobstore, name="real") == 10
    # What waits for a lost job does not run.
    starts = [starts for _, starts in trainings]
    assert starts == ([False, False, True] if lost == 1 else [False, True, True])


def test_a_labeller_that_lacks_an_element_is_named(quick, run, jobstore):
    """The real labels stay, and a campaign that goes on pretrains from there."""
    anything = {"@module": "ase.calculators.lj", "@callable": "LennardJones"}
    general = ForceFieldStaticMaker(
        name="real",
        force_field_name=anything,
        calculator_kwargs={"sigma": 2.1, "rc": 5.0},
    )
    fields = {"labelling": LabellingMaker(static_maker=general, max_labels=6)}
    silicon = {"structures": [bulk("Si", cubic=True)]}
    campaign, trainings = quick(silicon, **fields)
    reason = campaign.doc.stop_reason
    assert "free labels stage" in reason
    assert "pretrain_with: LabellingError: only 0 of" in reason
    assert not trainings
    maker = ActiveLearningMaker(
        name="copper",
        training=QuickTraining(),
        exploration=None,
        evaluation=None,
        pretrain_with=replace(general, name="other"),
        **fields,
    )
    again = run(maker.make(campaign=campaign))
    assert [starts for _, starts in TRAININGS] == [False, True]
    assert again.iteration_docs[-1].n_free > 20  # others have too large forces
    assert n_jobs(jobstore, name="real") == 6
    with pytest.raises(ValueError, match=r"pretrain_with, 'free', does not label Si"):
        replace(maker, labelling=None, pretrain_with=FREE).preflight(**silicon)


def test_what_cannot_be_pretrained_is_refused(copper):
    quick = QuickTraining()
    for wrong, message in (
        (EMT(), "pretrain_with is a EMT: it must be a Maker"),
        (AugmentationMaker(), "pretrain_with is a AugmentationMaker: give a Maker tha"),
        (MACETrainingMaker(), "pretrain_with is a MACETrainingMaker: give a Maker"),
    ):
        with pytest.raises(ValueError, match=message):
            copper(training=quick, pretrain_with=wrong)
    with pytest.raises(ValueError, match="pretrain_with is given, and training is No"):
        copper(training=None, pretrain_with=FREE)
    maker = copper(pretrain_with=FREE)
    with pytest.raises(ValueError, match="pretrain_with is given, and so is a commit"):
        maker.make(structures=[bulk("Cu")], committee=committee())


def test_architectures_that_start_from_no_weights_are_refused(copper):
    pytest.importorskip("metatrain")
    trainer = MetatrainTrainingMaker(architecture="soap_bpnn")
    maker = copper(
        training=CommitteeTrainingMaker(trainer=trainer, size=2), pretrain_with=FREE
    )
    with pytest.raises(ValueError, match="pretrain_with is given, and architecture"):
        maker.make([bulk("Cu")])
    trainer = MetatrainTrainingMaker(architecture="pet")
    replace(maker, training=CommitteeTrainingMaker(trainer=trainer)).make([bulk("Cu")])


FILE = """
name: copper
structures: [Cu.cif]
labelling: {max_labels: 30}
pretrain_with:
  maker: LabellingMaker
  max_labels: 40
  static_maker:
    maker: atomate2.forcefields.jobs.ForceFieldStaticMaker
    force_field_name: CHGNet
"""


def test_a_file_and_its_plan(clean_dir):
    """YAML as in Python; a plan says what is free, and where little is gained."""
    bulk("Cu", cubic=True).write("Cu.cif")
    (clean_dir / "copper.yaml").write_text(FILE)
    read = read_configuration(clean_dir / "copper.yaml")
    labeller = read.maker.pretrain_with
    assert isinstance(labeller, LabellingMaker)
    assert labeller.static_maker.name.startswith("Force field static")
    plan = read.maker.dry_run(**read.inputs)
    stages = {stage.stage: stage for stage in plan.stages}
    assert list(stages)[1:5] == ["labelling", "free labels", "pretraining", "training"]
    assert stages["pretraining"].n_frames == stages["free labels"].n_frames == 40
    assert "little is gained" not in stages["free labels"].note
    eager = replace(read.maker, labelling=LabellingMaker())
    plan = eager.dry_run(**read.inputs)
    (stage,) = [each for each in plan.stages if each.stage == "free labels"]
    assert "little is gained" in stage.note


@pytest.mark.skipif(
    find_spec("chgnet") is not None or find_spec("matgl") is not None,
    reason="CHGNet is here",
)
def test_a_calculator_that_is_not_here_is_named_with_its_package(copper):
    """A plan tells, as it may be on the workers; before a run it is an error."""
    structures, remedy = [bulk("Cu", cubic=True)], "`pip install chgnet` where"
    for maker in (
        copper(pretrain_with=ForceFieldStaticMaker(force_field_name="CHGNet")),
        copper(
            labelling=LabellingMaker(
                static_maker=ForceFieldStaticMaker(
                    force_field_name={
                        "@module": "chgnet.model.dynamics",
                        "@callable": "CHGNetCalculator",
                    }
                )
            )
        ),
    ):
        plan = maker.dry_run(structures)
        (note,) = [s.note for s in plan.stages if "its calculator is not" in s.note]
        assert remedy in note
        with pytest.raises(ValueError, match=f"has no calculator: Module.*; {remedy}"):
            maker.preflight(structures)


def test_a_module_that_no_package_is_known_of():
    nowhere = {"@module": "no.module", "@callable": "Calculator"}
    maker = ForceFieldStaticMaker(force_field_name=nowhere)
    with pytest.raises(ValueError, match="install the package with the module 'no'"):
        check_calculator(place=maker)
    assert "the module 'no'" in missing_here(maker)[0]
    assert missing_here(FREE) == []
    assert missing_here(None) == []


@pytest.mark.slow
def test_few_labels_teach_a_pretrained_committee_more(copper, run, jobstore, clean_dir):
    """The law, by real trainings: EMT for nothing, and ten labels of a softer one."""
    maker = campaign_of(copper)
    campaign = run(maker.make([bulk("Cu", cubic=True)]))
    assert campaign.doc.stop_kind == "completed", campaign.doc.stop_reason
    (iteration,) = campaign.iteration_docs
    assert (iteration.n_sent_total, iteration.n_labelled) == (10, 10)
    assert iteration.n_free >= 30
    dataset = campaign.dataset()
    assert len(dataset) == 10  # free labels are no part of it
    assert (dataset.energy / dataset.n_atoms < 0.9 * ATOM["Cu"]).all()
    labels = jobstore.query({"name": "free"}, load=False)
    assert len(list(labels)) == 1  # one job for all of them
    text = " ".join(methods_of(campaign).paragraphs)
    assert f"pretrained on {iteration.n_free} frames" in text

    test = labelled(rattled(20), SoftEMT)
    tuned = campaign.committee()
    scratch = CommitteeTrainingMaker.make(maker.training, dataset, seed=1)
    run_locally(scratch, store=jobstore, create_folders=True, ensure_success=True)
    output = jobstore.get_output(scratch.output.uuid, load=True)
    scratch = CommitteeDoc.model_validate(campaign._documents.resolve(output))
    assert force_error(tuned, test) < 0.6 * force_error(scratch, test)
    starts = pretrained_members(jobstore, campaign)
    assert len({start.model.sha256 for start in starts}) == 2  # each has its own
    assert [start.e0s for start in starts] == [member.e0s for member in tuned.members]


def rattled(n):
    """Copper as the augmentation distorts it, in other frames."""
    frames = []
    for seed in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * (0.97 + 0.003 * seed), scale_atoms=True)
        atoms.rattle(0.12, seed=1000 + seed)
        frames.append(atoms)
    return frames


def force_error(committee, test):
    """Return the root mean square error of the mean forces (eV/A)."""
    predicted = evaluate_committee(load_committee(committee), test)
    return np.sqrt(np.mean(error(predicted, test)["forces"] ** 2))


def pretrained_members(jobstore, campaign):
    """Return the members that were trained on free labels."""
    query = {"name": "collect committee", "metadata.stage": "pretraining"}
    (document,) = jobstore.query(query, load=False)
    read = campaign._documents.read(document)
    return CommitteeDoc.model_validate(read).members

"""Properties decide in a campaign of jobflow-remote, whose jobs know only the store."""

import os
import sys

import pytest
from jobflow_remote import set_run_config, submit_flow
from jobflow_remote.jobs.state import JobState

from flowpot import ActiveLearningMaker, Campaign, LabellingMaker, ValidationMaker
from flowpot.jobs import JobName
from refinable_emt import ShiftingMaker
from stiffened_emt import StiffenedEMT, StiffnessTraining, crystal
from trivial_campaign import ConstantExploration, ConvergedEvaluation

pytestmark = pytest.mark.integration

MAKER = ActiveLearningMaker(
    name="stiffness",
    augmentation=None,
    labelling=LabellingMaker(
        static_maker=ShiftingMaker(name="qe static"), stress_convention="ase"
    ),
    training=StiffnessTraining(),
    exploration=ConstantExploration(),
    evaluation=ConvergedEvaluation(),
    max_iterations=4,
    validator=ValidationMaker(properties=("eos",), eos_points=5),
    property_tolerance={"bulk_modulus": 0.05},
)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Announce the potential to all processes, as an installed package does."""
    folder = tmp_path / "site" / "stiffened-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: stiffened\n")
    point = f"own = {StiffenedEMT.__module__}:{StiffenedEMT.__name__}"
    (folder / "entry_points.txt").write_text(f"[flowpot.potentials]\n{point}\n")
    paths = [str(folder.parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])


@pytest.mark.slow
def test_it_goes_on_until_the_bulk_modulus_is_known(installed, runner):
    flow = MAKER.make(structures=[crystal()])
    set_run_config(flow, name_filter=JobName.QE_STATIC.value, worker="dft")
    submit_flow(flow, worker="main")
    runner.start()
    assert set(runner.finish()) == {JobState.COMPLETED}
    validated = runner.jobs(JobName.VALIDATE.value)
    assert [info.worker for info in validated] == ["main"] * 4
    labelled = runner.jobs(JobName.QE_STATIC.value)
    # One frame, and twice the cells of the equation of state.
    assert [info.worker for info in labelled] == ["dft"] * 13
    with runner.project.get_jobstore() as store:
        done = Campaign.from_store(store, "stiffness")
        before, after = done.iteration_docs
        assert done.doc.stop_kind == "converged"
        labels = done.dataset()
    assert before.properties[0].standing == "wide"
    assert (before.n_reference, before.n_distorted, before.n_sent_total) == (6, 6, 7)
    (known,) = after.properties
    assert known.is_within
    assert known.mean == pytest.approx(known.calculated, rel=0.05)
    # The cells were labelled by the audit, and not again.
    assert (after.n_sent_total, after.n_dataset) == (13, 7)
    assert (labels.column("config_type") == "validation").sum() == 6

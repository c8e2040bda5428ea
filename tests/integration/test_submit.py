"""A campaign's file handed to jobflow-remote by the command line."""

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from jobflow_remote.jobs.state import JobState
from typer.testing import CliRunner

from flowpot import Dataset
from flowpot.campaign.reading.queue import is_waiting
from flowpot.cli import app

pytestmark = pytest.mark.integration

COPPER = """
name: submitted
structures: copper.cif
augmentation: null
labelling:
  static_maker:
    maker: atomate2.forcefields.jobs.ForceFieldStaticMaker
    name: qe static
    force_field_name: {"@module": ase.calculators.emt, "@callable": EMT}
training: null
exploration: null
"""


@pytest.fixture
def submitted(runner, tmp_path):
    """The project, with the file handed to it; and what the command said."""
    write(tmp_path / "copper.cif", bulk("Cu", cubic=True))
    path = tmp_path / "campaign.yaml"
    path.write_text(COPPER)
    workers = ["--worker", "main", "--worker", "qe static=dft"]
    said = CliRunner().invoke(app, ["run", str(path), "--submit", *workers])
    assert said.exit_code == 0, said.output
    return runner, said.output


def test_a_file_is_submitted_with_workers_by_kind(submitted, tmp_path):
    runner, said = submitted
    assert "`jf flowpot status submitted`" in " ".join(said.split())
    assert not (tmp_path / "campaign").exists()

    controller = runner.controller
    (first,) = controller.get_jobs_info()
    assert (first.name, first.worker) == ("active learning", "main")
    job = controller.get_job_doc(job_id=first.uuid, job_index=1).job
    assert job.metadata["campaign"] == "submitted"
    # Jobs that are yet to come get their workers from what the loop's job hands on.
    (update,) = job.config_updates
    assert update["name_filter"] == "qe static"
    assert "dft" in str(update["config"])


def test_watching_begins_before_the_first_job_has_finished(submitted, monkeypatch):
    """It waits for what is in the queue; for what is not, and failed, it does not."""
    runner, _ = submitted
    assert is_waiting(runner.controller, "submitted")
    assert is_waiting(runner.controller, None)
    assert not is_waiting(runner.controller, "gold")
    looks = []

    def fail(seconds):
        if seconds != 3:  # somebody else's pause
            return
        looks.append(seconds)
        (first,) = runner.controller.get_jobs_info()
        runner.controller.set_job_state(JobState.FAILED, db_id=first.db_id)

    monkeypatch.setattr("flowpot.cli.reading.time.sleep", fail)
    command = ["status", "submitted", "--project", "flowpot", "--watch"]
    said = CliRunner().invoke(app, [*command, "--interval", "3"])
    assert looks == [3]
    assert said.exit_code == 1
    assert "Submitted: none of its jobs has finished yet" in said.output
    assert "no campaign 'submitted'" in said.output


@pytest.mark.slow
def test_it_runs_to_the_end_and_is_read_back(submitted, tmp_path):
    runner, _ = submitted
    runner.start()
    assert set(runner.finish()) == {JobState.COMPLETED}
    assert {info.worker for info in runner.jobs("qe static")} == {"dft"}
    assert {info.worker for info in runner.jobs("collect labels")} == {"main"}

    where = ["submitted", "--project", "flowpot"]
    said = CliRunner().invoke(app, ["status", *where])
    assert said.exit_code == 0, said.output
    assert "completed" in said.output
    out = tmp_path / "out.xyz"
    said = CliRunner().invoke(app, ["export", *where, "--dataset", str(out)])
    assert said.exit_code == 0, said.output
    expected = bulk("Cu")
    expected.calc = EMT()
    labelled = Dataset.read(out)  # the file's conventional cell
    energy = labelled.energy / labelled.n_atoms
    assert energy == pytest.approx([expected.get_potential_energy()])

"""A campaign's file handed to jobflow-remote by the command line."""

import pytest
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

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


def test_a_file_is_submitted_with_workers_by_kind(remote_project, tmp_path):
    write(tmp_path / "copper.cif", bulk("Cu", cubic=True))
    path = tmp_path / "campaign.yaml"
    path.write_text(COPPER)
    workers = ["--worker", "main", "--worker", "qe static=dft"]
    said = CliRunner().invoke(app, ["run", str(path), "--submit", *workers])
    assert said.exit_code == 0, said.output
    assert "Submitted" in said.output
    assert not (tmp_path / "campaign").exists()

    controller = remote_project.get_job_controller()
    (first,) = controller.get_jobs_info()
    assert (first.name, first.worker) == ("active learning", "main")
    job = controller.get_job_doc(job_id=first.uuid, job_index=1).job
    assert job.metadata["campaign"] == "submitted"
    # Jobs that are yet to come get their workers from what the loop's job hands on.
    (update,) = job.config_updates
    assert update["name_filter"] == "qe static"
    assert "dft" in str(update["config"])

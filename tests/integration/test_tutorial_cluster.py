"""The tutorial on clusters, block by block: a real queue, a real runner as a daemon."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
from slurm_cluster import OneNodeSlurm, missing_for_slurm

from markdown_blocks import run_blocks

pytestmark = pytest.mark.integration

TUTORIAL = Path(__file__).parents[2] / "tutorials/03_cluster.md"
_EMT = {"@module": "ase.calculators.emt", "@callable": "EMT"}
_RESOURCES = (
    '    resources: {ntasks: 32, time: "02:00:00", partition: cpu}\n',
    (
        '    resources: {ntasks: 1, cpus_per_task: 8, gres: "gpu:1", time: "08:00:00", '
        "partition: gpu}\n"
    ),
    '    resources: {ntasks: 32, time: "04:00:00", partition: cpu}\n',
)
SMALL = [
    # The project: this machine's database, folders and environment.
    (
        "uri: mongodb://me:secret@db.example.org/?serverSelectionTimeoutMS=300000",
        "uri: {uri}",
    ),
    ("database: flowpot", "database: {database}"),
    ("source /home/me/flowpot/.venv/bin/activate", "export PATH={bin}:$PATH"),
    ("/scratch/me/flowpot", "{home}/scratch"),
    ("/home/me/pseudos", "{home}/pseudos"),
    ("    modules: [QuantumESPRESSO/7.4]\n", ""),
    (
        "name: flowpot\n",
        (
            "name: flowpot\nrunner: {{delay_checkout: 0.5, "
            "delay_check_run_status: 0.5, delay_advance_status: 0.5}}\n"
        ),
    ),
    # The campaign: copper by EMT, and little of it.
    (
        "    EspressoStaticMaker,\n",
        "    AugmentationMaker,\n",
    ),
    (
        "campaign = ActiveLearningMaker(\n",
        (
            "from atomate2.forcefields.jobs import ForceFieldStaticMaker\n"
            "from flowpot.augmentation import Distortions\n"
            "campaign = ActiveLearningMaker(\n"
            "    augmentation=AugmentationMaker(supercell=None, clusters=None, "
            "slabs=None, distortion=Distortions(n_frames=5, fraction=0.1)),\n"
            "    max_iterations=1, evaluation=None,\n"
        ),
    ),
    (
        "EspressoStaticMaker(walltime=3600)",
        f"ForceFieldStaticMaker(name='qe static', force_field_name={_EMT})".replace(
            "{", "{{"
        ).replace("}", "}}"),
    ),
    (
        'MACETrainingMaker(device="cuda", walltime=25000)',
        "MACETrainingMaker.small(max_num_epochs=2)",
    ),
    (
        "LammpsMDMaker(walltime=25000))",
        "LammpsMDMaker(n_steps=20, sample_interval=10), n_starts=2)",
    ),
    ("jf runner start", "jf runner start --log-level error"),
    ("--watch\n", "--watch --interval 1\n"),
]
SHELL = [
    ("scheduler_type: slurm", "scheduler_type: shell"),
    *((line, "") for line in _RESOURCES),
]
SLURM = [
    (line, "    resources: {{ntasks: 1, time: '00:10:00'}}\n") for line in _RESOURCES
]


@pytest.fixture
def home(monkeypatch):
    """A home of its own, its path short enough for the sockets of jf's daemon."""
    home = Path(tempfile.mkdtemp(prefix="jf-"))
    for name in ("loop", "cpu", "gpu", "labels", "handles", "batches"):
        (home / "scratch" / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("JFREMOTE_PROJECTS_FOLDER", "JFREMOTE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(home)
    yield home
    subprocess.run(
        [Path(sys.executable).parent / "jf", "runner", "kill"],
        check=False,
        capture_output=True,
        env=os.environ,
    )
    shutil.rmtree(home, ignore_errors=True)


def run_tutorial(home, mongo_uri, changes):
    """Run the blocks with this machine's names in the place of the tutorial's."""
    here = {
        "uri": mongo_uri,
        "database": f"tutorial_{uuid.uuid4().hex}",
        "bin": str(Path(sys.executable).parent),
        "home": str(home),
    }
    short = [(long, brief.format(**here)) for long, brief in changes]
    return run_blocks(TUTORIAL, home, short)


@pytest.mark.slow  # test_stores_and_workers has a campaign under the runner, too
def test_on_this_machine(home, mongo_uri):
    assert run_tutorial(home, mongo_uri, SMALL + SHELL) >= 6
    assert (home / "flowpot-report/report.html").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    missing_for_slurm() is not None, reason=f"Slurm: {missing_for_slurm()}"
)
def test_on_slurm(home, mongo_uri, monkeypatch):
    cluster = OneNodeSlurm(home / "slurm")
    monkeypatch.setenv("SLURM_CONF", str(cluster.config))
    try:
        cluster.start()
        assert run_tutorial(home, mongo_uri, SMALL + SLURM) >= 6
        names = {job["Name"] for job in cluster.completed()}
    finally:
        cluster.stop()
    assert {"qe_static", "mace_train"} <= names

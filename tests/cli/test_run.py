"""`flowpot run`: used folders, interruptions, and what is said of errors."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from typer.testing import CliRunner

from flowpot import Campaign, Dataset
from flowpot.campaign import embedded_store
from flowpot.campaign.local.guards import locked
from flowpot.cli import app
from flowpot.cli.run import _look_commands
from flowpot.report.next_steps import next_steps

COPPER = {
    "name": "copper",
    "structures": "cell.cif",
    "augmentation": {
        "supercell": None,
        "distortion": {"n_frames": 3, "fraction": 0.1, "strain": [-0.03, 0.05]},
        "clusters": None,
        "slabs": None,
    },
    "labelling": {
        "static_maker": {
            "maker": "atomate2.forcefields.jobs.ForceFieldStaticMaker",
            "name": "qe static",
            "force_field_name": {"@module": "ase.calculators.emt", "@callable": "EMT"},
        }
    },
    "training": None,
    "exploration": None,
    "max_labels": 2,
}


INCAPABLE = {"@module": "ase.calculators.calculator", "@callable": "Calculator"}
"""A calculator that can be made, and calculates nothing."""


@pytest.fixture
def campaign_run(clean_dir):
    """Write a campaign's file and run it; return what was printed."""
    write("cell.cif", bulk("Cu", cubic=True))

    def call(*options, code=0, **changes):
        (clean_dir / "c.yaml").write_text(yaml.safe_dump(COPPER | changes))
        words = ["run", "c.yaml", *options]
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    return call


def names(store):
    return sorted({d["metadata"]["campaign"] for d in store.query({}, ["metadata"])})


def test_the_same_file_shows_its_result_again(campaign_run):
    first = campaign_run()
    assert "Starting a campaign" in first
    again = campaign_run()
    assert "Taking up the campaign" in again
    end = slice(first.index("Stopped, "), first.index(" database"))
    assert first[end] in again


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"max_labels": 3}, "max_labels was 2, now 3"),
        ({"name": "gold"}, "name was 'copper', now 'gold'"),
        ({"seed": 1}, "seed was 0, now 1"),
        (
            {"augmentation": COPPER["augmentation"] | {"supercell": {"min_length": 6}}},
            "augmentation.supercell was None",
        ),
    ],
)
def test_an_edited_file_in_a_used_folder(campaign_run, changes, named):
    campaign_run()
    said = campaign_run(code=1, **changes)
    assert named in said
    assert "--continue" in said
    assert "another folder" in said
    assert "Starting a campaign" in campaign_run("--folder", "other", **changes)


def test_other_structures_under_the_same_name(campaign_run):
    campaign_run()
    write("cell.cif", bulk("Cu", cubic=True, a=3.7))
    assert "structures has another content" in campaign_run(code=1)


@pytest.mark.parametrize("column", ["split", "config_type"])
def test_other_sets_of_the_same_frames(campaign_run, clean_dir, column):
    """Sets decide what is trained on; a folder of an earlier version is taken up."""
    frames = [bulk("Cu", a=a) for a in (3.5, 3.6, 3.7)]
    for atoms in frames:
        atoms.calc = EMT()
        atoms.get_forces()
    labelled = Dataset.from_atoms(frames)
    given = {"dataset": "frames.xyz", "structures": None, "augmentation": None}

    def call(values, **options):
        labelled.with_info(**{column: values}).write("frames.xyz")
        return campaign_run(**given, **options)

    call(["train", "val", "test"])
    assert "Taking up" in call(["train", "val", "test"])
    said = call(["test", "val", "train"], code=1)
    assert f"dataset has other values of {column!r}" in said
    path = clean_dir / "c" / "run" / "campaign.json"
    description = json.loads(path.read_text())
    description["inputs"]["dataset"] = description["inputs"]["dataset"]["content"]
    path.write_text(json.dumps(description))
    assert "Taking up" in call(["train", "val", "test"])


def test_an_older_folder_without_a_description(campaign_run, clean_dir):
    campaign_run()
    (clean_dir / "c" / "run" / "campaign.json").unlink()
    campaign_run()
    assert "max_labels was 2, now 3" in campaign_run(code=1, max_labels=3)


def test_continued_after_a_rename(campaign_run, clean_dir):
    """By what the folder holds, not by the name."""
    campaign_run()
    said = campaign_run("--continue", name="gold", max_labels=4)
    assert "Continuing a campaign" in said
    store = embedded_store(clean_dir / "c" / "store")
    assert len(Campaign.from_store(store, "gold").dataset()) == 4
    assert names(store) == ["copper", "gold"]
    assert "Taking up the campaign" in campaign_run(name="gold", max_labels=4)


def test_a_continuation_that_was_stopped_is_taken_up(campaign_run, clean_dir):
    """There are never two of one end."""
    campaign_run()
    campaign_run("--continue", max_labels=4)
    for response in (clean_dir / "c" / "run-2" / "responses").iterdir():
        response.unlink()
    store = embedded_store(clean_dir / "c" / "store")
    store.connect()
    last = Campaign.from_store(store, "copper")._documents.end["uuid"]
    store.remove_docs({"uuid": last, "output.stop_reason": {"$exists": True}})
    refused = campaign_run("--continue", code=1, max_labels=4, seed=5)
    assert "undo the changes" in refused
    assert "Taking up the campaign" in campaign_run("--continue", max_labels=4)
    assert not (clean_dir / "c" / "run-3").exists()


def test_a_folder_in_use(campaign_run, clean_dir):
    with locked(clean_dir / "c"):
        said = campaign_run(code=1)
    assert f"is in use by process {os.getpid()} on" in said
    assert "use another folder" in said
    assert not (clean_dir / "c" / "run").exists()


@pytest.fixture
def stopped(campaign_run, clean_dir):
    """Send a process of the command line a signal; return its status and words."""

    def stop(how):
        labelling = {
            "static_maker": COPPER["labelling"]["static_maker"]
            | {"force_field_name": {"@module": "slow_labels", "@callable": "Slow"}}
        }
        (clean_dir / "slow_labels.py").write_text(
            "import time\nfrom pathlib import Path\n"
            "from ase.calculators.emt import EMT\n"
            "class Slow(EMT):\n"
            "    def calculate(self, *a, **k):\n"
            f"        Path({str(clean_dir / 'began')!r}).touch()\n"
            "        time.sleep(60)\n"
        )
        (clean_dir / "c.yaml").write_text(
            yaml.safe_dump(COPPER | {"labelling": labelling})
        )
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(
                [str(clean_dir), os.environ.get("PYTHONPATH", "")]
            )
        }
        # A shell's background jobs, tests among them, ignore interrupts.
        code = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
            "from flowpot.cli import app; app(['run', 'c.yaml'])"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 60
        while not (clean_dir / "began").exists():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        return process.returncode, said.decode()

    return stop


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped(stopped, how):
    """The status that shells expect, one sentence, and no traceback."""
    status, said = stopped(how)
    assert status == 128 + how
    assert "Finished jobs are kept: the same command goes on" in said
    assert "Traceback" not in said
    assert "Cannot" not in said


def test_a_campaign_that_fails_says_so_once(campaign_run):
    """Exit status 1, the error of the engine in the stop reason, and no more."""
    engine = COPPER["labelling"]["static_maker"] | {"force_field_name": INCAPABLE}
    said = campaign_run(code=1, labelling={"static_maker": engine})
    assert "Stopped, failed: the labelling stage" in said
    assert "PropertyNotImplementedError" in said.partition("Stopped, failed")[2]
    assert "Cannot run" not in said
    assert Path("c/run/jobs").is_dir()
    written = [path.read_text() for path in Path("c/run/jobs").rglob("traceback.txt")]
    assert len(written) >= 2
    assert all("PropertyNotImplementedError" in each for each in written[:1])


def test_the_last_lines_are_a_command_that_goes_on(campaign_run, clean_dir):
    said = campaign_run()
    assert "What next? Add the stage that is missing to the campaign's file" in said
    assert f"flowpot run {clean_dir / 'c.yaml'} --continue" in said


def test_a_failed_campaign_goes_on_by_the_command_that_it_gives(
    campaign_run, clean_dir
):
    engine = COPPER["labelling"]["static_maker"] | {"force_field_name": INCAPABLE}
    said = campaign_run(code=1, labelling={"static_maker": engine})
    assert "Failed in iteration" in said
    command = f"flowpot run {clean_dir / 'c.yaml'} --continue"
    assert command in said
    again = campaign_run("--continue")  # with the engine of the file, mended
    assert f"{command} --max-labels 4" in again  # two were spent on the failed ones
    assert "Completed: " in campaign_run("--continue", "--max-labels", 4)


def test_limits_of_the_command_line_come_before_those_of_the_file(
    campaign_run, clean_dir
):
    campaign_run()
    campaign_run("--continue", "--max-labels", 4)
    store = embedded_store(clean_dir / "c" / "store")
    campaign = Campaign.from_store(store, "copper")
    assert len(campaign.dataset()) == 4
    assert campaign.makers["max_labels"] == 4
    assert campaign.command == f"flowpot run {clean_dir / 'c.yaml'} --max-labels 4"
    status = CliRunner().invoke(app, ["status", "--store", str(clean_dir / "c/store")])
    command = f"flowpot run {clean_dir / 'c.yaml'} --continue --max-labels 8\n"
    assert command in status.output


def test_a_campaign_whose_last_labels_failed_is_given_more(campaign_run, clean_dir):
    """Else --continue would end at once."""
    engine = COPPER["labelling"]["static_maker"] | {"force_field_name": INCAPABLE}
    limits = ("--max-iterations", 1, "--max-labels", 3)
    campaign_run(*limits, code=1, labelling={"static_maker": engine}, max_labels=None)
    store = embedded_store(clean_dir / "c" / "store")
    command = next_steps(Campaign.from_store(store))[0].command
    raised = ["--continue", "--max-iterations", "3", "--max-labels", "6"]
    assert shlex.split(command)[3:] == raised
    assert "Completed: " in campaign_run(*raised, max_labels=None)


def test_other_folders_beside_the_runs_are_left_alone(campaign_run, clean_dir):
    campaign_run()
    for name in ("run-backup", "run-2 (old)", "runs", "run-01"):
        shutil.copytree(clean_dir / "c/run", clean_dir / "c" / name)
    assert "Taking up the campaign" in campaign_run()
    campaign_run("--continue", max_labels=4)
    assert (clean_dir / "c/run-2").is_dir()
    (clean_dir / "c/run").rename(clean_dir / "c/first run")
    campaign_run("--continue", max_labels=6)
    assert (clean_dir / "c/run-3").is_dir()


@pytest.mark.parametrize(
    ("name", "ends"),
    [("it's $HOME", """ status 'it'"'"'s $HOME'`"""), ("-dash", " status -- -dash`")],
)
def test_how_a_submitted_campaign_goes_is_a_command(name, ends):
    said = _look_commands(name, "my project")
    assert said.startswith("`jf -p 'my project' job list` and `jf -p 'my project' ")
    assert said.endswith(ends)


@pytest.mark.parametrize("options", [(), ("--folder", "used")])
def test_a_file_in_the_place_of_the_folder(options, clean_dir):
    """A campaign's file without a suffix has the name of its folder."""
    write("cell.cif", bulk("Cu", cubic=True))
    for name in ("c", "used"):
        (clean_dir / name).write_text(yaml.safe_dump(COPPER))
    said = CliRunner().invoke(app, ["run", "c", *options])
    assert said.exit_code == 1
    shown = " ".join(said.output.split())
    assert f"would run in {options[-1] if options else 'c'!r}, which is a file" in shown
    assert "give a folder by --folder" in shown


EMT_CALCULATOR = COPPER["labelling"]["static_maker"]["force_field_name"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", 3, "labelling.static_maker.name: 3 does not fit"),
        ("force_field_name", None, "labelling.static_maker.force_field_name: None doe"),
        ("force_field_name", "MACEE", "labelling.static_maker: .*MACEE"),
        (
            "force_field_name",
            EMT_CALCULATOR | {"@callable": "NoSuch"},
            "labelling.static_maker, 'qe static', has no calculator: Attribute.*NoSu",
        ),
        (
            "force_field_name",
            EMT_CALCULATOR | {"@module": "no.module"},
            "labelling.static_maker, 'qe static', has no calculator: ModuleNotFoundErr",
        ),
    ],
)
def test_a_static_maker_of_another_package(field, value, said, campaign_run, clean_dir):
    """Its types and its calculator are checked before any job runs."""
    static = COPPER["labelling"]["static_maker"] | {field: value}
    shown = campaign_run(code=1, labelling={"static_maker": static})
    assert re.search(said, shown)
    assert not (clean_dir / "c" / "run").exists()

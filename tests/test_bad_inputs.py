"""
Inputs that cannot be meant, from Python, files and the command line.

Each is refused before any engine starts, with the field or file, its value and what to
do. A row: what is given; words that the message has, in this order.
"""

import re
import stat
import subprocess
import sys

import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from flowpot import (
    ActiveLearningMaker,
    AugmentationMaker,
    CommitteeTrainingMaker,
    EspressoStaticMaker,
    EvaluationMaker,
    ExplorationMaker,
    LabellingMaker,
    LammpsMDMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.augmentation import Clusters, Distortions, Slabs
from flowpot.cli import app
from flowpot.evaluation import SelectionRules
from flowpot.exploration.members import stage_member
from flowpot.exploration.sanity import SanityLimits

COPPER = {
    "name": "copper",
    "structures": "cell.cif",
    "augmentation": {
        "supercell": None,
        "distortion": {"n_frames": 2},
        "clusters": None,
        "slabs": None,
    },
    "labelling": {
        "static_maker": {"protocol": "fast", "pseudo_family": "debian-pbe"},
    },
    "max_iterations": 1,
}


@pytest.fixture(autouse=True)
def engine(clean_dir, monkeypatch):
    """A pw.x that leaves a mark: none may be there afterwards."""
    program = clean_dir / "pw.x"
    program.write_text(f"#!/bin/sh\necho Program PWSCF v.7.0\ntouch {clean_dir}/mark\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("FLOWPOT_PW_CMD", str(program))
    monkeypatch.setenv("FLOWPOT_CONFIG_FILE", str(clean_dir / "settings.yaml"))
    return program


def check(said, words):
    """The words are there in this order, and nothing of the code's insides."""
    said = " ".join(said.split())
    assert "Traceback" not in said
    place = 0
    for word in words:
        found = said.find(word, place)
        assert found >= 0, f"{word!r} is not in: {said[place:]}"
        place = found + len(word)


PYTHON = [
    # augmentation
    (lambda: AugmentationMaker(distortion=True), ["distortion is True", "Distortions"]),
    (lambda: AugmentationMaker(slabs=Clusters()), ["slabs is a Clusters", "Slabs"]),
    (lambda: AugmentationMaker(inputs="no"), ["inputs is 'no'", "True or False"]),
    (lambda: AugmentationMaker(vacuum=-1), ["vacuum is -1", "positive"]),
    (lambda: AugmentationMaker(vacuum="15"), ["vacuum is '15'", "a number"]),
    (lambda: AugmentationMaker(min_distance=2.0), ["min_distance is 2.0", "below 1"]),
    (lambda: AugmentationMaker(name=""), ["name is ''", "a text"]),
    (lambda: AugmentationMaker.preset("acuracy"), ["'acuracy'", "use one of"]),
    (lambda: AugmentationMaker().make([bulk("Cu")], seed="a"), ["seed is 'a'", "0 or"]),
    (lambda: AugmentationMaker().make([bulk("Cu")], seed=-1), ["seed is -1", "0 or"]),
    (lambda: Distortions(n_frames=-1), ["n_frames is -1", "or more"]),
    (lambda: Clusters(n_frames="many"), ["n_frames is 'many'", "a number"]),
    (lambda: Slabs(min_thickness=float("nan")), ["min_thickness is nan", "a number"]),
    # labelling
    (lambda: LabellingMaker(static_maker=LabellingMaker()), ["static_maker", "single"]),
    (lambda: LabellingMaker(static_maker="pw.x"), ["static_maker is 'pw.x'", "Maker"]),
    (lambda: LabellingMaker(batch_size=0), ["batch_size is 0", "1 or more"]),
    (lambda: LabellingMaker(batch_size=1.5), ["batch_size is 1.5", "whole"]),
    (lambda: LabellingMaker(max_labels=-1), ["max_labels is -1", "0 or more"]),
    (lambda: LabellingMaker(max_force=0), ["max_force is 0", "positive"]),
    (lambda: LabellingMaker(vacuum=(60, 5)), ["vacuum is (60, 5)", "a smaller and"]),
    (lambda: LabellingMaker(vacuum=5), ["vacuum is 5", "two numbers"]),
    (
        lambda: LabellingMaker(volume_per_atom=(-1, 5)),
        ["volume_per_atom is -1"],
    ),
    (
        lambda: LabellingMaker(min_success_fraction=2),
        ["min_success_fraction is 2"],
    ),
    (lambda: LabellingMaker(split_fractions=(1, 2)), ["are (1, 2)", "train, val"]),
    (
        lambda: LabellingMaker(split_fractions="all"),
        ["split_fractions is 'all'"],
    ),
    (lambda: LabellingMaker(split_by=3), ["split_by is 3", "a text"]),
    (lambda: LabellingMaker().make(bulk("Cu"), seed=1.5), ["seed is 1.5", "whole"]),
    (lambda: EspressoStaticMaker(protocol="quick"), ["'quick'", "balanced"]),
    (lambda: EspressoStaticMaker(kspacing=-0.1), ["kspacing is -0.1"]),
    # training
    (
        lambda: MACETrainingMaker(hyperparameters={"rmax": 5}),
        ["'rmax'", "did you mean 'r_max'"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"max_num_epochs": "many"}),
        ["hyperparameters['max_num_epochs'] is 'many'", "a whole number"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"loss": "mse"}),
        ["hyperparameters['loss'] is 'mse'", "use one of"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"swa": "perhaps"}),
        ["hyperparameters['swa'] is 'perhaps'", "true or false"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters=[1]),
        ["hyperparameters is [1]"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"seed": 3}),
        ["hyperparameters has 'seed'", "give `seed` to make"],
    ),
    (
        lambda: MACETrainingMaker(hyperparameters={"E0s": "isolated"}),
        ["'E0s': 'isolated'", "by atomic number"],
    ),
    (lambda: MACETrainingMaker(fine_tuning="all"), ["fine_tuning is 'all'", "naive"]),
    (lambda: MACETrainingMaker(device="gpu 1"), ["device is 'gpu 1'", "'cuda'"]),
    (lambda: MACETrainingMaker(walltime=-5), ["walltime is -5", "positive"]),
    (lambda: MACETrainingMaker(warm_start="no"), ["warm_start is 'no'", "True or"]),
    (lambda: MACETrainingMaker(foundation_model=3), ["foundation_model is 3", "str"]),
    (lambda: MACETrainingMaker(cache=3), ["cache", "3"]),
    (
        lambda: MetatrainTrainingMaker(hyperparameters={"trainin": {}}),
        ["'trainin'", "did you mean 'training'"],
    ),
    (
        lambda: MetatrainTrainingMaker(hyperparameters={"base_precision": 8}),
        ["base_precision is 8", "(16, 32, 64)"],
    ),
    (lambda: CommitteeTrainingMaker(size=0), ["size is 0", "1 or more"]),
    (lambda: CommitteeTrainingMaker(size="four"), ["size is 'four'", "whole"]),
    (lambda: CommitteeTrainingMaker(size=2, min_size=3), ["min_size 3", "no larger"]),
    (lambda: CommitteeTrainingMaker(members_per_job=0), ["members_per_job is 0", "1"]),
    (
        lambda: CommitteeTrainingMaker(trainer=LabellingMaker()),
        ["trainer is a LabellingMaker", "TrainingMaker"],
    ),
    (lambda: CommitteeTrainingMaker().make("x.xyz", seed="a"), ["seed is 'a'"]),
    # exploration
    (lambda: ExplorationMaker(temperatures=300), ["temperatures is 300", "a list"]),
    (lambda: ExplorationMaker(temperatures=[]), ["temperatures is empty", "at least"]),
    (lambda: ExplorationMaker(temperatures=[-5]), ["temperatures", "-5", "0 or more"]),
    (lambda: ExplorationMaker(pressures=["high"]), ["pressures[0] is", "high", "list"]),
    (lambda: ExplorationMaker(n_starts=0), ["n_starts is 0", "1 or more"]),
    (lambda: ExplorationMaker(sampling="random"), ["sampling is 'random'", "use one"]),
    (lambda: ExplorationMaker(config_types="md"), ["config_types is 'md'", "a list"]),
    (
        lambda: ExplorationMaker(md_maker=LammpsMDMaker(temperature=600)),
        ["md_maker.temperature is 600", "temperatures=None"],
    ),
    (
        lambda: ExplorationMaker(md_maker=MACETrainingMaker()),
        ["md_maker is a MACETrainingMaker", "LammpsMDMaker"],
    ),
    (lambda: LammpsMDMaker(timestep=0), ["timestep is 0", "positive"]),
    (lambda: LammpsMDMaker(n_steps="long"), ["n_steps is 'long'", "whole"]),
    (lambda: LammpsMDMaker(ensemble="nptt"), ["'nptt'", "did you mean 'npt'"]),
    (lambda: LammpsMDMaker(temperature="hot"), ["temperature is ", "hot", "number"]),
    (lambda: LammpsMDMaker(engine="gromacs"), ["engine is 'gromacs'", "use one of"]),
    (lambda: LammpsMDMaker(extra="fix x"), ["extra is 'fix x'", "a list"]),
    (lambda: LammpsMDMaker(seed=-3), ["seed is -3", "0 or more"]),
    (lambda: LammpsMDMaker(limits=0.5), ["limits is 0.5", "SanityLimits"]),
    (lambda: SanityLimits(volume=3), ["volume is 3", "two numbers"]),
    # evaluation and campaign
    (lambda: SelectionRules(max_selected=-1), ["max_selected is -1", "0 or more"]),
    (lambda: EvaluationMaker(tolerance=0.1), ["tolerance is 0.1", "dictionary"]),
    (
        lambda: ActiveLearningMaker(tolerance={"forces": "0.1"}),
        ["tolerance['forces'] is '0.1'", "a number"],
    ),
    (
        lambda: ActiveLearningMaker(tolerance={"force": 0.1}),
        ["'force'", "did you mean 'forces'"],
    ),
    (lambda: ActiveLearningMaker(seed="a"), ["seed is 'a'", "whole"]),
    (lambda: ActiveLearningMaker(max_iterations=0), ["max_iterations is 0", "1 or"]),
    (lambda: ActiveLearningMaker(max_bad_share=3), ["max_bad_share is 3", "0 and 1"]),
    (
        lambda: ActiveLearningMaker(training=MACETrainingMaker()),
        ["training is a MACETrainingMaker", "CommitteeTrainingMaker"],
    ),
    (
        lambda: ActiveLearningMaker(labelling=ExplorationMaker()),
        ["labelling is a ExplorationMaker", "LabellingMaker"],
    ),
    (
        lambda: ActiveLearningMaker(exploration=LammpsMDMaker),
        ["exploration is the class LammpsMDMaker", "Maker"],
    ),
    (lambda: ActiveLearningMaker(elements=["Xx"]), ["elements is ['Xx']", "symbols"]),
    (lambda: ActiveLearningMaker().make(), ["structures, dataset missing", "give"]),
    (
        lambda: ActiveLearningMaker.preset("accuracy").make([bulk("Cu")]),
        ["elements is ['C']", "Cu", "'smoke'"],
    ),
    (
        lambda: ActiveLearningMaker(
            training=CommitteeTrainingMaker(
                trainer=MetatrainTrainingMaker(
                    hyperparameters={"training": {"num_epoch": 3}}
                )
            )
        ).make([bulk("Cu")]),
        ["num_epoch"],
    ),
    # what a document may name
    (
        lambda: stage_member({"calculator": "os.system", "kwargs": {}}, None),
        ["calculator is 'os.system'", "ase.calculators."],
    ),
    (
        lambda: stage_member({"calculator": subprocess.call, "kwargs": {}}, None),
        ["subprocess.call", "annotated"],
    ),
]


@pytest.mark.parametrize(("make", "words"), PYTHON)
def test_python(make, words, clean_dir):
    with pytest.raises(ValueError) as refused:
        make()
    check(str(refused.value), words)
    assert not (clean_dir / "mark").exists()


def changed(**fields):
    return yaml.safe_dump(COPPER | fields)


def labelled(**fields):
    static = COPPER["labelling"]["static_maker"] | fields
    return changed(labelling={"static_maker": static})


def trained(**fields):
    return changed(training={"trainer": fields})


FILES = [
    ("\x00\x01\xff", ["c.yaml", "YAML"]),
    (b"\xff\xfe\x80", ["c.yaml", "text"]),
    ("just words", ["c.yaml", "give keys and values"]),
    ("name: [", ["c.yaml", "not YAML"]),
    ("name: a\nname: b\n", ["c.yaml", "name", "twice"]),
    ("name: copper\n", ["structures, dataset", "at least one"]),
    (changed(max_iteration=3), ["max_iteration", "did you mean 'max_iterations'"]),
    (changed(max_iterations="many"), ["max_iterations: 'many'"]),
    (changed(seed="a"), ["seed: 'a'"]),
    (changed(tolerance=0.1), ["tolerance", "0.1"]),
    (changed(tolerance={"forces": -1}), ["tolerance['forces'] is -1", "positive"]),
    (changed(preset="acuracy"), ["preset", "acuracy", "use one of"]),
    (changed(structures="none.cif"), ["structures", "none.cif"]),
    (changed(structures="partial.cif"), ["structures", "partial.cif", "occup"]),
    (changed(structures=3), ["structures", "3", "file"]),
    (labelled(protocol="quick"), ["labelling.static_maker", "quick"]),
    (
        labelled(user_settings={"SYSTEM": {"ecutwcf": 40}}),
        ["labelling.static_maker", "ecutwcf", "did you mean ecutwfc"],
    ),
    (
        labelled(user_settings={"SYSTEM": {"ecutwfc": "forty"}}),
        ["labelling.static_maker", "'forty'", "a number"],
    ),
    (changed(structures="element.xyz"), ["element.xyz", "'Xx' is no element", "use"]),
    (labelled(maker="evilmod.X"), ["labelling.static_maker.maker", "evilmod.X"]),
    (labelled(maker="atomate2.no.X"), ["labelling.static_maker.maker", "cannot"]),
    (trained(hyperparameters={"rmax": 5}), ["training.trainer", "'r_max'"]),
    (
        trained(hyperparameters={"max_num_epochs": "many"}),
        ["training.trainer", "'many'", "a whole number"],
    ),
    (changed(training={"size": 0}), ["training", "size is 0", "1 or more"]),
    (changed(exploration={"temperatures": 300}), ["exploration.temperatures", "300"]),
    (changed(exploration={"md_maker": {"engine": "x"}}), ["exploration.md_maker", "x"]),
    (
        changed(evaluation={"rules": {"max_selected": -1}}),
        ["evaluation.rules", "max_selected is -1"],
    ),
]


@pytest.mark.parametrize(("text", "words"), FILES)
def test_files(text, words, clean_dir):
    write("cell.cif", bulk("Cu", cubic=True))
    (clean_dir / "partial.cif").write_text(PARTIAL)
    (clean_dir / "element.xyz").write_text(ELEMENT)
    content = text if isinstance(text, bytes) else text.encode()
    (clean_dir / "c.yaml").write_bytes(content)
    sys.modules.pop("evilmod", None)
    (clean_dir / "evilmod.py").write_text("raise SystemExit('imported')")
    result = CliRunner().invoke(app, ["run", "c.yaml"])
    assert result.exit_code == 1, result.output
    check(result.output, words)
    assert not (clean_dir / "mark").exists()
    assert not (clean_dir / "c").exists()


PARTIAL = """data_alloy
_cell_length_a 3.6
_cell_length_b 3.6
_cell_length_c 3.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.5
Ni1 Ni 0 0 0 0.5
"""

ELEMENT = """1
Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 pbc="T T T"
Xx 0.0 0.0 0.0
"""

MODEL = {"training": None, "committee": "broken.model", "dataset": "frames.xyz"}
COMMANDS = [
    (["run"], {}, ["FILE is missing", "give a campaign's YAML"]),
    (["run", "none.yaml"], {}, ["none.yaml"]),
    (["run", "."], {}, ["."]),
    (["run", "c.yaml", "--store", "none.yaml", "--dry-run"], {}, ["none.yaml", "give"]),
    (["status", "--store", "c.yaml"], {}, ["c.yaml", "specifies no JobStore", "needs"]),
    (["status", "--store", "nodata.yaml"], {}, ["nodata.yaml", "`data`", "add one"]),
    (["status", "--store", "a", "--project", "b"], {}, ["give one"]),
    (["status", "--project", "none"], {}, ["--project is 'none'", "jf project list"]),
    (["report", "none", "--store", "empty"], {}, ["campaign"]),
    (["export", "--store", "empty"], {}, ["nothing is asked for", "--dataset"]),
    (["run", "c.yaml", "--submit"], {}, ["project"]),
    (["run", "c.yaml"], {"FLOWPOT_PW_CMD": "none.x"}, ["none.x", "FLOWPOT_PW_CMD"]),
    (
        ["run", "c.yaml"],
        {"FLOWPOT_PW_CMD": "mpirun -np 2 pwx"},
        ["'pwx' of FLOWPOT_PW_CMD='mpirun -np 2 pwx'", "set FLOWPOT_PW_CMD"],
    ),
    (["run", "c.yaml"], {"FLOWPOT_DEVICE": "cuda"}, ["device is 'cuda'", "'cpu'"]),
    (["run", "c.yaml"], {"settings": "PW_COMAND: pw.x"}, ["PW_COMAND", "PW_CMD"]),
    (["run", "c.yaml"], {"settings": "DEVICE: [1"}, ["settings.yaml", "YAML"]),
    (["pseudos", "check", "none"], {}, ["none", "sssp"]),
    (["pseudos", "install", "none"], {}, ["none", "sssp"]),
    (["run", "c.yaml"], {"changes": MODEL}, ["broken.model"]),
    (
        ["run", "c.yaml"],
        {"changes": {"labelling": None, "structures": None, "dataset": "frames.xyz"}},
        ["labelling is None", "LabellingMaker"],
    ),
    (
        ["run", "c.yaml"],
        {"changes": {"exploration": {"md_maker": {"engine": "mliap"}}}},
        ["lammps_command is 'lmp'", "engine='python'"],
    ),
    (
        ["run", "c.yaml", "--submit", "--worker", "qe statik=x"],
        {},
        ["'qe statik'", "did you mean 'qe static'"],
    ),
]


@pytest.mark.parametrize(("command", "given", "words"), COMMANDS)
def test_commands(command, given, words, clean_dir, monkeypatch):
    write("cell.cif", bulk("Cu", cubic=True))
    write("frames.xyz", [bulk("Cu"), Atoms("Cu", cell=[9] * 3)])
    (clean_dir / "c.yaml").write_text(changed(**given.get("changes", {})))
    (clean_dir / "broken.model").write_bytes(b"not a model")
    (clean_dir / "nodata.yaml").write_text(
        yaml.safe_dump({"docs_store": {"type": "MemoryStore"}})
    )
    (clean_dir / "settings.yaml").write_text(given.get("settings", ""))
    (clean_dir / "empty").mkdir()
    monkeypatch.setenv("JFREMOTE_PROJECTS_FOLDER", str(clean_dir / "projects"))
    for name, value in given.items():
        if name.startswith("FLOWPOT"):
            monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1, result.output
    check(result.output, words)
    assert not (clean_dir / "mark").exists()
    assert not list(clean_dir.glob("c/run*/jobs/*"))


def test_there_are_many():
    assert len(PYTHON) + len(FILES) + len(COMMANDS) >= 80


def test_nothing_is_printed_but_the_message(clean_dir):
    """In a process of its own, as people run it."""
    (clean_dir / "c.yaml").write_text("max_iteration: 3")
    command = [sys.executable, "-m", "flowpot", "run", "c.yaml"]
    command[1:3] = ["-c", "from flowpot.cli import app; app()"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"Cannot run the campaign: max_iteration: .*\n\Z", done.stderr)

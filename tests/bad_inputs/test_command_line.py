"""Files and commands that cannot be meant: see conftest.py."""

import re
import subprocess
import sys

import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.io import write
from typer.testing import CliRunner

from flowpot.cli import app

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
def test_files(text, words, clean_dir, check_words):
    write("cell.cif", bulk("Cu", cubic=True))
    (clean_dir / "partial.cif").write_text(PARTIAL)
    (clean_dir / "element.xyz").write_text(ELEMENT)
    content = text if isinstance(text, bytes) else text.encode()
    (clean_dir / "c.yaml").write_bytes(content)
    sys.modules.pop("evilmod", None)
    (clean_dir / "evilmod.py").write_text("raise SystemExit('imported')")
    result = CliRunner().invoke(app, ["run", "c.yaml"])
    assert result.exit_code == 1, result.output
    check_words(result.output, words)
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
        ["engine is 'mliap'", "cuequivariance"],
    ),
    (
        ["run", "c.yaml", "--submit", "--worker", "qe statik=x"],
        {},
        ["'qe statik'", "did you mean 'qe static'"],
    ),
]


@pytest.mark.parametrize(("command", "given", "words"), COMMANDS)
def test_commands(command, given, words, clean_dir, monkeypatch, check_words):
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
    check_words(result.output, words)
    assert not list(clean_dir.glob("c/run*/jobs/*"))


def test_nothing_is_printed_but_the_message(clean_dir):
    """In a process of its own, as people run it."""
    (clean_dir / "c.yaml").write_text("max_iteration: 3")
    command = [sys.executable, "-m", "flowpot", "run", "c.yaml"]
    command[1:3] = ["-c", "from flowpot.cli import app; app()"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"Cannot run the campaign: max_iteration: .*\n\Z", done.stderr)

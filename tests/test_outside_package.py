"""
The package of CONTRIBUTING.md: written, installed and used as somebody else's.

It adds one class at each of the five places where flowpot can be extended.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ase.build import bulk

from markdown_blocks import run_blocks

ROOT = Path(__file__).parents[1]
_INSTALL = "-m pip install --quiet --no-deps --no-build-isolation --target site ."
_TEST = "pytest -q test_contracts.py"
HERE = [  # without a network, and beside the tests' own environment
    ("pip install .", f"{sys.executable} {_INSTALL}"),
    (_TEST, f"PYTHONPATH=site:${{PYTHONPATH:-}} {_TEST} -p no:cacheprovider"),
]
CAMPAIGN = {
    "name": "all of it is mine",
    "structures": ["copper.cif"],
    "committee": ["soft.repulsion", "hard.repulsion"],
    "augmentation": {
        "supercell": None,
        "distortion": None,
        "clusters": None,
        "slabs": None,
        "substitution": None,
        "extra": [{"maker": "Rattles", "n_frames": 6}],
    },
    "labelling": {"static_maker": {"maker": "EMTStaticMaker"}},
    "training": None,
    "exploration": {
        "md_maker": {"maker": "ASEMDMaker", "n_steps": 20, "sample_interval": 5},
        "n_starts": 3,
        "temperatures": [100, 300],
        "pressures": [0],
    },
    "evaluation": {"uncertainties": ["ForceSize"], "pilot_labels": 6},
    "tolerance": {"energy": 0.1, "forces": 0.5},
    "max_iterations": 1,
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with the package, installed into `site`; its contract tests passed."""
    folder = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "my_package").mkdir()
        (folder / "my_package/__init__.py").touch()
        assert run_blocks(ROOT / "CONTRIBUTING.md", folder, HERE) >= 8
    return folder


def test_its_classes_make_a_campaign(package):
    """By the names in a campaign's file, in a process that knows nothing else."""
    bulk("Cu", cubic=True).write(package / "copper.cif")
    for name, cutoff in (("soft", "4.0"), ("hard", "3.5")):
        (package / f"{name}.repulsion").write_text(cutoff)
    (package / "mine.yaml").write_text(yaml.safe_dump(CAMPAIGN))
    paths = [str(package / "site"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [Path(sys.executable).parent / "flowpot", "run", "mine.yaml"],
        cwd=package,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    kinds = (package / "mine/results/dataset.xyz").read_text()
    assert "config_type=rattled" in kinds
    assert "config_type=md" in kinds

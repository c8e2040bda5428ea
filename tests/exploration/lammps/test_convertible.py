"""Models that a LAMMPS program cannot evaluate, or would evaluate wrongly."""

import sys
from datetime import date
from pathlib import Path

import pytest
import torch
from ase.build import bulk

from flowpot.campaign import ActiveLearningMaker
from flowpot.exploration import ExplorationMaker, LammpsMDMaker
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.lammps.binary import run_binary
from flowpot.exploration.lammps.convertible import (
    check_release,
    dtype_option,
    is_non_linear,
    release,
)
from flowpot.exploration.lammps.potential import Symmetrix, check_convertible
from flowpot.exploration.lammps.run import Run, write_run
from flowpot.exploration.lammps.script import Output
from flowpot.training import MACETrainingMaker, MetatrainTrainingMaker
from flowpot.training.mace.options import (
    default_hyperparameters,
    small_hyperparameters,
)

BANNER = "Large-scale Atomic/Molecular Massively Parallel Simulator - {}"
CONVERTS = {"max_ell": 3, "interaction_first": "RealAgnosticInteractionBlock"}


@pytest.mark.parametrize("preset", [default_hyperparameters, small_hyperparameters])
def test_symmetrix_says_what_to_change(preset):
    with pytest.raises(ValueError, match="'interaction_first': 'RealAgnosticInter"):
        check_convertible("symmetrix", "mace", preset())
    check_convertible("symmetrix", "mace", preset() | CONVERTS)
    check_convertible("mliap", "mace", preset())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_is_the_models(random_mace, dtype, tmp_path):
    path = tmp_path / "member.model"
    torch.save(random_mace(1, dtype=dtype), path)
    assert dtype_option(str(path)) == [f"--dtype={dtype}"]
    assert not is_non_linear(path)


def test_a_campaign_is_refused_when_it_is_composed():
    """The trainer's hyperparameters tell, before anything is labelled."""
    md = LammpsMDMaker(engine="symmetrix", device="cpu")
    maker = ActiveLearningMaker(exploration=ExplorationMaker(md_maker=md))
    maker.training.trainer = MACETrainingMaker.small()
    with pytest.raises(ValueError, match="'symmetrix', which cannot have models"):
        maker.check_options()
    maker.training.trainer = MACETrainingMaker.small(**CONVERTS)
    maker.check_options()
    maker.training.trainer = MetatrainTrainingMaker()
    with pytest.raises(ValueError, match="models of mace, and metatomic is what"):
        maker.check_options()


def test_a_real_program_is_asked_for_its_release(random_mace, tmp_path):
    """The wheel is of July 2025: too old for symmetrix."""
    path = tmp_path / "member.model"
    torch.save(random_mace(1), path)
    atoms = bulk("Si", cubic=True)
    run = Run(Conditions("nve", n_steps=1), Output(1), [{"model": str(path)}])
    write_run(tmp_path / "run", run, atoms)
    lmp = str(Path(sys.executable).parent / "lmp")
    outcome = run_binary(tmp_path / "run", Symmetrix("cpu"), lmp)
    assert "LAMMPS is of 22 Jul 2025, and the pair style" in outcome.error


def test_releases(random_mace, tmp_path):
    """LAMMPS 22 Jul 2025 is right for linear models through ML-IAP."""
    path = tmp_path / "member.model"
    torch.save(random_mace(1), path)
    old = BANNER.format("22 Jul 2025 - Update 4")
    assert release(old) == date(2025, 7, 22)
    assert release("no LAMMPS") is None
    check_release("mliap", old, path)
    with pytest.raises(ValueError, match="of 22 Jul 2025, and the pair style"):
        check_release("symmetrix/mace", old, path)
    check_release("symmetrix/mace", BANNER.format("10 Sep 2025"), path)

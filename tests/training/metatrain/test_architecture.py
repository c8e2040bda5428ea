"""Architectures of metatrain that are not trained as PET is."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from ase.calculators.test import calculate_numerical_forces
from metatomic_ase import MetatomicCalculator
from monty.json import MontyEncoder

from flowpot import CommitteeCalculator
from flowpot.dataset import Artifact, Dataset
from flowpot.evaluation import Criteria, EnsembleSpread, judge
from flowpot.evaluation.uncertainty.contract import check_uncertainty
from flowpot.exploration.members import stage_member
from flowpot.potentials import load_potential
from flowpot.properties.given import for_calculation
from flowpot.training import CommitteeDoc, MetatrainTrainingMaker
from flowpot.training.backend import Run
from flowpot.training.members import Place, train_members
from flowpot.training.metatrain import MetatrainTraining
from flowpot.training.sets import TrainingSets

from ..conftest import distorted  # noqa: TID252
from .test_training import small

GAP = {
    "krr": {"num_sparse_points": 60},
    "soap": {
        "cutoff": {"radius": 4.2, "smoothing": {"width": 0.5}},
        "basis": {"max_angular": 3, "radial": {"max_radial": 3}},
    },
}
CHECKPOINT = Artifact.from_bytes("pet.ckpt", b"weights")


def written(training, data, folder):
    training.prepare(TrainingSets.load(data), Run(folder, seed=4))
    return yaml.safe_load((folder / "options.yaml").read_text())


def test_gap_gets_the_keys_it_has(silicon_set, tmp_path):
    """Nested options need not be complete; it works with 64 bits on CPUs."""
    training = MetatrainTraining({"model": GAP}, architecture="gap")
    training.check()
    options = written(training, silicon_set, tmp_path)
    assert options["architecture"] == {"name": "gap", "model": GAP, "training": {}}
    assert options["base_precision"] == 64
    assert options["device"] == "cpu"


def test_gap_on_a_gpu_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    MetatrainTraining({"model": GAP}, architecture="gap").check()
    with pytest.raises(ValueError, match="'gap' on 'cpu' alone: set device to 'auto'"):
        MetatrainTraining({"model": GAP}, architecture="gap", device="cuda").check()


def test_llpr_gets_the_keys_it_has(silicon_set, tmp_path):
    training = MetatrainTraining(
        architecture="llpr", foundation_model=CHECKPOINT, device="cpu"
    )
    training.check()
    found = written(training, silicon_set, tmp_path)["architecture"]
    assert found["model"] == {"num_ensemble_members": {"energy": 32}}
    assert found["training"] == {
        "batch_size": 4,  # it wants whole batches of validation frames
        "log_interval": 1,
        "model_checkpoint": "start.ckpt",
    }
    assert (tmp_path / "start.ckpt").read_bytes() == b"weights"


def test_a_checkpoint_that_lacks_an_element(tmp_path):
    """What metatrain itself says only once all labels are there."""
    knows = {"dataset_info": SimpleNamespace(atomic_types=[14])}
    torch.save({"model_data": knows}, tmp_path / "a.ckpt")
    training = MetatrainTraining(foundation_model=str(tmp_path / "a.ckpt"))
    assert training.check_species([14]) is None
    with pytest.raises(ValueError, match="knows Si, and the dataset has C: choose a"):
        training.check_species([6, 14])
    with pytest.raises(
        ValueError, match=r"'pet.ckpt' cannot be read as a checkpoint of"
    ):
        MetatrainTraining(foundation_model=CHECKPOINT).check_species([14])


def test_llpr_s_model_is_relative_to_the_user_s_folder(clean_dir):
    maker = MetatrainTrainingMaker(
        hyperparameters={"training": {"model_checkpoint": "pet.ckpt", "batch_size": 2}},
        architecture="llpr",
    )
    found = maker.hyperparameters["training"]
    assert found == {"model_checkpoint": str(clean_dir / "pet.ckpt"), "batch_size": 2}


def test_llpr_needs_the_model_it_wraps(silicon_set, tmp_path):
    with pytest.raises(ValueError, match="'llpr' and foundation_model None: it"):
        MetatrainTraining(architecture="llpr").check()
    training = MetatrainTraining(
        architecture="llpr", foundation_model=CHECKPOINT, device="cpu"
    )
    run = Run(tmp_path, seed=1, start=CHECKPOINT)
    with pytest.raises(ValueError, match="leave out warm_start"):
        training.prepare(TrainingSets.load(silicon_set), run)


def train(maker, data, folder):
    folder.mkdir()
    training = maker
    training.check()
    sets = TrainingSets.load(data)
    (found,) = train_members(training, sets, [1], [None], Place(folder))
    assert found.failure is None, found.failure
    return found


@pytest.mark.slow
def test_gap_learns_silicon(silicon_set, tmp_path):
    maker = MetatrainTrainingMaker(architecture="gap", hyperparameters={"model": GAP})
    found = train(maker, silicon_set, tmp_path / "gap")
    assert found.cutoff == 4.2
    assert found.metrics["test"]["energy"] < 0.03
    assert found.metrics["test"]["forces"] < 0.4
    potential = load_potential(found.model, "cpu")
    atoms = TrainingSets.load(silicon_set).test.to_atoms()[0]
    atoms.calc = potential.calculator()
    forces = atoms.get_forces()
    # The slopes of featomic's features are somewhat off those of their values.
    assert np.allclose(forces, calculate_numerical_forces(atoms, eps=1e-4), atol=5e-3)
    path = found.model.to_file(tmp_path / "gap.pt")
    atoms.calc = MetatomicCalculator(path, device="cpu")
    assert np.allclose(forces, atoms.get_forces(), atol=1e-8)
    check_extensions(found, tmp_path)


LOADS = """
import json
from pathlib import Path
from monty.json import MontyDecoder
from flowpot import CommitteeCalculator
from flowpot.potentials import calculator, load_potential
from flowpot.properties.calculations import ForceField
{}
print(Path("/proc/self/maps").read_text())
"""


def check_extensions(found, folder):
    """
    New processes, which know nothing of featomic, load it from what was stored.

    From a run's folder, by atomate2's arguments, in a validation, from a committee's
    file, and from the validation of one.
    """
    staged = stage_member(found, folder / "models")["model"]
    kwargs = json.dumps(found.calculator_kwargs, cls=MontyEncoder)
    (folder / "kwargs.json").write_text(kwargs)
    read = "json.loads(Path('kwargs.json').read_text(), cls=MontyDecoder)"
    saved = CommitteeCalculator([found]).save(folder / "gap.committee")
    validate = "ForceField.of({}, Path()).calculator_kwargs"
    members = {"member": for_calculation(found)}
    (folder / "member.json").write_text(json.dumps(members, cls=MontyEncoder))
    member = read.replace("kwargs", "member") + "['member']"
    for load in (
        f"load_potential({staged!r}, 'cpu')",
        f"calculator(**{read})",
        f"calculator(**{validate.format(member)})",
        f"CommitteeCalculator.load({str(saved)!r})",
        f"load_potential(CommitteeCalculator.load({str(saved)!r}).sources[0])",
    ):
        done = subprocess.run(
            [sys.executable, "-c", LOADS.format(load)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        libraries = [line for line in done.stdout.split() if "featomic_torch" in line]
        assert libraries
        assert all("/extensions/" in library for library in libraries)


@pytest.fixture(scope="module")
def pet_and_llpr(silicon_set, tmp_path_factory):
    """A PET model, and its extension by llpr."""
    folder = tmp_path_factory.mktemp("llpr")
    pet = train(small("pet", epochs=40), silicon_set, folder / "pet")
    maker = MetatrainTrainingMaker(
        architecture="llpr", foundation_model=pet.checkpoint, device="cpu"
    )
    return pet, train(maker, silicon_set, folder / "llpr")


@pytest.mark.slow
def test_llpr_of_pet(silicon_set, pet_and_llpr):
    """The mean is the model's that it wraps; members differ, forces as energies do."""
    pet, llpr = pet_and_llpr
    frames = TrainingSets.load(silicon_set).test
    before = load_potential(pet.model, "cpu").evaluate(frames)
    potential = load_potential(llpr.model, "cpu")
    after = potential.evaluate(frames)
    assert np.allclose(after.energy, before.energy, atol=1e-3)
    assert np.allclose(after.forces, before.forces, atol=1e-4)
    ensemble = potential.evaluate_ensemble(frames)
    assert ensemble.energy.shape == (32, len(frames))
    assert ensemble.forces.shape == (32, len(frames.numbers), 3)
    spread = ensemble.energy.std(axis=0)
    assert (spread > 0).all()
    assert (np.abs(ensemble.energy.mean(axis=0) - after.energy) < 2 * spread).all()
    assert np.abs(ensemble.forces.sum(axis=1)).max() < 1e-3  # each frame's sum is 0
    assert np.allclose(
        potential.evaluate_ensemble(frames, batch_size=8).forces,
        ensemble.forces,
        atol=1e-4,
    )
    with pytest.raises(NotImplementedError, match="has no output 'energy_ensemble'"):
        load_potential(pet.model, "cpu").evaluate_ensemble(frames)


@pytest.mark.slow
def test_the_spread_of_llpr_is_an_uncertainty(silicon_set, pet_and_llpr):
    """It keeps the contract, has the ensemble's numbers, and judges with one model."""
    llpr = load_potential(pet_and_llpr[1].model, "cpu")
    sets = TrainingSets.load(silicon_set)
    frames = Dataset.from_atoms([*sets.test.to_atoms(), sets.val[0] * (2, 1, 1)])
    check_uncertainty(EnsembleSpread, [llpr], sets.train, frames)
    ensemble = llpr.evaluate_ensemble(frames)
    deviation = ensemble.forces - ensemble.forces.mean(axis=0)
    atoms = np.sqrt((deviation**2).mean(axis=(0, 2)))
    found = EnsembleSpread().measure([llpr], frames)
    largest = [atoms[rows].max() for rows in frames.rows]
    assert found["ensemble_forces"] == pytest.approx(largest, rel=1e-3)
    energy = ensemble.energy.std(axis=0) / frames.n_atoms
    assert found["ensemble_energy"] == pytest.approx(energy, rel=1e-3)
    with pytest.raises(NotImplementedError, match="an ensemble of its own"):
        EnsembleSpread.fit([load_potential(pet_and_llpr[0].model, "cpu")], sets.train)
    committee = CommitteeDoc(members=[pet_and_llpr[1]])
    explored = Dataset.from_atoms(list(distorted(20, seed=8, rattle=0.2)))
    criteria = Criteria(
        {"energy": 0.01, "forces": 0.1},
        pilot_labels=0,
        uncertainties=["EnsembleSpread"],
    )
    judgement = judge(committee, silicon_set, explored, criteria)
    names = judgement.calibration["forces"].error_model.names
    assert set(names) == {"ensemble_forces", "ensemble_forces_rms", "ensemble_energy"}

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore

from flowpot.dataset import Dataset
from flowpot.potentials import load_potential
from flowpot.training import (
    CommitteeDoc,
    CommitteeTrainingMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
)
from flowpot.training.backend import Run
from flowpot.training.members import Place, train_members
from flowpot.training.metatrain import MetatrainTraining
from flowpot.training.sets import TrainingSets

PET = {"cutoff": 4.2, "d_pet": 8, "d_node": 8, "d_head": 8, "d_feedforward": 8}
PET |= {"num_heads": 1, "num_attention_layers": 1, "num_gnn_layers": 1}
SOAP = {
    "soap": {
        "max_angular": 2,
        "max_radial": 3,
        "cutoff": {"radius": 4.2, "width": 0.5},
    },
    "bpnn": {"num_hidden_layers": 1, "num_neurons_per_layer": 8, "layernorm": True},
}


def small(architecture, epochs=3):
    return MetatrainTrainingMaker(
        architecture=architecture,
        hyperparameters={
            "model": {"pet": PET, "soap_bpnn": SOAP}[architecture],
            "training": {"num_epochs": epochs, "batch_size": 4, "learning_rate": 3e-3},
        },
        device="cpu",
    )


@pytest.fixture(scope="module")
def with_molecule(silicon_set):
    """The frames, and one that has no stress."""
    molecule = Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]], cell=[12, 12, 12])
    results = {"energy": -202.0, "forces": [[0, 0, -0.1], [0, 0, 0.1]]}
    molecule.calc = SinglePointCalculator(molecule, **results)
    molecule.info = {"split": "train", "config_type": "cluster"}
    return Dataset.concatenate([silicon_set, Dataset.from_atoms([molecule])])


def prepare(training, data, folder):
    training.prepare(TrainingSets.load(data), Run(folder, seed=4))
    return yaml.safe_load((folder / "options.yaml").read_text())


def test_forces_stress_and_seed_are_asked_for(with_molecule, tmp_path):
    options = prepare(small("pet"), with_molecule, tmp_path)
    for name in ("training_set", "validation_set"):
        energy = options[name]["targets"]["energy"]
        assert energy["forces"] == {"key": "REF_forces"}
        assert energy["stress"] == {"key": "REF_stress"}
    assert options["seed"] == 4
    baseline = options["architecture"]["training"]["atomic_baseline"]
    assert baseline == {"energy": {14: -100.0}}
    written = ase.io.read(tmp_path / "train.xyz", ":")
    assert len(written) == 25
    assert all(atoms.info["REF_stress"].shape == (3, 3) for atoms in written)
    assert np.isnan(written[-1].info["REF_stress"]).all()
    train = TrainingSets.load(with_molecule).train
    assert np.allclose(written[0].info["REF_stress"], train.stress[0])
    assert np.allclose(written[0].arrays["REF_forces"], train.forces[:8])


def test_no_stress_at_all_is_not_asked_for(silicon_set, tmp_path):
    bare = silicon_set.with_labels(stress=np.full((len(silicon_set), 3, 3), np.nan))
    options = prepare(small("pet"), bare, tmp_path)
    assert options["training_set"]["targets"]["energy"]["stress"] is False


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (MetatrainTraining({"model": {"cutof": 4.0}}), "(?s)pet.*cutof"),
        (MetatrainTraining({"training": {"epochs": 4}}), "(?s)pet.*epochs"),
        (MetatrainTraining({"epochs": 4}), "hyperparameters has 'epochs': give model"),
        (MetatrainTraining(architecture="pett"), "Did you mean"),
        (MetatrainTraining(fine_tuning="naive"), "fine_tuning is 'naive'"),
    ],
)
def test_unknown_options_are_refused(training, message):
    with pytest.raises(ValueError, match=message):
        training.check()


def test_a_missing_foundation_model(silicon_set, tmp_path):
    training = MetatrainTraining(foundation_model="absent.ckpt", device="cpu")
    with pytest.raises(FileNotFoundError, match=r"foundation_model is 'absent.ckpt'"):
        prepare(training, silicon_set, tmp_path)


def test_a_foundation_model_by_its_address(silicon_set, tmp_path):
    """Metatrain itself reads files alone."""
    torch.save({"model_state_dict": {}}, tmp_path / "model.ckpt")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        address = f"http://localhost:{server.server_port}/model.ckpt"
        training = MetatrainTraining(foundation_model=address, device="cpu")
        folder = tmp_path / "run"
        folder.mkdir()
        try:
            options = prepare(training, silicon_set, folder)
        finally:
            server.shutdown()
    finetune = options["architecture"]["training"]["finetune"]
    assert finetune["read_from"] == "start.ckpt"
    assert finetune["method"] == "full"
    weights = (tmp_path / "model.ckpt").read_bytes()
    assert (folder / "start.ckpt").read_bytes() == weights


def test_lora_and_heads_are_asked_for(silicon_set, tmp_path):
    torch.save({"model_state_dict": {}}, tmp_path / "old.ckpt")
    for method, key in (("lora", "rank"), ("heads", "head_modules")):
        training = MetatrainTraining(
            foundation_model=str(tmp_path / "old.ckpt"),
            fine_tuning=method,
            device="cpu",
        )
        options = prepare(training, silicon_set, tmp_path)
        finetune = options["architecture"]["training"]["finetune"]
        assert finetune["method"] == method
        assert key in finetune["config"]


def test_soap_bpnn_cannot_be_fine_tuned(member):
    training = MetatrainTraining(
        architecture="soap_bpnn", foundation_model=member.checkpoint
    )
    with pytest.raises(ValueError, match="'soap_bpnn', which metatrain trains from"):
        training.check()


def test_every_epoch_is_logged_and_a_twentieth_at_most_is_lost(silicon_set, tmp_path):
    training = MetatrainTraining({"training": {"num_epochs": 200}}, device="cpu")
    options = prepare(training, silicon_set, tmp_path)["architecture"]["training"]
    assert (options["log_interval"], options["checkpoint_interval"]) == (1, 10)
    training.hyperparameters["training"]["checkpoint_interval"] = 50
    options = prepare(training, silicon_set, tmp_path)["architecture"]["training"]
    assert options["checkpoint_interval"] == 50


@pytest.fixture(scope="module")
def mixed(with_molecule, tmp_path_factory):
    """A committee of two kinds, trained through jobflow; and its folder."""
    mace = MACETrainingMaker.small(max_num_epochs=3, hidden_irreps="4x0e")
    trainers = [mace, small("pet")]
    flow = CommitteeTrainingMaker(trainer=trainers, size=2).make(with_molecule, seed=2)
    names = ["mace train", "metatrain train", "collect committee"]
    assert [job.name for job in flow] == names
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    folder = tmp_path_factory.mktemp("mixed")
    run_locally(
        flow, store=store, root_dir=folder, create_folders=True, ensure_success=True
    )
    return CommitteeDoc.model_validate(flow.output.resolve(store)), folder


def test_a_mixed_committee(mixed, silicon_set):
    committee, _ = mixed
    assert [m.backend for m in committee.members] == ["mace", "metatomic"]
    assert committee.failures == []
    for member in committee.members:
        assert np.isfinite(list(member.metrics["test"].values())).all()
        assert member.loss_curve["epoch"] == [0, 1, 2]
        assert np.isfinite(member.loss_curve["val"]).all()
        assert member.checkpoint is not None
        found = load_potential(member, "cpu").evaluate(silicon_set[:2])
        assert found.energy == pytest.approx(silicon_set.energy[:2], rel=0.2)
    assert np.isfinite(list(committee.metrics["val"].values())).all()


def test_forces_and_stress_are_trained(mixed):
    """Metatrain by itself only warns where it trains on energies alone (bug B7)."""
    _, folder = mixed
    logs = [path.read_text() for path in folder.rglob("member-0/train.log")]
    (log,) = [log for log in logs if "'pet' architecture" in log]
    assert log.count("Forces found") == log.count("Stress found") == 2
    assert "No forces" not in log
    assert "No stress" not in log


def test_soap_bpnn(silicon_set, tmp_path):
    pytest.importorskip("spex", reason="pip install 'metatrain[soap-bpnn]'")
    sets = TrainingSets.load(silicon_set)
    training = small("soap_bpnn")
    (found,) = train_members(training, sets, [1], [None], Place(tmp_path))
    assert found.failure is None
    assert found.metrics["test"]["forces"] < np.sqrt(np.mean(sets.test.forces**2))


@pytest.mark.slow
def test_same_seed_same_model(silicon_set, tmp_path):
    sets = TrainingSets.load(silicon_set)
    training = small("pet", epochs=2)
    found = train_members(training, sets, [7, 7, 8], [None] * 3, Place(tmp_path))
    energies = [
        load_potential(each, "cpu").evaluate(sets.test).energy for each in found
    ]
    assert np.allclose(energies[0], energies[1], rtol=0, atol=1e-3)
    assert np.abs(energies[0] - energies[2]).max() > 1e-2


@pytest.mark.slow
def test_lora(silicon_set, tmp_path):
    """It trains, and its model is exported and loads; better is tested for others."""
    sets = TrainingSets.load(silicon_set)
    maker = small("pet", epochs=1)
    place = Place(tmp_path / "first")
    (before,) = train_members(maker, sets, [1], [None], place)
    maker.foundation_model, maker.fine_tuning = before.checkpoint, "lora"
    place = Place(tmp_path / "tuned")
    (tuned,) = train_members(maker, sets, [1], [None], place)
    assert tuned.failure is None
    assert np.isfinite(list(tuned.metrics["test"].values())).all()

"""Fine-tuning on labels whose isolated atoms have other energies than the start's."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from flowpot.dataset import Dataset
from flowpot.potentials import load_potential
from flowpot.training.backend import Run, TrainingError
from flowpot.training.mace import MACETraining
from flowpot.training.mace.energies import change_energies, kept_energies
from flowpot.training.mace.start import check_started
from flowpot.training.members import Place, train_members
from flowpot.training.metatrain.files import read_baseline
from flowpot.training.sets import TrainingSets

from ..conftest import ATOM, make_silicon  # noqa: TID252
from ..metatrain.test_training import small as small_metatrain  # noqa: TID252
from ..test_restarts import options  # noqa: TID252

SHIFT = -1000.0
"""Other pseudopotentials, other energy of the isolated atom (eV)."""


def shifted(dataset, shift=SHIFT):
    """The same frames by an engine with another zero of energy for each atom."""
    energy = dataset.energy + shift * dataset.n_atoms
    return dataset.with_labels(energy, dataset.forces, dataset.stress)


def train(training, dataset, folder, start=None):
    folder.mkdir()
    sets = TrainingSets.load(dataset)
    (found,) = train_members(training, sets, [1], [start], Place(folder))
    assert found.failure is None, found.failure
    return found


def first_error(folder):
    """MACE's own first line, in eV/atom."""
    (path,) = (folder / "member-0/results").glob("*_train.txt")
    return json.loads(path.read_text().splitlines()[0])["rmse_e_per_atom"]


@pytest.mark.parametrize("kind", ["foundation", "warm start"])
def test_the_final_energies_are_those_of_the_data(silicon_set, member, tmp_path, kind):
    before = member.metrics["val"]["energy"]
    tuned = train(
        MACETraining(
            options(max_num_epochs=1, lr=1e-4),
            foundation_model=member.model if kind == "foundation" else None,
            device="cpu",
        ),
        shifted(silicon_set),
        tmp_path / "tuned",
        None if kind == "foundation" else member.model,
    )
    assert tuned.e0s["Si"] == pytest.approx(ATOM + SHIFT, abs=1e-3)
    assert first_error(tmp_path / "tuned") < 2 * before + 0.01
    assert tuned.metrics["val"]["energy"] < 2 * before + 0.01


@pytest.mark.parametrize("given", ["estimated", "foundation", {14: ATOM + SHIFT}])
def test_energies_by_option(silicon_set, member, tmp_path, given):
    """MACE and the start have zeros; the model gets what was asked for."""
    training = MACETraining(
        options() | {"E0s": given}, foundation_model=member.model, device="cpu"
    )
    training.check()
    sets = TrainingSets.load(shifted(silicon_set))
    training.prepare(sets, Run(tmp_path, seed=1))
    wanted, own = kept_energies(tmp_path)
    assert own == {14: ATOM}
    start = load_potential(tmp_path / "start.model", "cpu")
    assert start.reference_energies == {"Si": 0.0}
    if given == "estimated":
        own = load_potential(member.model, "cpu")
        plain = TrainingSets.load(silicon_set).train
        bias = np.mean(plain.energy - own.evaluate(plain).energy) / 8
        assert wanted[14] == pytest.approx(ATOM + SHIFT + bias, abs=1e-3)
    else:
        assert wanted[14] == (ATOM if given == "foundation" else ATOM + SHIFT)
    train = Dataset.read(tmp_path / "train.xyz")
    expected = sets.train.energy - wanted[14] * 8
    assert np.allclose(train.energy, expected, atol=1e-6, rtol=0)


def test_a_predecessor_keeps_its_average(silicon_set, member, tmp_path):
    """Its weights were learnt relative to it."""
    training = MACETraining(options(E0s="average"), device="cpu")
    run = Run(tmp_path, seed=1, start=member.model)
    training.prepare(TrainingSets.load(silicon_set), run)
    assert kept_energies(tmp_path) == ({14: ATOM}, {14: ATOM})


@pytest.mark.parametrize(
    ("given", "foundation", "message"),
    [
        ("average", "small", "'average', which holds the binding energy"),
        ("estimated", None, "no foundation_model to take them from"),
        ("foundation", None, "no foundation_model to take them from"),
        ("isolated", None, "'E0s': 'isolated': give energies"),
        ({"Si": -3.0}, None, "give energies .eV. by atomic number"),
        ({14: float("nan")}, None, "give energies .eV. by atomic number"),
    ],
)
def test_energies_that_cannot_be_meant(given, foundation, message):
    training = MACETraining({"E0s": given}, foundation_model=foundation)
    with pytest.raises(ValueError, match=message):
        training.check()


def test_energies_that_lack_an_element(silicon_set, member, tmp_path):
    training = MACETraining({"E0s": {6: -1.0}}, device="cpu")
    with pytest.raises(ValueError, match="'E0s' without Si"):
        training.prepare(TrainingSets.load(silicon_set), Run(tmp_path, seed=1))


def carbide():
    """Three labelled cells of SiC, and the isolated atoms."""
    frames = []
    for split in ("train", "val", "test"):
        atoms = bulk("SiC", "zincblende", a=4.36)
        atoms.rattle(0.05, seed=len(frames))
        frames.append((atoms, split, 2 * ATOM - 10.0))
    frames += [(Atoms(s, cell=[12] * 3), "train", ATOM) for s in ("Si", "C")]
    for atoms, split, energy in frames:
        forces = np.zeros((len(atoms), 3))
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        atoms.info = {"split": split, "config_type": "x"}
    return Dataset.from_atoms([atoms for atoms, _, _ in frames])


def test_a_start_that_does_not_know_an_element(member, tmp_path):
    training = MACETraining(foundation_model=member.model, device="cpu")
    with pytest.raises(ValueError, match="knows Si, and the dataset has C"):
        training.prepare(TrainingSets.load(carbide()), Run(tmp_path, seed=1))


def test_a_start_with_elements_in_another_order(member, tmp_path):
    start = member.model.to_file(tmp_path / "start.model")
    module = torch.load(start, weights_only=False)
    module.atomic_numbers = torch.tensor([14, 6])
    module.atomic_energies_fn.atomic_energies = torch.tensor([[1.0, 2.0]])
    torch.save(module, start)
    training = MACETraining(foundation_model=str(start), device="cpu")
    with pytest.raises(ValueError, match="lists its elements as Si, C"):
        training.prepare(TrainingSets.load(carbide()), Run(tmp_path, seed=1))


def test_all_else_of_the_start_stays(silicon_set, member, tmp_path):
    old = member.model.to_file(tmp_path / "old.model")
    for name in ("a", "b"):
        change_energies(old, tmp_path / name, {14: 5.0, 6: 3.0})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    (tmp_path / "a").rename(tmp_path / "new.model")
    before, after = (load_potential(p, "cpu") for p in (old, tmp_path / "new.model"))
    assert after.reference_energies == {"Si": 5.0}
    frames = silicon_set[:3]
    given, found = before.evaluate(frames), after.evaluate(frames)
    assert np.array_equal(given.forces, found.forces)
    moved = found.energy - given.energy
    assert np.allclose(moved, (5.0 - ATOM) * frames.n_atoms, atol=1e-6)


def test_a_training_from_something_else_is_refused(silicon_set, member, tmp_path):
    """MACE's first error and its final energies are compared with what it was given."""
    model = member.model.to_file(tmp_path / "mace.model")
    change_energies(model, tmp_path / "start.model", {14: ATOM})
    TrainingSets.load(silicon_set).val.write(tmp_path / "val.xyz")
    (tmp_path / "results").mkdir()
    line = {"mode": "eval", "epoch": None, "rmse_e_per_atom": 101.326}
    (tmp_path / "results/mace_train.txt").write_text(json.dumps(line))
    told = {"E0s": repr({14: ATOM}), "valid_file": "val.xyz"}
    with pytest.raises(TrainingError, match="101 eV/atom, and that of the model"):
        check_started(tmp_path, model, told)
    with pytest.raises(TrainingError, match=r"energy of Si is -100\.0 eV, and"):
        check_started(tmp_path, model, told | {"E0s": "{14: -3.0}"})


@pytest.mark.slow
def test_a_start_of_more_elements_and_heads(tmp_path):
    """All of the start's elements are kept; the data's have the data's energies."""
    hard = options(max_num_epochs=4)
    pair = train(MACETraining(hard, device="cpu"), carbide(), tmp_path / "pair")
    data = shifted(make_silicon(4, 2, 2))
    keep = hard | {"foundation_model_elements": True, "max_num_epochs": 1, "lr": 1e-5}
    tuned = train(
        MACETraining(keep, foundation_model=pair.model, device="cpu"),
        data,
        tmp_path / "tuned",
    )
    expected = {"C": ATOM, "Si": ATOM + SHIFT}
    assert tuned.e0s == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["foundation", "warm start"])
def test_metatrains_reference_energies_too(silicon_set, kind, tmp_path):
    maker = small_metatrain("pet", 3)
    before = train(maker, silicon_set, tmp_path / "before")
    maker.hyperparameters["training"] |= {"num_epochs": 1, "learning_rate": 1e-7}
    start = before.checkpoint
    if kind == "foundation":
        maker.foundation_model, start = before.checkpoint, None
    tuned = train(maker, shifted(silicon_set), tmp_path / "tuned", start)
    model = tmp_path / "tuned/member-0/model.ckpt"
    assert read_baseline(model) == {14: pytest.approx(ATOM + SHIFT)}
    assert tuned.metrics["val"]["energy"] < 2 * before.metrics["val"]["energy"] + 0.01

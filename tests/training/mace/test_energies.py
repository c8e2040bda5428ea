"""The energies of isolated atoms are as large as the pseudopotentials make them."""

import json

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from mace.calculators import MACECalculator
from mace.data.utils import Configuration, compute_average_E0s
from mace.tools import AtomicNumberTable
from monty.json import MontyDecoder, MontyEncoder

from flowpot.dataset import Artifact, Dataset
from flowpot.potentials import load_potential
from flowpot.training import MACETrainingMaker
from flowpot.training.backend import Run, TrainingError
from flowpot.training.mace import MACETraining
from flowpot.training.mace.energies import (
    change_energies,
    keep_energies,
    kept_energies,
    restore_energies,
)
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from ..conftest import ATOM, make_silicon  # noqa: TID252
from ..test_restarts import options  # noqa: TID252
from .test_start import carbide, shifted
from .test_start import train as train_one

LARGE = [
    pytest.param(-20_000.0, marks=pytest.mark.slow),
    -500_000.0,
]


@pytest.mark.parametrize("shift", LARGE)
def test_single_precision_learns_as_well(shift, silicon_set, member, quick, tmp_path):
    """
    The same training from energies that differ by a constant for each atom.

    The labels of 8 atoms of -500,100 eV are multiples of 0.25 eV in float32.
    """
    data = shifted(silicon_set, shift)
    training = quick
    training.device = "cpu"
    sets = TrainingSets.load(data)
    (found,) = train_members(training, sets, [member.seed], [None], Place(tmp_path))
    assert found.failure is None, found.failure
    assert found.e0s == {"Si": ATOM + shift}
    assert found.hyperparameters["E0s"] == repr({14: ATOM + shift})
    for name in ("energy", "forces", "stress"):
        a, b = found.metrics["test"][name], member.metrics["test"][name]
        assert a == pytest.approx(b, rel=0.1)


def test_maces_own_calculator_agrees(silicon_set, member, tmp_path):
    """The energies are in the model file, whoever reads it."""
    old = member.model.to_file(tmp_path / "old.model")
    large = ATOM - 500_000.0
    change_energies(old, tmp_path / "new.model", {14: large})
    potential = load_potential(tmp_path / "new.model", "cpu")
    own = MACECalculator(
        model_paths=[str(tmp_path / "new.model")],
        device="cpu",
        default_dtype="float64",
    )
    frames = silicon_set[:3]
    found = potential.evaluate(frames)
    for i, atoms in enumerate(frames):
        atoms.calc = own
        assert found.energy[i] == pytest.approx(atoms.get_potential_energy(), abs=8e-5)
        forces = found.forces[8 * i : 8 * i + 8]
        assert np.allclose(forces, atoms.get_forces(), atol=1e-4)
    before = load_potential(old, "cpu").evaluate(frames)
    assert np.allclose(found.energy - before.energy, -500_000 * 8, rtol=0, atol=1e-7)


def test_the_average_is_maces_own(tmp_path):
    """Least squares over frames of two elements in several compositions."""
    rng = np.random.default_rng(3)
    frames = []
    for n, symbols in enumerate(["Si2", "SiC", "SiC3", "Si3C", "C2", "SiC2"] * 2):
        atoms = Atoms(symbols, cell=[7, 7, 7], pbc=True)
        atoms.positions = rng.uniform(0, 6, (len(atoms), 3))
        atoms.info["split"] = ["train", "val", "test"][n % 3]
        frames.append(atoms)
    data = Dataset.from_atoms(frames)
    sizes = data.n_atoms
    data = data.with_labels(
        -1000.0 * sizes + rng.normal(0, 5, len(data)), np.zeros((sizes.sum(), 3))
    )
    sets = TrainingSets.load(data)
    MACETraining({"E0s": "average"}, device="cpu").prepare(sets, Run(tmp_path, 1))
    found, _ = kept_energies(tmp_path)
    configs = [
        Configuration(
            atomic_numbers=atoms.numbers,
            positions=atoms.positions,
            properties={"energy": float(energy)},
            property_weights={},
        )
        for atoms, energy in zip(sets.train, sets.train.energy, strict=True)
    ]
    assert found == pytest.approx(
        compute_average_E0s(configs, AtomicNumberTable(sets.species))
    )


def test_a_file_of_statistics(silicon_set, tmp_path):
    """Its energies are MACE's too, and are taken out like those of the options."""
    statistics = {
        "atomic_energies": str({14: -7.0}),
        "atomic_numbers": "[14]",
        "mean": 0.1,
        "std": 1.0,
        "avg_num_neighbors": 20.0,
    }
    given = tmp_path / "given.json"
    given.write_text(json.dumps(statistics))
    folder = tmp_path / "run"
    folder.mkdir()
    training = MACETraining({"statistics_file": str(given)}, device="cpu")
    training.check()
    training.prepare(TrainingSets.load(silicon_set), Run(folder, 1))
    told = yaml.safe_load((folder / "options.yaml").read_text())
    written = json.loads((folder / told["statistics_file"]).read_text())
    assert written == statistics | {"atomic_energies": "{14: 0.0}"}
    assert kept_energies(folder) == ({14: -7.0}, {})


def test_a_model_with_other_energies_is_refused(member, tmp_path):
    """What MACE was told must be what it did: else energies would count twice."""
    model = member.model.to_file(tmp_path / "mace.model")
    keep_energies(tmp_path, {14: ATOM}, {})
    with pytest.raises(TrainingError, match="took them from somewhere else"):
        restore_energies(model)
    change_energies(model, model, {14: 0.0})
    for _ in range(2):
        restored = restore_energies(model)
        assert load_potential(restored, "cpu").reference_energies == {"Si": ATOM}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A model of two elements with energies of its own."""
    folder = tmp_path_factory.mktemp("pair") / "run"
    quickest = MACETraining(options(max_num_epochs=2), device="cpu")
    return train_one(quickest, carbide(), folder)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """Frames that the model has learned from, and a flowpot dataset of them."""
    frames = carbide()
    return frames[~frames.is_isolated_atom]


@pytest.mark.parametrize("kind", ["file", "Artifact", "Artifact of a dataset"])
def test_replayed_frames_lose_the_foundations_energies(
    kind, pair, replayed, tmp_path, monkeypatch
):
    """Whatever folder the job runs in; the other labels stay."""
    (tmp_path / "home").mkdir()
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    path = replayed.write("old.xyz")
    given = {
        "file": "old.xyz",
        "Artifact": Artifact.from_file(path),
        "Artifact of a dataset": replayed.to_artifact("old.h5"),
    }[kind]
    maker = MACETrainingMaker(
        hyperparameters={"pt_train_file": given},
        foundation_model=pair.model,
        fine_tuning="replay",
        device="cpu",
    )
    monkeypatch.chdir(tmp_path / "run")
    maker = json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder)
    maker.check()
    sets = TrainingSets.load(shifted(make_silicon(4, 2, 2)))
    maker.prepare(sets, Run(tmp_path / "run", seed=1))
    told = yaml.safe_load((tmp_path / "run/options.yaml").read_text())
    assert told["multiheads_finetuning"] is True
    assert told["foundation_model"] == "start.model"
    written = ase.io.read(tmp_path / "run" / told["pt_train_file"], ":")
    energies = [atoms.info["REF_energy"] for atoms in written]
    assert np.allclose(energies, replayed.energy - 2 * ATOM, atol=1e-6)
    forces = np.concatenate([atoms.arrays["REF_forces"] for atoms in written])
    assert np.allclose(forces, replayed.forces)
    wanted, own = kept_energies(tmp_path / "run")
    assert wanted == {14: ATOM - 1000.0}
    assert own == {6: ATOM, 14: ATOM}


def test_replayed_frames_that_are_not_there():
    training = MACETraining(
        {"pt_train_file": "absent.xyz"}, foundation_model="small", fine_tuning="replay"
    )
    with pytest.raises(ValueError, match="'pt_train_file': 'absent"):
        training.check()


@pytest.mark.slow
def test_each_head_has_its_energies_again(pair, replayed, tmp_path):
    """The foundation's for what it replays, the data's for the new head."""
    training = MACETraining(
        options(
            max_num_epochs=2,
            pt_train_file=str(replayed.write(tmp_path / "old.xyz")),
            pt_valid_file=str(replayed.write(tmp_path / "valid.xyz")),
        ),
        foundation_model=pair.model,
        fine_tuning="replay",
        device="cpu",
    )
    data = shifted(make_silicon(8, 2, 2), -500_000.0)
    tuned = train_one(training, data, tmp_path / "tuned")
    potential = load_potential(tuned.model, "cpu")
    assert sorted(potential.heads) == ["Default", "pt_head"]
    table = dict(zip(potential.heads, potential.all_atomic_energies, strict=True))
    assert table["pt_head"].tolist() == [ATOM, ATOM]
    assert table["Default"].tolist() == [ATOM, ATOM - 500_000.0]
    assert tuned.e0s["Si"] == ATOM - 500_000.0
    assert tuned.metrics["test"]["energy"] < 20.0  # it has hardly been trained

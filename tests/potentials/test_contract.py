"""The contract of potentials: kept by flowpot's, and by no broken one."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase.build import bulk

from flowpot.dataset import Artifact
from flowpot.potentials import Prediction, backend_class, load_potential
from flowpot.potentials.contract import check_potential
from flowpot.potentials.mace import MACEPotential
from flowpot.potentials.metatomic import MetatomicPotential
from flowpot.potentials.registry import GROUP

from .pairs import Frames, Repulsion


@pytest.fixture(scope="module")
def frame():
    atoms = bulk("SiGe", "zincblende", a=5.5)
    atoms.rattle(0.2, seed=1)
    return atoms


def announce(monkeypatch, kind):
    """Replace the entry points of the packages that are installed."""
    points = {GROUP: [SimpleNamespace(name="pairs", load=lambda: kind)]}
    monkeypatch.setattr(
        "flowpot.plugins.entry_points", lambda *, group: points.get(group, [])
    )


@pytest.fixture
def installed(monkeypatch):
    """As where a package with the potential is installed."""
    announce(monkeypatch, Repulsion)


def test_mace(random_mace, frame, tmp_path):
    path = tmp_path / "a.model"
    torch.save(random_mace(1, ("Si", "Ge"), "float64"), path)
    check_potential(MACEPotential.from_file(path, "cpu"), frame, file=path)


def test_metatomic(random_pet, frame, tmp_path):
    path = tmp_path / "a.pt"
    random_pet(1, ("Si", "Ge"), "float64").save(str(path))
    check_potential(load_potential(path, "cpu"), frame, file=path)


def test_a_model_in_single_precision(model_files, frame):
    potential = load_potential(model_files[0], "cpu")
    check_potential(potential, frame, tolerance=0.01, file=model_files[0])


def test_a_potential_of_another_package(frame, installed, tmp_path):
    path = tmp_path / "a.repulsion"
    path.write_text("4.0")
    check_potential(Repulsion(), frame, file=path)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.model", MACEPotential), ("a.pt", MetatomicPotential)]
)
def test_own_classes_declare_what_the_registry_knows(name, kind):
    assert backend_class(name) is kind
    assert backend_class("any name", kind.backend) is kind
    assert kind.suffixes == (f".{name.partition('.')[2]}",)


def test_the_backend_of_a_document_decides_not_the_suffix(installed):
    model = Artifact.from_bytes("a.model", b"3.5")
    potential = load_potential({"model": model, "backend": "repulsion"}, "cpu")
    assert (type(potential), potential.cutoff) == (Repulsion, 3.5)


def test_a_backend_that_is_not_installed_is_named():
    model = Artifact.from_bytes("a.model", b"3.5")
    with pytest.raises(
        ValueError, match="'repulsion', and installed are mace, metatomic"
    ):
        load_potential({"model": model, "backend": "repulsion"}, "cpu")


def test_only_potentials_can_be_announced(monkeypatch):
    announce(monkeypatch, dict)
    with pytest.raises(TypeError, match=r"'pairs'.*subclass of flowpot\.potentials"):
        load_potential(Artifact.from_bytes("a.repulsion", b"4.0"))


class Broken(Repulsion):
    """Changes a prediction."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def evaluate_graph(self, graph):
        prediction = super().evaluate_graph(graph)
        fields = {k: v.copy() for k, v in vars(prediction).items()}
        self.change(graph.frames, fields)
        return Prediction(**fields)


def forget_the_sign(frames, fields):
    fields["forces"] *= -1


def scale_the_stress(frames, fields):
    fields["stress"] *= 160.2


def skew_the_stress(frames, fields):
    fields["stress"][:, 0, 1] += 0.1


def invent_a_stress(frames, fields):
    fields["stress"] = np.nan_to_num(fields["stress"])


def leave_out_the_stress(frames, fields):
    fields["stress"][:] = np.nan


def mix_the_batch(frames, fields):
    fields["energy"] += 0.1 * len(frames)


def add_a_constant(frames, fields):
    fields["energy"] += 1.0


def prefer_the_first(frames, fields):
    sizes = frames.numbers[frames.offsets[:-1]]
    fields["energy"] += 0.1 * sizes


def feel_the_origin(frames, fields):
    fields["energy"] += 1e-3 * np.add.reduceat(
        frames.positions[:, 0], frames.offsets[:-1]
    )
    fields["forces"][:, 0] -= 1e-3


def flatten(frames, fields):
    fields["energy"] = fields["energy"][:, None]


def overflow(frames, fields):
    fields["energy"][:] = np.inf


def lose_digits(frames, fields):
    fields["forces"] = fields["forces"].astype(np.float32)


def stand_still(frames, fields):
    fields["energy"][:] = 0
    fields["forces"][:] = 0


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (forget_the_sign, "forces are the negative slope"),
        (scale_the_stress, "stress is dE/dstrain over"),
        (skew_the_stress, "stress is symmetric"),
        (invent_a_stress, "stress is NaN without"),
        (leave_out_the_stress, "periodic frames have a stress"),
        (mix_the_batch, "a batch gives what single frames give"),
        (add_a_constant, "a supercell has twice the energy"),
        (prefer_the_first, "the order of the atoms does not matter"),
        (feel_the_origin, "translations do not matter"),
        (flatten, "arrays have the shapes"),
        (overflow, "energies are finite"),
        (lose_digits, "arrays are of the type float64"),
        (stand_still, "the frame has forces"),
    ],
)
def test_wrong_predictions_are_seen(change, promise, frame):
    with pytest.raises(AssertionError, match=f"does not keep its promise: {promise}"):
        check_potential(Broken(change), frame)


class Stuck(Frames):
    def moved(self, _frames):
        return self


class Renamed(Repulsion):
    suffixes = ("repulsion",)


class Changing(Repulsion):
    @property
    def graph_key(self):
        self.count = getattr(self, "count", 0) + 1
        return self.count


class Following(Repulsion):
    def build_graph(self, frames, skin=0.0):
        return Stuck(frames) if skin else Frames(frames)


class Featured(Repulsion):
    def describe_graph(self, graph):
        return np.arange(len(graph.frames.numbers))[:, None] * 1.0


class Lenient(Repulsion):
    def check_species(self, numbers):
        pass


class Wrapping(Repulsion):
    def one(self, frame):
        inside = (frame.positions < 7).all()
        return super().one(frame) if inside else self.far(super().one(frame))

    @staticmethod
    def far(prediction):
        return replace(prediction, energy=prediction.energy + 1)


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Renamed, "its suffixes begin with a dot"),
        (Changing, "its graph_key stays the same"),
        (Following, "a graph that moves gives what a new one gives"),
        (Featured, "features do not depend on the batch"),
        (Lenient, "elements that it does not know are refused"),
        (Wrapping, "atoms may lie outside their cell"),
    ],
)
def test_broken_classes_are_seen(kind, promise, frame):
    with pytest.raises(AssertionError, match=f"does not keep its promise: {promise}"):
        check_potential(kind(), frame)


def test_files_that_no_package_announces_are_seen(frame, tmp_path):
    path = tmp_path / "a.repulsion"
    path.write_text("4.0")
    with pytest.raises(ValueError, match="of the backend 'repulsion'"):
        check_potential(Repulsion(), frame, file=path)

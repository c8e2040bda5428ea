"""The contract of uncertainties: flowpot's own keep it, and broken ones are found."""

import numpy as np
import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    CommitteeSpread,
    EnsembleSpread,
    FeatureDistance,
    Uncertainty,
)
from flowpot.evaluation.uncertainty import uncertainties
from flowpot.evaluation.uncertainty.contract import check_uncertainty


def rattled(n, stdev, seed) -> Dataset:
    frames = []
    for i in range(n):
        atoms = bulk("Cu", cubic=True) * (1 + i % 2, 1, 1)
        atoms.rattle(stdev * (1 + i), seed=seed + i)
        frames.append(atoms)
    return Dataset.from_atoms(frames)


@pytest.fixture(scope="module")
def training():
    return rattled(6, 0.02, seed=1)


@pytest.fixture(scope="module")
def frames():
    return rattled(3, 0.05, seed=50)


class PredictedForce(Uncertainty):
    """The size of the predicted force, which a broken class gets wrong somewhere."""

    def measure_atoms(self, potentials, dataset):
        forces = potentials[0].evaluate(dataset).forces
        return {"predicted_force": np.linalg.norm(forces, axis=1)}


class Centred(Uncertainty):
    """An uncertainty with a state: the mean force of the training set."""

    def __init__(self, mean=0.0):
        self.mean = mean

    @classmethod
    def fit(cls, potentials, training):
        forces = potentials[0].evaluate(training).forces
        return cls(float(np.linalg.norm(forces, axis=1).mean()))

    def measure_atoms(self, potentials, dataset):
        forces = potentials[0].evaluate(dataset).forces
        return {"excess_force": np.abs(np.linalg.norm(forces, axis=1) - self.mean)}

    def to_bytes(self):
        return repr(self.mean).encode()

    @classmethod
    def from_bytes(cls, content):
        return cls(float(content))


@pytest.mark.parametrize(
    "kind", [CommitteeSpread, FeatureDistance, PredictedForce, Centred]
)
def test_uncertainties_keep_the_contract(kind, committee, training, frames):
    check_uncertainty(kind, committee, training, frames)


def test_an_instance_keeps_the_contract(committee, training, frames):
    distance = FeatureDistance.fit(committee[::-1], training)
    check_uncertainty(distance, committee[::-1], training, frames)


def test_every_registered_class_is_one():
    assert uncertainties() == {
        "CommitteeSpread": CommitteeSpread,
        "FeatureDistance": FeatureDistance,
        "EnsembleSpread": EnsembleSpread,
    }


class Relative(PredictedForce):
    def measure(self, potentials, dataset):
        measured = super().measure(potentials, dataset)
        return {k: v / v.max() for k, v in measured.items()}


class Signed(PredictedForce):
    def measure(self, potentials, dataset):
        return {k: -v for k, v in super().measure(potentials, dataset).items()}


class OfTheFirst(PredictedForce):
    def measure(self, potentials, dataset):
        atoms = self.measure_atoms(potentials, dataset)
        return {k: v[dataset.offsets[:-1]] for k, v in atoms.items()}


class Short(PredictedForce):
    def measure(self, potentials, dataset):
        return {k: v[:1] for k, v in super().measure(potentials, dataset).items()}


class Reading(PredictedForce):
    def measure(self, potentials, dataset):
        measured = super().measure(potentials, dataset)
        return {k: v + np.nan_to_num(dataset.energy) ** 2 for k, v in measured.items()}


class NamedForces(PredictedForce):
    def measure_atoms(self, potentials, dataset):
        return {"forces": super().measure_atoms(potentials, dataset)["predicted_force"]}


class OnlyOfFrames(PredictedForce):
    def measure(self, potentials, dataset):
        return super().measure(potentials, dataset) | {"size": dataset.n_atoms * 1.0}


class Constant(PredictedForce):
    def measure_atoms(self, potentials, dataset):
        measured = super().measure_atoms(potentials, dataset)
        return {k: np.ones_like(v) for k, v in measured.items()}


class Frail(PredictedForce):
    def measure_atoms(self, potentials, dataset):
        measured = super().measure_atoms(potentials, dataset)
        if np.isnan(measured["predicted_force"]).any():
            raise FloatingPointError
        return measured


class Forgetful(Centred):
    def to_bytes(self):
        return b"0.0"


class Whole(PredictedForce):
    def measure(self, potentials, dataset):
        measured = super().measure(potentials, dataset)
        return {k: (1e3 * v).astype(int) for k, v in measured.items()}


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Relative, "a frame is measured without the others"),
        (Signed, "is not negative"),
        (OfTheFirst, "the order of the atoms does not matter"),
        (Short, "one number for each frame"),
        (Reading, "labels are not read"),
        (NamedForces, "no name is one that the committee.s predictions have"),
        (OnlyOfFrames, "is measured of atoms"),
        (Constant, "are told apart"),
        (Frail, "bears predictions that are NaN"),
        (Forgetful, "to_bytes and from_bytes keep it"),
        (Whole, "array of floats"),
    ],
)
def test_a_broken_promise_is_named(kind, promise, committee, training, frames):
    with pytest.raises(AssertionError, match=promise):
        check_uncertainty(kind, committee, training, frames)

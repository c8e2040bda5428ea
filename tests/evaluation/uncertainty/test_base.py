"""What every uncertainty has of its base."""

import numpy as np
import pytest

from committee_simulation import Twin, World
from error_laws import LAWS
from flowpot.evaluation import Uncertainty


class Counted(Twin):
    """It says how often its atoms were measured."""

    times = 0

    def measure_atoms(self, potentials, dataset):
        self.times += 1
        return super().measure_atoms(potentials, dataset)


class Summed(Counted):
    """Its frames are not summed up from its atoms."""

    def measure(self, potentials, dataset):  # noqa: ARG002 - as its base
        return {"twin": np.full(len(dataset), 3.0)}


@pytest.mark.parametrize("kind", [Counted, Summed])
def test_frames_and_atoms_are_measured_by_one_pass(kind):
    world = World(LAWS["narrow"])
    frames, members = world.explore(5), world.committee(0)
    uncertainty: Uncertainty = kind()
    of_frames, of_atoms = uncertainty.measure_both(members, frames)
    assert uncertainty.times == 1
    for both, alone in (
        (of_frames, uncertainty.measure(members, frames)),
        (of_atoms, uncertainty.measure_atoms(members, frames)),
    ):
        assert both.keys() == alone.keys()
        for name, values in alone.items():
            np.testing.assert_array_equal(both[name], values)

"""A crystal that is unlike what error bars were fitted to."""
# ruff: noqa: ARG002, ARG003 - the class honours its interface

import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from flowpot import ValidationMaker
from flowpot.evaluation import Uncertainty, calibrate
from flowpot.evaluation.uncertainty.registry import ENTRY_POINTS
from flowpot.potentials import registry
from stiffened_emt import StiffenedEMT, stiffened_members


class Bareness(Uncertainty):
    """How many neighbours atoms lack of twelve, within 3.1 A."""

    @classmethod
    def fit(cls, potentials, training):
        return cls()

    def measure_atoms(self, potentials, dataset):
        found = [
            np.bincount(neighbor_list("i", atoms, 3.1), minlength=len(atoms))
            for atoms in dataset
        ]
        return {"bareness": 12.0 - np.concatenate(found)}

    def to_bytes(self):
        return json.dumps(None).encode()

    @classmethod
    def from_bytes(cls, content):
        return cls()


@pytest.fixture
def fits(monkeypatch):
    """A calibration of frames whose atoms lack four neighbours at most."""
    point = EntryPoint("bareness", f"{__name__}:Bareness", ENTRY_POINTS)
    monkeypatch.setattr(
        "flowpot.plugins.entry_points",
        lambda group: [point] if group == ENTRY_POINTS else [],
    )
    monkeypatch.setattr(registry, "registered", lambda *_: {"own": StiffenedEMT})
    rng = np.random.default_rng(0)
    spread = rng.lognormal(-5, 0.5, 40)
    lack = np.resize([0.0, 1.0, 2.0, 4.0], 40)
    columns = {"energy": spread, "bareness": lack, "bareness_rms": lack}
    errors = 2 * spread * rng.lognormal(0, 0.3, 40)
    return calibrate(
        columns | {"stress": spread},
        {"energy": errors, "stress": errors},
        {"energy": 0.01, "stress": 0.01},
    )


@pytest.mark.parametrize("properties", [("eos",), ("elastic",)])
def test_it_is_said_of_the_crystal(validated, fits, properties):
    maker = ValidationMaker(properties=properties, eos_points=5)
    crystals = [bulk("Cu"), bulk("Cu", "sc", a=2.40)]
    document = validated(
        maker,
        stiffened_members(0.0, 0.02),
        crystals,
        calibration=fits,
        uncertainties=[Bareness()],
    )
    unlike, *more = [note for note in document.notes if "unlike" in note]
    assert not more
    # six neighbours are lacking, four of frames that are not rare
    assert unlike.startswith("Cu Pm-3m is unlike what the error bars were fitted to")
    assert "1.5 times as far" in unlike
    assert unlike in document.verdict


def test_it_is_said_where_that_is_not_known(validated, fits, monkeypatch):
    def out_of_memory(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Bareness, "measure_atoms", out_of_memory)
    maker = ValidationMaker(properties=("elastic",))
    document = validated(
        maker,
        stiffened_members(0.0, 0.02),
        bulk("Cu"),
        calibration=fits,
        uncertainties=[Bareness()],
    )
    (note,) = [note for note in document.notes if "out of memory" in note]
    assert note.startswith("How far Cu Fm-3m is from what was learned is not known")
